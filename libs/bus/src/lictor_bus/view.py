"""A view: this process's copy of one stream of the state, exact up to an index that it knows.

It follows the feed (design rules 3.7 to 3.11), moves its index with beacons and read answers, and when it has missed
something asks a member: for the changes since its index, or for a snapshot in parts. Within an epoch it never goes
back. It goes on serving what it has while the store is silent; how old that is, `last_contact_s` tells.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence

import structlog

from lictor_bus import frames, subjects
from lictor_bus.connection import Bus, BusError
from lictor_bus.feed_order import FeedOrder, Verdict
from lictor_bus.frames import Beacon, Feed, FrameError, ReadAnswer, ResumeAnswer, ResumeAsk
from lictor_bus.index_waits import IndexWaits, Reached
from lictor_bus.leader import LeaderTracker
from lictor_state import CodecError, Store
from lictor_state.group_decoder import GroupDecoder
from lictor_state.rows import Change, Table
from lictor_state.snapshot import Narrow, StreamRestore
from lictor_state.streams import Stream

BUFFER_BYTES_MAX = 32 * 1024 * 1024
"""Feed messages kept while a resume is under way; beyond it the buffer is dropped and the resume repeated."""

OFFERED_WAIT_S = 0.003
"""Longest that changes wait which an answer has brought: till the answers are out and the next requests are read."""

PARTS_IN_FLIGHT = 4
PART_TIMEOUT_S = 5.0
ASK_TIMEOUT_S = 3.0
RETRY_WAIT_S = 0.1

log = structlog.get_logger()

LoadListener = Callable[[int, Sequence[Change]], None]


class _ResumeFailedError(Exception):
    """This member could not help; ask another."""


class View:
    """Follows one stream; run `run()` as one of the process's tasks."""

    def __init__(
        self,
        bus: Bus,
        leader: LeaderTracker,
        stream: Stream,
        dice: random.Random | None = None,
        tables: Iterable[Table] = Table,
        narrow: Narrow | None = None,
    ) -> None:
        """Follow a stream; rows of other `tables` than these are neither decoded nor kept.

        `narrow` takes every change before anything sees it, and gives what is kept of it: a row with less in it, a
        deletion for a row that the reader can do without, or None for one that it never looks at.
        """
        self._bus = bus
        self._leader = leader
        self.stream: Stream = stream
        self._dice = dice or random.Random()  # noqa: S311  spreads load over members, nothing secret
        self._tables = {int(table): table for table in (Table.META, *tables)}
        self._groups = GroupDecoder(self._tables)
        self._narrow = narrow
        self._store = Store("", keeps_digest=False)
        self.ready = asyncio.Event()
        self.resumes = 0
        self._order = FeedOrder()
        self._behind = asyncio.Event()
        self._behind.set()
        self._resuming = True  # until the first resume has ended: nothing of the feed may be taken before
        self._buffer: list[Feed] = []
        self._buffer_bytes = 0
        self._overdue = 0
        self._waits = IndexWaits()
        self._offered: list[bytes] = []
        self._offered_to = 0
        self._load_soon: asyncio.TimerHandle | None = None
        self._on_load: list[LoadListener] = []
        self._on_reset: list[Callable[[], None]] = []

    @property
    def store(self) -> Store:
        """The copy itself, with all that has come."""
        if self._offered:
            self._load_offered()
        return self._store

    @property
    def index(self) -> int:
        """The store index up to which this view is exact."""
        return self._offered_to if self._offered else self._store.index

    @property
    def cluster(self) -> str:
        """The cluster that this process belongs to, empty before the first beacon."""
        return self._leader.cluster

    @property
    def leader(self) -> LeaderTracker:
        """Who leads, as far as this process has heard."""
        return self._leader

    def last_contact_s(self) -> float:
        """Seconds since the leader was last heard."""
        return self._leader.silence_s()

    def on_load(self, listener: LoadListener) -> None:
        """Call `listener(index, changes)` after each index's changes have been loaded."""
        self._on_load.append(listener)

    def on_reset(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after a snapshot has replaced `store`."""
        self._on_reset.append(listener)

    def start_from(self, saved: Store) -> bool:
        """Hold a saved store until the first complete one is here (fail static); False if that is here already.

        The view does not become `ready` by it. A saved store of the same cluster is a floor: no older one replaces it.
        """
        if self.ready.is_set():
            return False
        self._replace(saved)
        return True

    async def wait_for(self, index: int, timeout_s: float) -> bool:
        """Wait until the view's index is at least `index`; whether it got there in time."""
        if self.index >= index:
            return True
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def reached(there: bool) -> None:
            if not ended.done():
                ended.set_result(there)

        self.when(index, timeout_s, reached)
        return await ended

    def when(self, index: int, timeout_s: float, reached: Reached) -> None:
        """Have `reached` told when the view's index is at least `index`; at once if it is, False after `timeout_s`."""
        if self.index >= index:
            reached(True)
        else:
            self._waits.add(index, timeout_s, reached)

    def reached(self, answer: ReadAnswer) -> bool:
        """Whether a strong read may be answered from this view now; moves the index to what the answer allows."""
        if answer.epoch > self.store.epoch and self.ready.is_set():
            self._fall_behind("a restore has begun a new epoch")
        if self.store.index < answer.stream_last.get(self.stream, 0):
            return False
        self._advance(answer.applied)
        return True

    async def reach(self, answer: ReadAnswer, timeout_s: float) -> bool:
        """Wait until a strong read may be answered from this view; whether it got there in time."""
        if self.reached(answer):
            return True
        if not await self.wait_for(answer.stream_last.get(self.stream, 0), timeout_s):
            return False
        self._advance(answer.applied)
        return True

    async def run(self) -> None:
        """Follow the stream for ever."""
        await self._leader.wait_for_cluster()
        subject = subjects.feed(self._leader.cluster, self.stream)
        await self._bus.subscribe(subject, self._on_feed, on_overflow=lambda: self._fall_behind("slow consumer"))
        self._leader.listen(self._on_beacon)
        while True:
            await self._behind.wait()
            await self._resume()

    # -- the feed

    def offer(self, data: bytes) -> None:
        """A feed message that came by a faster road than the feed's: taken if it is the next one, else left to that.

        It comes with the answers to those who have made the changes, and they are told first: it counts at once and is
        loaded a moment later, or when somebody looks.
        """
        if self._resuming or not self.ready.is_set():
            return
        try:
            feed = frames.decode(data, Feed)
        except FrameError:
            return  # the feed brings it too, and is where it is judged
        whole = feed.parts == 1 and not feed.resume
        if whole and feed.epoch == self._store.epoch and feed.prev <= self.index < feed.last:
            self._offered += feed.groups
            self._offered_to = feed.last
            if self._load_soon is None:
                self._load_soon = asyncio.get_running_loop().call_later(OFFERED_WAIT_S, self._load_offered)
            self._wake()

    def _load_offered(self) -> None:
        offered, self._offered = self._offered, []
        if self._load_soon is not None:
            self._load_soon.cancel()
            self._load_soon = None
        try:
            self._load(offered)
        except CodecError as error:  # the feed brings it too, and is where it is judged
            log.debug("offered changes not understood", stream=self.stream, reason=str(error))

    def _on_feed(self, _subject: str, data: bytes, _reply: str) -> None:
        try:
            feed = frames.decode(data, Feed)
        except FrameError as error:
            log.warning("feed not understood", stream=self.stream, reason=str(error))
            self._fall_behind("a feed message was not understood")
            return
        if not self._resuming:
            self._take(feed)
            return
        self._buffer_bytes += len(data)
        if self._buffer_bytes > BUFFER_BYTES_MAX:
            self._buffer, self._buffer_bytes = [], 0
            self._fall_behind("the buffer overflowed while resuming")
        else:
            self._buffer.append(feed)

    def _take(self, feed: Feed) -> None:
        verdict, groups = self._order.judge(self.store.epoch, self.store.index, feed)
        if verdict is Verdict.TAKE:
            self._load(groups)
        elif verdict is Verdict.GAP:
            self._fall_behind("a change was missed")

    def _load(self, groups: Sequence[bytes]) -> None:
        store = self.store
        for encoded in groups:
            index, decoded = self._groups.decode(encoded)
            changes: Sequence[Change] = decoded
            if index <= store.index:
                continue
            if self._narrow is not None:
                changes = [kept for change in changes if (kept := self._narrow(change)) is not None]
            store.load(index, changes)
            for listener in self._on_load:
                listener(index, changes)
        self._wake()

    def _fall_behind(self, reason: str) -> None:
        if not self._behind.is_set():
            log.info("view resumes", stream=self.stream, index=self.store.index, reason=reason)
            self._resuming = True
            self._behind.set()

    def _on_beacon(self, beacon: Beacon) -> None:
        if self._resuming or not self.ready.is_set():
            return
        if beacon.epoch > self.store.epoch:
            self._fall_behind("a restore has begun a new epoch")
            return
        changed_at = beacon.stream_last.get(self.stream, 0)
        if self.store.index >= changed_at:
            self._overdue = 0
            self._advance(beacon.applied)
            if self.store.index <= beacon.applied:
                self.store.raise_level(beacon.level)  # no row carries it, and what is saved from here must say it
        elif self._overdue and self.store.index < self._overdue:
            self._fall_behind("the feed's last message was missed")
        else:
            self._overdue = changed_at  # it may still be on its way: judged at the next beacon

    def _advance(self, index: int) -> None:
        if index > self.store.index:
            self.store.advance(index)
            self._wake()

    def _wake(self) -> None:
        self._waits.tell(self.index)

    # -- resume

    async def _resume(self) -> None:
        self._resuming = True
        while True:
            self._behind.clear()
            for member in self._members():
                try:
                    await self._resume_from(member)
                except (BusError, FrameError, _ResumeFailedError) as error:
                    log.debug("member could not resume us", member=f"{member:x}", reason=str(error))
                    continue
                break
            else:
                await asyncio.sleep(RETRY_WAIT_S)
                continue
            if not self._behind.is_set():  # else the buffer overflowed meanwhile
                break
        self.resumes += 1
        self._resuming, self._overdue = False, 0
        buffered, self._buffer, self._buffer_bytes = self._buffer, [], 0
        for feed in buffered:
            if not self._behind.is_set():
                self._take(feed)
        self._wake()
        if not self.ready.is_set():
            log.info("view complete", stream=self.stream, index=self.store.index, cluster=self.cluster)
            self.ready.set()

    def _members(self) -> list[int]:
        """Whom to ask: any member, the leader last, so that it is spared while others can help."""
        beacon = self._leader.beacon
        if beacon is None:
            return []
        others = [one.member_id for one in beacon.members if one.member_id != beacon.leader]
        self._dice.shuffle(others)
        return [*others, beacon.leader]

    async def _resume_from(self, member: int) -> None:
        beacon = self._leader.beacon
        target = beacon.stream_last.get(self.stream, 0) if beacon else 0
        known = self.store.epoch if self.ready.is_set() else 0
        while True:
            ask = ResumeAsk(self.cluster, self.stream, known, self.store.index if known else 0, target)
            answer = await self._ask(member, ask, ASK_TIMEOUT_S)
            if answer.status == "snapshot":
                await self._fetch(member, ask, answer)
                return
            if answer.status != "changes":
                raise _ResumeFailedError(answer.status)
            self._load(answer.groups)
            if not answer.more:
                self._advance(answer.index)
                return

    async def _ask(self, member: int, ask: ResumeAsk, timeout_s: float) -> ResumeAnswer:
        subject = subjects.member(self.cluster, member, "resume")
        return frames.decode(await self._bus.request(subject, frames.encode(ask), timeout_s), ResumeAnswer)

    async def _fetch(self, member: int, ask: ResumeAsk, offer: ResumeAnswer) -> None:
        """Fetch the parts of an offered snapshot and put the store made of them in place."""
        try:
            fresh = await self._fetch_parts(member, ask, offer)
        except ExceptionGroup as failed:  # by `except*`, Python before 3.11.4 would wrap what is raised here once more
            expected, others = failed.split((BusError, FrameError, _ResumeFailedError))
            if expected is None or others is not None:
                raise
            raise _ResumeFailedError(str(expected.exceptions[0])) from failed
        held = self.store
        same_cluster = fresh.meta.cluster_id == held.meta.cluster_id  # it is not, if ours was saved in another one
        if same_cluster and (fresh.epoch, fresh.index) < (held.epoch, held.index):
            raise _ResumeFailedError("the snapshot is older than this view")
        self._replace(fresh)

    def _replace(self, fresh: Store) -> None:
        replaced, self._store = self.store, fresh
        replaced.watches.fire_all()
        for listener in self._on_reset:
            listener()

    async def _fetch_parts(self, member: int, ask: ResumeAsk, offer: ResumeAnswer) -> Store:
        """The store made of an offered snapshot's parts, fetched four at a time."""
        restore = StreamRestore(self._tables, keeps_digest=False, narrow=self._narrow)
        fetching: list[asyncio.Task[ResumeAnswer]] = []
        async with asyncio.TaskGroup() as group:

            def begin(part: int) -> None:
                wanted = ResumeAsk(ask.cluster, ask.stream, ask.epoch, ask.index, ask.target, offer.session, part)
                fetching.append(group.create_task(self._ask(member, wanted, PART_TIMEOUT_S)))

            for part in range(min(PARTS_IN_FLIGHT, offer.parts)):
                begin(part)
            for part in range(offer.parts):
                answer = await fetching[part]
                if answer.status != "part":
                    raise _ResumeFailedError(answer.status)
                restore.feed(answer.body)
                if len(fetching) < offer.parts:
                    begin(len(fetching))
        return restore.finish()

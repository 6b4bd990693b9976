"""Blocking queries: answers kept as long as they are true, and one watch for all who wait for the same (rule 3.13).

A `Plan` is a distinct query. Its answer is computed once, watched by the tokens that the query named, and shared as
bytes by every read until a token fires; whoever waits for a higher index is woken then, and the next answer is computed
once for all. A query that ends by time is confirmed as at its start before it is answered. A query on a single missing
object, or one that Consul compares by result, goes on sleeping while its answer stays the same.

A sleeper is a small object with a deadline and a callback, not a task: thousands of them wait for one change.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext

import msgspec

from lictor_catalog.consistency import CONFIRMED, Contact, ReadOptions
from lictor_catalog.deadlines import Deadlines
from lictor_catalog.errors import ApiError
from lictor_catalog.page import Page
from lictor_catalog.ports import ViewPort
from lictor_state import Store
from lictor_state.watches import Token, Watch

JITTER_FRACTION = 16
"""A wait lasts up to a sixteenth longer, so that clients that began together do not return together."""

WAITERS_MAX = 16_384
"""Blocking queries at once in one process: beyond it memory goes to sockets; the client is told to come back later."""

WAITERS_PER_CLIENT_MAX = WAITERS_MAX // 2
"""Of one client address: whoever waits for very much leaves as much to all the others."""

RETRY_AFTER = ((b"retry-after", b"5"),)

WOKEN_AT_ONCE = 512
"""Sleepers answered before the loop turns, which takes some eight milliseconds: fewer wake the helpers too often."""

ANSWERS_MAX = 4096
ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""Answers kept for sharing; the least recently used are dropped, and only have to be encoded again."""

Settle = Callable[[ReadOptions], Awaitable[Contact]]
"""Waits until a read may be answered from the view (`Consistency.settle` or `settle_local`)."""


class ClientGoneError(Exception):
    """The client closed its connection while its query was waiting."""


class Outcome(msgspec.Struct, frozen=True):
    """A query's answer at the store's index: the page, and what it depends on.

    `floating`: the index that the page reports may rise though none of the tokens' rows change (what is not there is
    reported at its table's index); such a page is computed anew at each index, and nobody is woken for it.
    """

    page: Page
    tokens: Sequence[Token]
    floating: bool = False


class Plan(msgspec.Struct, frozen=True):
    """A distinct query: equal keys mean equal answers.

    `sleeps_while_same`: an answer with the bytes that the waiter saw first does not release it, whatever its index.
    `any_other_index`: the index is no position in a history but a name for the answer; a waiter is released by any
    other than its own, a lower one too.
    """

    key: Hashable
    run: Callable[[Store], Outcome]
    sleeps_while_same: bool = False
    any_other_index: bool = False


class Sleeper:
    """One blocking query that waits; `done` is told the page that releases it, or None when its time is up."""

    __slots__ = ("answer", "client", "deadline", "done", "first", "options", "plan", "resets")

    def __init__(self, plan: Plan, options: ReadOptions, done: "Done", first: Page, resets: int, client: str) -> None:
        self.client = client
        self.plan = plan
        self.options = options
        self.done = done
        self.first = first
        self.resets = resets
        self.answer: _Answer | None = None
        self.deadline: float | None = None
        """While it waits."""


Done = Callable[[Page | None], None]


class _Answer:
    """A plan's answer while its watch has not fired."""

    __slots__ = ("at_index", "cached", "floating", "page", "sleepers", "store", "watch")

    def __init__(self, store: Store, outcome: Outcome) -> None:
        self.store = store
        self.at_index = store.index
        self.page = outcome.page
        self.floating = outcome.floating
        self.watch: Watch | None = None
        self.sleepers: dict[Sleeper, None] = {}
        self.cached = True


class BlockingQueries:
    """Answers plans from the view, at once or when they change."""

    def __init__(
        self, view: ViewPort, dice: Callable[[], float], crowd: AbstractContextManager[object] | None = None
    ) -> None:
        """Begin with none; `crowd` is entered around the answers to those whom one change has woken."""
        self._view = view
        self._dice = dice
        self._crowd = crowd or nullcontext()
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._bytes = 0
        self._resets = 0
        self._closing = False
        self._asleep: dict[Sleeper, None] = {}
        self._deadlines = Deadlines(self._time_is_up)
        self._of_client: dict[str, int] = {}
        self.refused = 0
        self.computed = 0
        self.shared = 0

    @property
    def waiting(self) -> int:
        """How many blocking queries wait now."""
        return len(self._asleep)

    def reset(self) -> None:
        """The view's store was replaced: nothing kept is true any more, and every waiter is released."""
        self._resets += 1
        answers, self._answers, self._bytes = self._answers, OrderedDict(), 0
        for answer in answers.values():
            answer.cached = False
            if answer.watch is not None:
                answer.store.watches.remove(answer.watch)
                answer.watch = None
            self._end(answer)

    def close(self) -> None:
        """Release every waiter as if its time were up; later queries do not wait."""
        self._closing = True
        for sleeper in list(self._asleep):
            self._time_is_up(sleeper)

    def page(self, plan: Plan) -> Page:
        """The answer at the view's index."""
        return self._current(plan).page

    async def read(
        self,
        plan: Plan,
        options: ReadOptions,
        settle: Settle,
        disconnected: "asyncio.Future[None] | None" = None,
        client: str = "",
    ) -> tuple[Page, Contact]:
        """The page for a plan under the given options.

        `disconnected` ends the wait when it is done; `client` is the address that asks. Raises `ApiError`, and
        `ClientGoneError` when it was that.
        """
        contact = await settle(options)
        ended: asyncio.Future[Page | None] = asyncio.get_running_loop().create_future()

        def done(page: Page | None) -> None:
            if not ended.done():
                ended.set_result(page)

        begun = self.begin(plan, options, done, client)
        if isinstance(begun, Page):
            return begun, contact
        await self._sleep(begun, ended, disconnected)
        page = ended.result()
        if page is not None:
            return page, woken_contact(contact)
        contact = await settle(options)
        return self._current(plan).page, contact

    async def _sleep(
        self, sleeper: Sleeper, ended: "asyncio.Future[Page | None]", disconnected: "asyncio.Future[None] | None"
    ) -> None:
        """Wait until the sleeper is done or its client gone."""

        def gone(_done: "asyncio.Future[None]") -> None:
            ended.cancel()

        if disconnected is not None:
            disconnected.add_done_callback(gone)
        try:
            await asyncio.wait([ended])
        finally:
            self.forget(sleeper)
            if disconnected is not None:
                disconnected.remove_done_callback(gone)
        if ended.cancelled():
            raise ClientGoneError

    def begin(self, plan: Plan, options: ReadOptions, done: Done, client: str = "") -> Page | Sleeper:
        """The page if a settled read is answered by it already, else what waits for it; raises `ApiError`.

        `done` is called once, from the loop, unless the sleeper is forgotten before.
        """
        answer = self._current(plan)
        if self._closing or _released(plan, options, None, answer.page):
            return answer.page
        of_client = self._of_client.get(client, 0)
        if len(self._asleep) >= WAITERS_MAX or of_client >= WAITERS_PER_CLIENT_MAX:
            self.refused += 1
            whose = "of this client " if of_client >= WAITERS_PER_CLIENT_MAX else ""
            raise ApiError(429, f"too many blocking queries {whose}wait already, try again later", RETRY_AFTER)
        sleeper = Sleeper(plan, options, done, answer.page, self._resets, client)
        sleeper.deadline = self._deadlines.add(sleeper, options.wait_s * (1 + self._dice() / JITTER_FRACTION))
        self._asleep[sleeper] = None
        self._of_client[client] = of_client + 1
        self._lay(sleeper, answer)
        return sleeper

    def forget(self, sleeper: Sleeper) -> None:
        """Nobody waits for it any more; nothing happens when it is done already."""
        if sleeper.deadline is None:
            return
        self._deadlines.remove(sleeper, sleeper.deadline)
        sleeper.deadline = None
        del self._asleep[sleeper]
        left = self._of_client[sleeper.client] - 1
        if left:
            self._of_client[sleeper.client] = left
        else:
            del self._of_client[sleeper.client]
        answer, sleeper.answer = sleeper.answer, None
        if answer is None:
            return
        del answer.sleepers[sleeper]
        if not answer.cached and not answer.sleepers and answer.watch is not None:
            answer.store.watches.remove(answer.watch)
            answer.watch = None

    def _lay(self, sleeper: Sleeper, answer: _Answer) -> None:
        sleeper.answer = answer
        answer.sleepers[sleeper] = None

    def _time_is_up(self, sleeper: Sleeper) -> None:
        if sleeper.deadline is not None:  # else it was woken in the same moment
            self.forget(sleeper)
            sleeper.done(None)

    def _end(self, answer: _Answer) -> None:
        """Wake everybody, from the loop: not while the store fires its watches."""
        sleepers, answer.sleepers = answer.sleepers, {}
        if sleepers:
            for sleeper in sleepers:
                sleeper.answer = None
            asyncio.get_running_loop().call_soon(self._wake, list(sleepers))

    def _wake(self, sleepers: list[Sleeper]) -> None:
        """Release or lay down again, in order of coming."""
        with self._crowd:
            self._release(sleepers[:WOKEN_AT_ONCE])
        rest = sleepers[WOKEN_AT_ONCE:]
        if rest:
            asyncio.get_running_loop().call_soon(self._wake, rest)

    def _release(self, sleepers: Sequence[Sleeper]) -> None:
        answer: _Answer | None = None
        for sleeper in sleepers:
            if sleeper.deadline is None:  # forgotten meanwhile
                continue
            if answer is None:
                answer = self._current(sleeper.plan)  # all have one plan
            else:
                self.shared += 1
            page = answer.page
            if sleeper.resets != self._resets or _released(sleeper.plan, sleeper.options, sleeper.first, page):
                self.forget(sleeper)
                sleeper.done(page)
            else:
                self._lay(sleeper, answer)

    def _current(self, plan: Plan) -> _Answer:
        """The answer at the view's index, computed only if the last one may have changed."""
        store = self._view.store
        answer = self._answers.get(plan.key)
        if answer is not None and answer.store is store:
            if answer.floating and answer.at_index != store.index:
                self._bytes -= len(answer.page.body)
                answer.page, answer.at_index = plan.run(store).page, store.index
                self._bytes += len(answer.page.body)
            self.shared += 1
            self._answers.move_to_end(plan.key)
            return answer
        outcome = plan.run(store)
        fresh = _Answer(store, outcome)

        def fired() -> None:
            fresh.watch = None
            if fresh.cached:
                self._drop(plan.key, fresh)
            self._end(fresh)

        fresh.watch = store.watches.add(outcome.tokens, fired)
        self.computed += 1
        self._keep(plan.key, fresh)
        return fresh

    def _keep(self, key: Hashable, answer: _Answer) -> None:
        self._answers[key] = answer
        self._bytes += len(answer.page.body)
        while len(self._answers) > 1 and (len(self._answers) > ANSWERS_MAX or self._bytes > ANSWER_BYTES_MAX):
            oldest = next(iter(self._answers))
            dropped = self._answers[oldest]
            self._drop(oldest, dropped)
            if not dropped.sleepers and dropped.watch is not None:
                dropped.store.watches.remove(dropped.watch)
                dropped.watch = None

    def _drop(self, key: Hashable, answer: _Answer) -> None:
        if self._answers.get(key) is answer:
            del self._answers[key]
            self._bytes -= len(answer.page.body)
        answer.cached = False


def _released(plan: Plan, options: ReadOptions, first: Page | None, page: Page) -> bool:
    """Whether a page answers a query; `first` is what the waiter saw before it slept."""
    if options.content_hash:
        return page.content_hash != options.content_hash
    if not options.min_index:
        return True
    if plan.any_other_index:
        return page.index != options.min_index
    if page.index <= options.min_index:
        return False
    if first is None:
        return True
    return not ((first.absent and page.absent) or (plan.sleeps_while_same and page.body == first.body))


def woken_contact(contact: Contact) -> Contact:
    """What a page that a change has released says: that change has come from a leader just now."""
    return CONFIRMED.get(contact.mode, contact)

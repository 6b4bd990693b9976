"""The change feed from end to end in virtual time: members that apply one log, and views of every stream that follow.

Real are the machine, the feed's messages, what is kept of it, what answers views that resume, and the views themselves;
the log is just there, and who leads is said. The bus loses, repeats, delays and mixes up everything, also what one
connection sends, which NATS would not. Limits are small, so that a change of some rows is cut and a snapshot has many parts.
"""

import asyncio
from collections import Counter
from contextlib import ExitStack
from random import Random
from unittest.mock import patch

from random_commands import Commands

from lictor_bus import LeaderTracker, View, frames, subjects
from lictor_bus.frames import Feed, Member
from lictor_raft import Entry
from lictor_raft_store import change_feed, resume_api
from lictor_raft_store.change_feed import ChangeFeed
from lictor_raft_store.feed_log import FeedLog
from lictor_raft_store.held_changes import CROWD, PACE_S, HeldChanges
from lictor_raft_store.machine import Machine
from lictor_raft_store.resume_api import ResumeApi
from lictor_sim.members_bus import SERVERS, NetworkFaults, SimBus, SimNetwork
from lictor_sim.virtual_loop import Owner, VirtualLoop
from lictor_state import Store, dump, restore, snapshot
from lictor_state import commands as c
from lictor_state.codec import encode_envelope, row_hash
from lictor_state.levels import FOUNDING_LEVEL, LEVEL_MAX
from lictor_state.rows import Table
from lictor_state.streams import STREAM_TABLES, STREAMS, belongs

CLUSTER = "c"
MEMBERS = 3
VIEWS_OF_EACH = 2
STEPS = 160
HEALED_S = 30.0
"""Virtual seconds within which every view must be equal once nothing is lost any more."""


class _Disorder(dict[tuple[int, int], float]):
    """Forgets when the last message of a connection came, so that the next one may come before it."""

    def get(self, _path, default=None):
        return default


def digest(stream, store):
    """Over the rows of a stream."""
    return sum(
        row_hash(table, key, row)
        for table in STREAM_TABLES[stream] - {Table.META}
        for key, row in store.rows(table)
        if belongs(stream, table, key)
    )


class StoreMember:
    """One member, as views know it."""

    def __init__(self, world, number):
        self._world, self.member_id = world, number + 1
        self.owner = Owner(f"store-{self.member_id}")
        self.machine = Machine(Store(CLUSTER, FOUNDING_LEVEL), 0)

    async def start(self):
        world = self._world
        self.bus = SimBus(world.network, self.owner, self.member_id % SERVERS)
        self.feed, self.held = ChangeFeed(self.bus, CLUSTER), HeldChanges()
        self.feed_log = FeedLog(self.machine.store.index, world.dice.choice((0, 3_000, 60_000)))
        self.resume = ResumeApi(self.bus, CLUSTER, lambda: (self.machine.store, self.feed_log), lambda: world.loop.now)
        await self.bus.subscribe(subjects.member(CLUSTER, self.member_id, "resume"), self.resume.answer)

    async def restart(self):
        """Back from its own snapshot, with nothing kept of the feed."""
        self.stop()
        self.machine = Machine(restore(dump(self.machine.store)), self.machine.applied)
        await self.start()

    def stop(self):
        self._world.counts["snapshots served"] += self.resume.snapshots_served
        self.bus.vanish()

    def apply(self, upto):
        """Apply the log up to an index, as one batch."""
        world = self._world
        batch = self.machine.apply(world.log[self.machine.applied : upto], leading=self is world.leader)
        if batch.restored_at:
            self.feed_log.clear(batch.restored_at)
        self.feed_log.add(batch.groups, batch.lasts)
        return batch

    async def publish(self, batch):
        """As the leader of few writers or of a crowd, whose answers bring the changes or do not."""
        world, epoch = self._world, self.machine.store.epoch
        if batch.restored_at:
            self.held.take()
            self.feed.announce_restore(epoch, batch.restored_at)
        entries, told = world.dice.choice((1, CROWD)), world.dice.choice((frozenset(), frozenset({"proposer"})))
        due = self.held.add(batch.streams, entries, told, world.loop.now)
        world.counts["rounds held"] += bool(self.held)
        self.feed.publish(self.feed.encode(epoch, due))
        if self.held:
            held_by = self.held
            world.loop.call_later(
                PACE_S, lambda: held_by is self.held and world.loop.create_task(self.publish_held(), name="held")
            )

    async def publish_held(self):
        self.feed.publish(self.feed.encode(self.machine.store.epoch, self.held.take()))


class ViewProcess:
    """One run of a process that follows a stream."""

    def __init__(self, world, name, stream):
        self._world, self.stream = world, stream
        self.owner = Owner(name, 1.0 + world.dice.uniform(-0.05, 0.05))
        self.bus = SimBus(world.network, self.owner, world.dice.randrange(SERVERS))
        self.tracker = LeaderTracker(self.bus, clock=lambda: world.loop.now)
        self.view = View(self.bus, self.tracker, stream, Random(world.dice.random()))
        self._index, self._epoch = 0, 0
        self.view.on_load(lambda _index, _changes: self.look())
        self.view.on_reset(self.look)
        self._task = world.loop.create_task(self._run(), name=name, context=self.owner.context)

    async def _run(self):
        await self.tracker.start()
        await self.view.run()

    def look(self):
        """What holds after every load: never back, and exactly the state there."""
        store = self.view.store
        assert (store.epoch, store.index) >= (self._epoch, self._index), f"{self.owner.name} went back"
        assert store.meta.cluster_id == CLUSTER
        self._epoch, self._index = store.epoch, store.index
        expected = self._world.truth[store.index][self.stream]
        assert digest(self.stream, store) == expected, f"{self.owner.name} is wrong at {store.index}"
        self._world.counts["loads"] += 1

    def stop(self):
        self._world.counts["resumes"] += self.view.resumes
        self.bus.vanish()
        self._world.loop.hold(self.owner)


class FeedWorld:
    """Members and views on one bus, from one seed."""

    def __init__(self, seed):
        self.loop = VirtualLoop()
        self.dice = Random(seed)
        faults = NetworkFaults(
            loss=self.dice.choice((0.0, 0.02, 0.1)), repetition=0.1, long_delay=0.15, long_delay_s_max=0.5
        )
        self.network = SimNetwork(self.loop, self.dice, faults)
        self.network._arrivals = _Disorder()
        self.network.tap = self._saw
        self.commands = Commands(self.dice)
        self.log: list[Entry] = []
        self.truth = {0: dict.fromkeys(STREAMS, 0)}
        self.counts: Counter[str] = Counter()
        self.term = 1
        self.members = [StoreMember(self, number) for number in range(MEMBERS)]
        self.leader = self.members[0]
        self.views: list[ViewProcess] = []
        self.gone: list[ViewProcess] = []
        self._reference = Machine(Store(CLUSTER, FOUNDING_LEVEL), 0)
        self._failed: BaseException | None = None
        self.loop.set_exception_handler(self._noticed)

    def _noticed(self, _loop, context):
        self._failed = self._failed or context.get("exception") or AssertionError(context["message"])

    def _saw(self, _bus, subject, data):
        if subject.startswith("feed."):
            feed = frames.decode(data, Feed)
            self.counts["feed messages"] += 1
            self.counts["parts of a cut change"] += feed.parts > 1
            self.counts["only announced"] += feed.resume

    # -- the log

    async def write(self, *commands):
        """Commit commands, and have the leader apply them as one batch and publish it."""
        for command in commands:
            entry = Entry(self.term, len(self.log) + 1, data=encode_envelope(c.Envelope(0, 0, 0, command)))
            self.log.append(entry)
            done = self._reference.apply([entry], leading=False)
            self.counts["restores"] += bool(done.restored_at)
            store = self._reference.store
            self.truth[store.index] = {stream: digest(stream, store) for stream in STREAMS}
        batch = self.leader.apply(len(self.log))
        await self.leader.publish(batch)

    def lead(self, member):
        """Another term: the new leader applies what was committed, and publishes only what comes after."""
        self.term += 1
        member.apply(len(self.log))
        self.leader = member

    async def beacons(self):
        """The leader's, for ever."""
        members = tuple(Member(one.member_id, one.owner.name, "") for one in self.members)
        while True:
            one = self.leader
            await one.publish_held()
            one.feed.beacon(one.machine.store, self.term, one.member_id, members, "", ())
            await asyncio.sleep(0.25)

    # -- a run

    async def run(self):
        for member in self.members:
            await member.start()
        await self.write(c.RaiseLevel(self.dice.choice((2, LEVEL_MAX))))
        beacons = self.loop.create_task(self.beacons(), name="beacons")
        for number in range(VIEWS_OF_EACH):
            self.views += [ViewProcess(self, f"{stream}-{number}", stream) for stream in STREAMS]
        for _ in range(STEPS):
            await self._step()
            if self._failed is not None:
                raise self._failed
        await self._heal()
        beacons.cancel()
        for view in self.views:
            view.stop()
        for member in self.members:
            member.stop()

    async def _step(self):
        dice = self.dice
        roll = dice.random()
        if roll < 0.78:
            await self.write(*[self.commands.one() for _ in range(dice.choice((1, 1, 2, 5)))])
        elif roll < 0.83 and self._reference.store.restoring is None:
            steps = self.commands.restore_of(self._reference.store)
            cut = dice.randrange(len(steps))
            for some in (steps[:cut], steps[cut:]):
                await self.write(*some)
                await self.write(self.commands.one())
        elif roll < 0.86:
            self.lead(dice.choice(self.members))
        elif roll < 0.89:
            await self._restart_a_member()
        elif roll < 0.93:
            self._restart_a_view()
        elif roll < 0.96:
            one = dice.choice(self.views)
            self.loop.hold(one.owner)
            self.loop.call_later(dice.random(), self.loop.release, one.owner)
        else:
            number = dice.randrange(SERVERS)
            dice.choice((self.network.freeze_server, self.network.stop_server, self.network.start_server))(number)
        for member in self.members:
            if member is not self.leader and dice.random() < 0.3:
                member.apply(dice.randint(member.machine.applied, len(self.log)))
        await asyncio.sleep(dice.choice((0.0, 0.01, 0.05, 0.3, 1.0)))

    async def _restart_a_member(self):
        member = self.dice.choice(self.members)
        if member.machine.store.restoring is None:  # a member takes no snapshot while it stages
            await member.restart()
            self.counts["members restarted"] += 1

    def _restart_a_view(self):
        at = self.dice.randrange(len(self.views))
        old = self.views[at]
        old.stop()
        self.gone.append(old)
        self.views[at] = ViewProcess(self, f"{old.stream}-{len(self.gone) + VIEWS_OF_EACH}", old.stream)
        self.counts["views restarted"] += 1

    async def _heal(self):
        self.network.heal()
        for one in self.views:
            self.loop.release(one.owner)
        await self.write(c.KVSet("last", b"x"))
        for member in self.members:
            member.apply(len(self.log))
        deadline = self.loop.now + HEALED_S
        store = self._reference.store
        while not all(one.view.ready.is_set() and one.view.index == store.index for one in self.views):
            assert self.loop.now < deadline, [(one.owner.name, one.view.index, store.index) for one in self.views]
            await asyncio.sleep(0.25)
            if self._failed is not None:
                raise self._failed
        await asyncio.sleep(1.0)  # beacons say the level
        for one in self.views:
            for table in STREAM_TABLES[one.stream] - {Table.META}:
                expected = [(key, row) for key, row in store.rows(table) if belongs(one.stream, table, key)]
                assert list(one.view.store.rows(table)) == expected, f"{one.owner.name} differs in {table.name}"
            mine, theirs = one.view.store.meta, store.meta
            assert (mine.cluster_id, mine.epoch, mine.level) == (theirs.cluster_id, theirs.epoch, theirs.level)
            assert mine.stream_last[one.stream] == theirs.stream_last[one.stream]


def run_seed(seed):
    """One seed, with small limits; what happened how often, and the fingerprint of the end."""
    limits = ((change_feed, "MESSAGE_BYTES_MAX", 250), (change_feed, "CUT_BYTES_MAX", 3_000), (resume_api, "MESSAGE_BYTES_MAX", 1_500), (snapshot, "PART_BYTES_MAX", 900))  # fmt: skip
    with ExitStack() as patched:
        for module, name, value in limits:
            patched.enter_context(patch.object(module, name, value))
        world = FeedWorld(seed)
        try:
            world.loop.run_until_complete(world.run())
        finally:
            world.loop.end([*(one.owner for one in world.members), *(one.owner for one in (*world.views, *world.gone))])
    return world.counts, (world.network.messages, tuple(sorted(world.truth[world.views[0].view.index].items())))

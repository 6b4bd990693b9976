"""Snapshots of a member: when one is taken, what stays of the log, how one travels, and what ends a transfer."""

import asyncio
import random
from functools import partial
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from store_members import run, until, write

from lictor_bus import FakeBus, Hub
from lictor_raft import ConfState, Entry, EntryKind, Message, MessageKind, Snapshot
from lictor_raft import SnapshotMeta as RaftSnapshotMeta
from lictor_raft_store import snapshot_transfer, snapshotting
from lictor_raft_store.batch import EncodedBatch
from lictor_raft_store.disk import DiskFull
from lictor_raft_store.durable_log import ENTRY_MEMORY_BYTES, DurableLog, LogStorage
from lictor_raft_store.log_writer import Ended, until_ended
from lictor_raft_store.machine import Machine
from lictor_raft_store.pacing import Pace
from lictor_raft_store.room import Room
from lictor_raft_store.sim_disk import SimDisk
from lictor_raft_store.snapshot_dump import Unframer, framed, load, load_paced, write_paced
from lictor_raft_store.snapshot_store import CHUNK_BYTES, SnapshotMeta, SnapshotStore
from lictor_raft_store.snapshot_transfer import SnapshotTransfer
from lictor_raft_store.snapshotting import as_raft
from lictor_state import Store, apply
from lictor_state.commands import Envelope, KVSet
from lictor_state.snapshot import dump_slices

CONF = ConfState((1, 2))
LEADER, FOLLOWER = 1, 2


async def offload(work: Any, *arguments: Any) -> Any:
    await asyncio.sleep(0)
    return work(*arguments)


def a_store(rows: int = 400) -> Store:
    dice, store = random.Random(5), Store("c")
    for index in range(1, rows + 1):
        apply(store, index, Envelope(0, 0, 0, KVSet(f"k{index}", dice.randbytes(1500))))
    return store


def kept(snapshots: SnapshotStore, index: int, store: Store) -> SnapshotMeta:
    writer = snapshots.create(index, 1, msgspec.msgpack.encode(CONF))
    return asyncio.run(write_paced(dump_slices(store), writer, offload, lambda: 0.0))


def test_a_dump_written_in_slices_is_loaded_in_slices_and_at_once_alike() -> None:
    snapshots, store = SnapshotStore(SimDisk(), "s"), a_store()
    meta = kept(snapshots, store.index, store)
    assert meta.chunks > 2
    assert load(snapshots, meta).digest() == store.digest()
    assert asyncio.run(load_paced(snapshots, meta, offload, lambda: 0.0)).digest() == store.digest()


def test_parts_come_out_of_chunks_cut_anywhere() -> None:
    parts = [b"a", b"b" * 1000, b"c" * 5]
    stream = b"".join(framed([parts[0], b"", *parts[1:]]))
    for size in (1, 7, 500, len(stream)):
        unframer = Unframer()
        found = [part for at in range(0, len(stream), size) for part in unframer.feed(stream[at : at + size])]
        assert found == parts
        unframer.end()


def test_work_rests_when_its_slice_is_over_and_not_before() -> None:
    now, rests = [0.0], []

    async def story() -> None:
        pace = Pace(lambda: now[0], 0.01, 0.0)
        for _ in range(10):
            now[0] += 0.004
            other = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(other.set_result, None)
            await pace.breathe()
            rests.append(other.done())

    asyncio.run(story())
    assert rests == [False, False, True] * 3 + [False]


# -- what stays of the log


def entry(index: int, size: int, term: int = 1) -> Entry:
    return Entry(term, index, EntryKind.NORMAL, bytes(size))


def test_what_stays_behind_a_snapshot_is_bounded_by_entries_and_by_bytes() -> None:
    storage = LogStorage()
    storage.append([entry(index, 1000) for index in range(1, 101)])
    each = 1000 + ENTRY_MEMORY_BYTES
    assert storage.trailing_from(80, 10, 1 << 30) == 70
    assert storage.trailing_from(80, 1000, 1 << 30) == 0
    assert storage.trailing_from(80, 1000, 3 * each) == 77
    assert storage.trailing_from(80, 1000, 3 * each - 1) == 78
    assert storage.trailing_from(80, 0, 1 << 30) == 80
    storage.compact(60)
    assert storage.trailing_from(80, 1000, 1 << 30) == 60


def test_the_bytes_in_memory_are_those_of_the_entries_whatever_is_replaced_or_dropped() -> None:
    dice = random.Random(3)
    storage, term = LogStorage(), 1
    for _ in range(500):
        action = dice.randint(0, 9)
        if action < 7:
            first = dice.randint(max(storage.first_index(), storage.last_index() - 3), storage.last_index() + 1)
            term += first <= storage.last_index()
            storage.append([entry(first + at, dice.randint(0, 99), term) for at in range(dice.randint(1, 5))])
        elif action < 9 and storage.last_index() >= storage.first_index():
            storage.compact(dice.randint(storage.first_index(), storage.last_index()))
        elif action == 9:
            storage.apply_snapshot(Snapshot(RaftSnapshotMeta(storage.last_index() + 2, term, CONF)))
        entries = storage._entries
        assert storage.bytes == sum(len(one.data) + ENTRY_MEMORY_BYTES for one in entries)


class GatedWriter:
    """A log writer whose writes end when a test says so."""

    def __init__(self) -> None:
        self.marks: list[tuple[int, bool]] = []
        self.gate = asyncio.Event()

    def begin(self, batch: EncodedBatch, ended: Ended) -> None:
        writing = asyncio.ensure_future(self.append(batch))
        writing.add_done_callback(lambda _done: ended(None))

    async def append(self, batch: EncodedBatch, *, sync: bool = True) -> None:
        if batch.snapshot_mark is not None:
            self.marks.append((batch.snapshot_mark.index, batch.snapshot_mark.installed))
        await self.gate.wait()

    async def drop_before(self, index: int) -> int:
        return 0

    async def close(self) -> None:
        """Nothing to close."""


def test_a_snapshot_taken_here_that_one_from_the_leader_overtakes_leaves_no_mark() -> None:
    async def story() -> None:
        writer, storage = GatedWriter(), LogStorage(CONF)
        storage.append([entry(index, 10) for index in range(1, 21)])
        room: Any = SimpleNamespace(begin=lambda _: None, end=lambda _: None)
        durable = DurableLog(writer, storage, room, lambda _: None)
        installing = asyncio.ensure_future(
            until_ended(partial(durable.replace, Snapshot(RaftSnapshotMeta(100, 1, CONF), b"reference"), None))
        )
        await asyncio.sleep(0)
        assert await durable.taken(15, CONF, b"own", 5, 1 << 20) is False
        writer.gate.set()
        await installing
        assert writer.marks == [(100, True)]
        assert storage.snapshot_index == 100

    asyncio.run(story())


def test_each_member_draws_when_in_the_last_eighth_of_its_time_the_next_snapshot_is_due() -> None:
    drawn, asked = iter([100, 88, 93, 100]), []

    def dice(low: int, high: int) -> int:
        asked.append((low, high))
        return next(drawn)

    async def story() -> list[int]:
        begun: list[int] = []

        def spawn(_name: str, work: Any) -> None:
            begun.append(machine.applied)
            tasks.append(asyncio.get_running_loop().create_task(work))

        tasks: list[asyncio.Task[None]] = []
        storage = LogStorage(CONF)
        storage.append([entry(index, 0) for index in range(1, 301)])
        durable: Any = SimpleNamespace(storage=storage, taken=taken, room=SimpleNamespace(state=Room.OK))
        node: Any = SimpleNamespace(status=lambda: SimpleNamespace(conf_state=CONF))
        member = snapshotting.MemberSnapshots(
            SnapshotStore(SimDisk(), "s"),
            SimpleNamespace(join=lambda *_: None),  # type: ignore[arg-type]
            node,
            durable,
            limits=snapshotting.Limits(100, 1 << 30, 0, 0),
            spawn=spawn,
            metrics=None,  # type: ignore[arg-type]
            offload=offload,
            clock=lambda: 0.0,
            dice=dice,
        )
        machine = Machine(Store("c"), 0)
        for machine.applied in range(1, 301):
            member.entries_applied(machine)
            await until(lambda: not member._taking)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return begun

    async def taken(*_: Any) -> bool:
        return False

    assert asyncio.run(story()) == [100, 188, 281]
    assert asked == [(88, 100)] * 4


def test_many_bytes_of_log_make_a_snapshot_due_before_its_time(tmp_path: Any) -> None:
    async def story(cluster: Any, client: Any) -> None:
        for number in range(40):
            await client.proposer.propose(KVSet(f"k{number}", bytes(100_000)))
        storages = [one.member.durable.storage for one in cluster.running.values()]
        await until(lambda: all(storage.snapshot_index > 2 for storage in storages))
        await until(lambda: all(storage.bytes < 3 << 20 for storage in storages))

    run(tmp_path, story, raft_store_snapshot_log_mib=1, raft_store_trailing_mib=1)


def test_huge_entries_do_not_stay_in_memory_by_their_number(tmp_path: Any) -> None:
    async def story(cluster: Any, client: Any) -> None:
        for number in range(40):
            await client.proposer.propose(KVSet(f"k{number % 4}", bytes(100_000)))
        await write(client, 100, 80)  # enough for another snapshot of each member behind the last large one
        storages = [one.member.durable.storage for one in cluster.running.values()]
        await until(lambda: all(storage.snapshot_index > 42 for storage in storages))
        # 1 MiB behind the snapshot and what has come since, of 4 MB in all
        await until(lambda: all(storage.bytes < 2 * (1 << 20) for storage in storages))

    run(tmp_path, story, raft_store_snapshot_entries=40, raft_store_trailing_mib=1)


def test_what_a_received_snapshot_replaces_is_gone_from_the_disk_at_once(tmp_path: Any) -> None:
    def segments(number: int) -> int:
        return len(list((tmp_path / str(number)).rglob("*.wal")))

    async def story(cluster: Any, client: Any) -> None:
        for number in range(40):
            await client.proposer.propose(KVSet(f"k{number % 4}", bytes(100_000)))
        away = next(one for one in cluster.running if one != cluster.leader())
        await until(lambda: segments(away) >= 4)
        await cluster.kill(away)
        await write(client, 100, 1000)
        leader = cluster.running[cluster.leader()].member.durable.storage
        await until(lambda: leader.first_index() > 100)
        await cluster.start(away)
        await until(lambda: len(cluster.applied()) == 1)
        await until(lambda: segments(away) <= 2)

    run(tmp_path, story, raft_store_segment_mib=1, raft_store_snapshot_entries=900, raft_store_trailing_entries=0)


# -- the way from a leader to a follower


class Side:
    """One member's part in a transfer."""

    def __init__(self, hub: Hub, member: int, disk: SimDisk) -> None:
        self.bus, self.disk = FakeBus(hub), disk
        self.snapshots = SnapshotStore(disk, "s")
        self.reports: list[tuple[int, bool]] = []
        self.received: list[Message] = []
        self.prepared: list[int] = []
        self.preparing: asyncio.Event | None = None
        self.tasks: list[asyncio.Task[None]] = []
        self.transfer = SnapshotTransfer(
            self.bus,
            "c",
            member,
            self.snapshots,
            spawn=lambda name, work: self.tasks.append(asyncio.get_running_loop().create_task(work, name=name)),
            received=self.received.append,
            report=lambda peer, ok: self.reports.append((peer, ok)),
            offload=offload,
            applied=lambda: 0,
        )
        self.transfer.join(self.prepare, self.wait)

    async def prepare(self, meta: SnapshotMeta) -> None:
        if self.preparing is not None:
            await self.preparing.wait()
        self.prepared.append(meta.index)

    async def wait(self, meta: SnapshotMeta) -> None:
        """The core takes it at once."""

    def leftovers(self) -> list[str]:
        return [name for name in self.disk.listdir("s") if name.endswith(".tmp")]


def offer_of(meta: SnapshotMeta) -> Message:
    return Message(MessageKind.SNAPSHOT, LEADER, FOLLOWER, 1, snapshot=as_raft(meta))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_transfer, "CHUNK_TIMEOUT_S", 0.05)
    monkeypatch.setattr(snapshot_transfer, "SILENT_S", 0.2)
    monkeypatch.setattr(snapshot_transfer, "SIGN_OF_LIFE_S", 0.05)
    monkeypatch.setattr(snapshot_transfer, "FAILED_PAUSE_S", 0.01)


def transfer(story: Any, disk: SimDisk | None = None) -> None:
    store = a_store()
    giving = SimDisk()
    metas = [kept(SnapshotStore(giving, "s"), index, store) for index in (10, 20)]

    async def main() -> None:
        hub = Hub()
        leader, follower = Side(hub, LEADER, giving), Side(hub, FOLLOWER, disk or SimDisk())
        for side in (leader, follower):
            await side.transfer.open()
        try:
            await asyncio.wait_for(story(leader, follower, metas), 20)
        finally:
            for task in (*leader.tasks, *follower.tasks):
                task.cancel()
            await asyncio.gather(*leader.tasks, *follower.tasks, return_exceptions=True)

    asyncio.run(main())


@pytest.mark.usefixtures("quick")
def test_a_snapshot_arrives_is_loaded_and_only_then_told_to_the_core() -> None:
    async def story(leader: Side, follower: Side, metas: list[SnapshotMeta]) -> None:
        follower.preparing = asyncio.Event()
        leader.transfer.offer(offer_of(metas[1]))
        await until(lambda: follower.snapshots.metas() == [metas[1]])
        await asyncio.sleep(0.5)  # far beyond the leader's patience with a silent follower
        assert (follower.received, leader.reports) == ([], [])
        follower.preparing.set()
        await until(lambda: leader.reports == [(FOLLOWER, True)])
        assert (follower.prepared, [one.snapshot for one in follower.received]) == ([20], [as_raft(metas[1])])

    transfer(story)


@pytest.mark.usefixtures("quick")
def test_a_newer_snapshot_replaces_one_that_is_being_received_and_an_older_one_does_not() -> None:
    async def story(leader: Side, follower: Side, metas: list[SnapshotMeta]) -> None:
        follower.preparing = asyncio.Event()
        leader.transfer.offer(offer_of(metas[0]))
        await until(lambda: follower.snapshots.metas() == [metas[0]])
        other = Side(leader.bus.hub, 3, leader.disk)  # the next leader offers a newer one
        await other.transfer.open()
        other.transfer.offer(Message(MessageKind.SNAPSHOT, 3, FOLLOWER, 2, snapshot=as_raft(metas[1])))
        await until(lambda: leader.reports == [(FOLLOWER, False)])
        follower.preparing.set()
        await until(lambda: other.reports == [(FOLLOWER, True)])
        assert follower.prepared == [20]
        assert follower.leftovers() == []

    transfer(story)


@pytest.mark.usefixtures("quick")
def test_a_follower_whose_leader_is_gone_gives_up_and_leaves_nothing() -> None:
    async def story(leader: Side, follower: Side, metas: list[SnapshotMeta]) -> None:
        asked = asyncio.Event()
        read_chunk = leader.snapshots.read_chunk

        def read(meta: SnapshotMeta, number: int) -> bytes:
            if number >= 1:
                leader.bus.connected = False
                asked.set()
            return read_chunk(meta, number)

        leader.snapshots.read_chunk = read  # type: ignore[method-assign]
        leader.transfer.offer(offer_of(metas[1]))
        await asked.wait()
        await until(lambda: follower.tasks and all(task.done() for task in follower.tasks))
        assert (follower.received, follower.leftovers(), follower.snapshots.metas()) == ([], [], [])
        await until(lambda: leader.reports == [(FOLLOWER, False)])

    transfer(story)


@pytest.mark.usefixtures("quick")
def test_a_leader_whose_follower_falls_silent_reports_so() -> None:
    async def story(leader: Side, follower: Side, metas: list[SnapshotMeta]) -> None:
        follower.preparing = asyncio.Event()
        leader.transfer.offer(offer_of(metas[1]))
        await until(lambda: follower.snapshots.metas() == [metas[1]])
        follower.bus.connected = False
        await until(lambda: leader.reports == [(FOLLOWER, False)])

    transfer(story)


@pytest.mark.usefixtures("quick")
def test_a_snapshot_that_does_not_fit_is_refused_before_anything_travels() -> None:
    async def story(leader: Side, follower: Side, metas: list[SnapshotMeta]) -> None:
        leader.snapshots.read_chunk = None  # type: ignore[assignment]  # nobody may ask
        leader.transfer.offer(offer_of(metas[1]))
        await until(lambda: leader.reports == [(FOLLOWER, False)])
        assert follower.disk.listdir("s") == []

    transfer(story, SimDisk(capacity_bytes=2 * CHUNK_BYTES))


def test_a_snapshot_being_given_is_not_dropped_however_many_newer_ones_come() -> None:
    disk = SimDisk()
    snapshots, store = SnapshotStore(disk, "s"), a_store(3)
    first = kept(snapshots, 1, store)
    with snapshots.hold(first):
        for index in (2, 3, 4):
            kept(snapshots, index, store)
        assert [meta.index for meta in snapshots.metas()] == [4, 3, 1]
    kept(snapshots, 5, store)
    assert [meta.index for meta in snapshots.metas()] == [5, 4]


def test_a_prepared_state_that_the_core_does_not_want_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshotting, "INSTALL_WAIT_S", 0.05)
    snapshots, store = SnapshotStore(SimDisk(), "s"), a_store(3)
    meta = kept(snapshots, 3, store)

    async def story() -> None:
        durable: Any = SimpleNamespace(storage=LogStorage())
        member: Any = snapshotting.MemberSnapshots(
            snapshots,
            SimpleNamespace(join=lambda *_: None),  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            durable,
            limits=snapshotting.Limits(1, 1, 1, 1),
            spawn=lambda *_: None,
            metrics=None,  # type: ignore[arg-type]
            offload=offload,
            clock=lambda: 0.0,
            dice=random.randint,
        )
        await member.prepare(meta)
        assert member._prepared is not None
        await member.wait_for_install(meta)
        assert member._prepared is None

    asyncio.run(story())


def test_a_snapshot_that_does_not_fit_is_tried_later_and_costs_the_member_nothing(tmp_path: Any) -> None:
    async def story(cluster: Any, client: Any) -> None:
        member = cluster.running[cluster.leader() or 1].member
        snapshots = member.driver._snapshots
        create = snapshots._snapshots.create

        def refuse(*_: Any) -> Any:
            raise DiskFull("no room left")

        snapshots._snapshots.create = refuse
        await write(client, 0, 40)
        await until(lambda: snapshots._failed_until > 0)
        await write(client, 40, 20)
        assert member.durable.storage.snapshot_index < 40
        snapshots._snapshots.create, snapshots._failed_until = create, 0.0
        await write(client, 60, 5)
        await until(lambda: member.durable.storage.snapshot_index >= 60)

    run(tmp_path, story, raft_store_snapshot_entries=20)

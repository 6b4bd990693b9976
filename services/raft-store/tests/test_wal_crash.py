"""Random lives of a log whose process is killed, whose disk fills up and loses power at any operation, against a model
that forgets nothing."""

import random
from collections.abc import Callable

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lictor_raft_store.batch import EncodedBatch, encode_batch
from lictor_raft_store.disk import DiskFull
from lictor_raft_store.record import HardState, LogEntry, SnapshotMark
from lictor_raft_store.recovery import Recovered
from lictor_raft_store.sim_disk import PowerLost, SimDisk
from lictor_raft_store.wal import AHEAD_BYTES, NoRoom, Wal

FOLDER = "data/wal"
CLUSTER = "c-1"
MEMBER = 77


class Model(msgspec.Struct, frozen=True):
    """The whole log as written: every entry since 1 (or since the last installed snapshot)."""

    first: int = 1
    prev_term: int = 0
    entries: tuple[LogEntry, ...] = ()
    hard_state: HardState | None = None
    mark: SnapshotMark | None = None

    @property
    def last(self) -> int:
        return self.first + len(self.entries) - 1

    @property
    def mark_index(self) -> int:
        return self.mark.index if self.mark else 0

    def cut(self, from_index: int) -> "Model":
        return msgspec.structs.replace(self, entries=self.entries[: from_index - self.first])

    def term_at(self, index: int) -> int:
        if index >= self.first:
            return self.entries[index - self.first].term
        return self.prev_term


def explains(model: Model, recovered: Recovered, dropped_before: int) -> bool:
    first = recovered.first_index
    return (
        recovered.hard_state == model.hard_state
        and recovered.snapshot_mark == model.mark
        and model.first <= first <= max(model.first, dropped_before + 1)
        and (first == model.first or first <= model.mark_index + 1)
        and tuple(recovered.entries) == model.entries[first - model.first :]
        and recovered.prev_term == model.term_at(first - 1)
    )


class Life:
    """One member's log through its crashes."""

    def __init__(self, dice: random.Random, segment_bytes: int, ahead_bytes: int) -> None:
        self.dice = dice
        self.segment_bytes = segment_bytes
        self.ahead_bytes = ahead_bytes
        self.disk = SimDisk()
        self.states = [Model()]  # the first is known durable; the others were written, or were being written
        self.dropped_before = 1
        self.term = 1
        self.recoveries = 0
        self.refused = 0
        self.wal = self.open()

    def open(self) -> Wal:
        while True:
            if self.dice.random() < 0.3:
                self.disk.power_off_at = self.disk.operations + self.dice.randint(1, 6)
            try:
                wal, recovered = Wal.open(
                    self.disk,
                    FOLDER,
                    cluster_id=CLUSTER,
                    member_id=MEMBER,
                    segment_bytes=self.segment_bytes,
                    ahead_bytes=self.ahead_bytes,
                )
                break
            except DiskFull:
                assert not any(name.endswith(".wal") for name in self.disk.listdir(FOLDER)), (
                    "only a first one needs room"
                )
                self.disk.capacity_bytes = None
            except PowerLost:
                self.disk = self.disk.crash(self.dice)
        self.disk.power_off_at = None
        matching = [state for state in self.states if explains(state, recovered, self.dropped_before)]
        assert matching, f"recovered {recovered}, none of {self.states}, dropped before {self.dropped_before}"
        self.states = [matching[0]]
        again, same = Wal.open(
            self.disk.crash(self.dice), FOLDER, cluster_id=CLUSTER, member_id=MEMBER, segment_bytes=self.segment_bytes
        )
        assert msgspec.structs.replace(same, created=False) == msgspec.structs.replace(recovered, created=False)
        again.close()
        self.recoveries += 1
        return wal

    def crash(self) -> None:
        self.disk = self.disk.crash(self.dice)
        self.wal = self.open()

    def kill(self) -> None:
        """End the process, not the machine: unsynced writes are still in the system's memory."""
        self.disk.power_off_at = None
        self.wal.abandon()
        self.wal = self.open()

    def attempt(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except PowerLost:
            self.crash()
            return False
        return True

    def write(self, batches: list[EncodedBatch], after: Model, *, sync: bool) -> None:
        self.states.append(after)
        try:
            if self.attempt(lambda: self.wal.write(batches, sync=sync)) and sync:
                self.states = [after]
        except NoRoom:
            self.states.pop()
            self.refused += 1

    def new_entries(self, start: int, count: int) -> tuple[LogEntry, ...]:
        return tuple(
            LogEntry(start + place, self.term, self.dice.randint(0, 3), self.payload()) for place in range(count)
        )

    def payload(self) -> bytes:
        shape = self.dice.randint(0, 9)
        if shape == 0:
            return bytes(self.dice.randint(0, 3000))  # zeros, as a torn write leaves them
        return self.dice.randbytes(self.dice.choice((0, 1, 30, 200, 900)))

    def hard_state(self) -> HardState | None:
        if self.dice.random() < 0.5:
            return None
        return HardState(self.term, self.dice.choice((0, MEMBER, 9)), self.dice.randint(0, 50))

    def append(self, *, sync: bool, overwrite: bool) -> None:
        model = self.states[-1]
        lowest = max(model.first, model.mark_index + 1)
        truncate_from = None
        if overwrite and model.last >= lowest:
            self.term += 1
            truncate_from = self.dice.randint(lowest, model.last)
            model = model.cut(truncate_from)
        entries = self.new_entries(model.last + 1, self.dice.randint(0 if truncate_from else 1, 4))
        state = self.hard_state()
        batches = [encode_batch(entries, state, truncate_from=truncate_from)]
        after = msgspec.structs.replace(model, entries=model.entries + entries, hard_state=state or model.hard_state)
        if self.dice.random() < 0.3:  # a group of two: one batch on disk
            more = self.new_entries(after.last + 1, 1)
            batches.append(encode_batch(more))
            after = msgspec.structs.replace(after, entries=after.entries + more)
        self.write(batches, after, sync=sync)

    def note_hard_state(self, *, sync: bool) -> None:
        self.term += self.dice.randint(0, 1)
        state = HardState(self.term, self.dice.choice((0, MEMBER)), self.dice.randint(0, 50))
        after = msgspec.structs.replace(self.states[-1], hard_state=state)
        self.write([encode_batch(hard_state=state)], after, sync=sync)

    def mark_snapshot(self, *, sync: bool) -> None:
        model = self.states[-1]
        lowest = max(model.first, model.mark_index + 1)
        if model.last < lowest:
            return
        index = self.dice.randint(lowest, model.last)
        mark = SnapshotMark(index, model.term_at(index))
        self.write([encode_batch(snapshot_mark=mark)], msgspec.structs.replace(model, mark=mark), sync=sync)

    def install_snapshot(self) -> None:
        model = self.states[-1]
        index = self.dice.randint(model.mark_index + 1, model.last + 5)
        mark = SnapshotMark(index, self.term)
        entries = self.new_entries(index + 1, self.dice.randint(0, 2))
        batch = encode_batch(entries, snapshot_mark=SnapshotMark(index, self.term, installed=True))
        after = msgspec.structs.replace(model, first=index + 1, prev_term=self.term, entries=entries, mark=mark)
        self.write([batch], after, sync=True)

    def fill_disk(self) -> None:
        """Somebody else takes what is left; a segment that goes, or the spare, is room again."""
        self.disk.capacity_bytes = sum(len(inode.volatile) for inode in self.disk._names.values())

    def make_space(self) -> None:
        self.disk.capacity_bytes = None
        self.attempt(self.wal.seek_room)

    def drop_head(self) -> None:
        index = self.states[0].mark_index + 1 - self.dice.randint(0, 3)
        if index < 1:
            return
        self.dropped_before = max(self.dropped_before, index)
        self.attempt(lambda: self.wal.drop_before(index))


STEPS = st.lists(
    st.sampled_from(
        ["append", "append", "append lazily", "overwrite", "hard state", "lazy hard state", "mark", "install", "drop",
         "drop", "crash", "kill", "cut soon", "cut soon", "fill", "space"]
    ),
    min_size=1,
    max_size=40,
)  # fmt: skip


def take_step(life: Life, step: str) -> None:
    match step:
        case "append":
            life.append(sync=True, overwrite=False)
        case "append lazily":
            life.append(sync=False, overwrite=False)
        case "overwrite":
            life.append(sync=life.dice.random() < 0.7, overwrite=True)
        case "hard state":
            life.note_hard_state(sync=True)
        case "lazy hard state":
            life.note_hard_state(sync=False)
        case "mark":
            life.mark_snapshot(sync=True)
        case "install":
            life.install_snapshot()
        case "drop":
            life.drop_head()
        case "crash":
            life.crash()
        case "fill":
            life.fill_disk()
        case "space":
            life.make_space()
        case "kill":
            life.kill()
        case "cut soon":
            life.disk.power_off_at = life.disk.operations + life.dice.randint(1, 8)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=STEPS,
    seed=st.integers(0, 2**32 - 1),
    segment_bytes=st.sampled_from((2048, 4096, 64 * 1024)),
    ahead_bytes=st.sampled_from((0, 700, 3000, AHEAD_BYTES)),
)
def test_after_any_crash_the_log_is_one_that_was_written_and_holds_every_synced_batch(
    steps: list[str], seed: int, segment_bytes: int, ahead_bytes: int
) -> None:
    life = Life(random.Random(seed), segment_bytes, ahead_bytes)
    for step in steps:
        take_step(life, step)
    life.crash()
    assert life.recoveries >= 2


def test_a_long_life_with_many_crashes_keeps_every_promise() -> None:
    dice = random.Random(20_240_601)
    life = Life(dice, 4096, 1000)
    kinds = ["append"] * 6 + ["append lazily", "overwrite", "hard state", "lazy hard state", "mark", "drop", "drop"]
    for number in range(600):
        take_step(life, "cut soon" if number % 12 == 0 else dice.choice(kinds))
        if number % 40 == 0:
            life.fill_disk()
        elif number % 40 == 30:
            life.make_space()
    life.crash()
    assert life.refused > 3, "the disk was full at times"
    assert life.recoveries > 40
    assert life.wal._number > 30, "segments rotated"
    assert len(life.disk.listdir(FOLDER)) < life.wal._number, "heads were dropped"

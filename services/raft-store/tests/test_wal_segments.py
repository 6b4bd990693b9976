"""Rotation, head truncation, what does not fit, and what happens when the disk says no."""

from pathlib import Path

import pytest

from lictor_raft_store.batch import EncodedBatch, encode_batch
from lictor_raft_store.disk import DiskFull, RealDisk, StorageFailed
from lictor_raft_store.record import HardState, LogEntry, SnapshotMark
from lictor_raft_store.recovery import Recovered
from lictor_raft_store.sim_disk import SimDisk
from lictor_raft_store.wal import SEGMENT_BYTES, NoRoom, Wal


def batch(
    first: int, count: int = 1, *, term: int = 1, size: int = 100, state: HardState | None = None
) -> EncodedBatch:
    return encode_batch([LogEntry(first + place, term, 0, bytes([7]) * size) for place in range(count)], state)


def opened(disk: SimDisk | RealDisk, folder: str = "wal", segment_bytes: int = 2048) -> tuple[Wal, Recovered]:
    return Wal.open(disk, folder, cluster_id=b"c", member_id=3, segment_bytes=segment_bytes)


def test_a_log_on_the_real_disk_rotates_drops_its_head_and_comes_back(tmp_path: Path) -> None:
    disk, folder = RealDisk(), str(tmp_path / "slot-1" / "data" / "wal")
    wal, recovered = opened(disk, folder, 4096)
    assert recovered == Recovered(1, 0, [], None, None, created=True)
    for index in range(1, 101):
        wal.write([batch(index, state=HardState(2, 3, index - 1))], sync=True)
    wal.write([encode_batch(snapshot_mark=SnapshotMark(90, 1))], sync=True)
    before = len(disk.listdir(folder))
    dropped = wal.drop_before(80)
    assert dropped >= 3
    assert len(disk.listdir(folder)) == before - dropped
    wal.close()
    wal, recovered = opened(disk, folder, 4096)
    assert recovered.first_index <= 80
    assert recovered.prev_term == 1
    assert [entry.index for entry in recovered.entries] == list(range(recovered.first_index, 101))
    assert recovered.hard_state == HardState(2, 3, 99)
    assert recovered.snapshot_mark == SnapshotMark(90, 1)
    assert not recovered.created
    wal.write([batch(101)], sync=True)
    wal.close()


def test_hard_state_and_mark_survive_although_the_segments_that_held_them_are_gone() -> None:
    disk = SimDisk()
    wal, _ = opened(disk)
    wal.write([batch(1, 3, state=HardState(9, 3, 3))], sync=True)
    wal.write([encode_batch(snapshot_mark=SnapshotMark(50, 9, installed=True))], sync=True)
    for index in range(51, 60):
        wal.write([batch(index, size=1000)], sync=True)
    assert wal.drop_before(51) >= 1
    assert "0000000000000001.wal" not in disk.listdir("wal")
    _, recovered = opened(disk)
    assert recovered.hard_state == HardState(9, 3, 3)
    assert recovered.snapshot_mark == SnapshotMark(50, 9)
    assert (recovered.first_index, recovered.prev_term) == (51, 9)


def test_an_installed_snapshot_replaces_the_whole_log() -> None:
    disk = SimDisk()
    wal, _ = opened(disk, segment_bytes=8192)
    wal.write([batch(1, 20)], sync=True)
    mark = SnapshotMark(10, 4, installed=True)
    wal.write([encode_batch([LogEntry(11, 4, 0, b"after")], snapshot_mark=mark)], sync=True)
    _, recovered = opened(disk, segment_bytes=8192)
    assert (recovered.first_index, recovered.prev_term) == (11, 4)
    assert recovered.entries == [LogEntry(11, 4, 0, b"after")]


def test_the_current_segment_is_never_dropped() -> None:
    wal, _ = opened(SimDisk())
    wal.write([batch(1)], sync=True)
    wal.write([encode_batch(snapshot_mark=SnapshotMark(1, 1))], sync=True)
    assert wal.drop_before(2) == 0


def test_a_batch_larger_than_a_segment_gets_a_segment_of_its_own_size() -> None:
    disk = SimDisk()
    wal, _ = opened(disk)
    wal.write([batch(1, size=100_000)], sync=True)
    wal.write([batch(2)], sync=True)
    _, recovered = opened(disk)
    assert [len(entry.data) for entry in recovered.entries] == [100_000, 100]


def test_a_segment_that_never_got_its_name_is_removed() -> None:
    disk = SimDisk()
    wal, _ = opened(disk)
    wal.write([batch(1)], sync=True)
    disk.open("wal/0000000000000002.wal.tmp", create=True).pwrite(b"half a header", 0)
    _, recovered = opened(disk)
    assert len(recovered.entries) == 1
    assert disk.listdir("wal") == ["0000000000000001.wal", "0000000000000002.wal.tmp"]
    assert not disk.read("wal/0000000000000002.wal.tmp").strip(b"\0"), "the spare is a new one"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (batch(3), "entry 3: the log ends at 3, so 4 must follow; entries that overwrite need a truncate record"),
        (batch(5), "entry 5: the log ends at 3, so 4 must follow"),
        (encode_batch(truncate_from=5), "truncate from 5: the log ends at 3"),
        (encode_batch(truncate_from=2), "truncate from 2: entries up to 2 are in a snapshot"),
        (encode_batch(snapshot_mark=SnapshotMark(4, 1)), "snapshot mark 4: the log ends at 3; mark it as installed"),
        (encode_batch(snapshot_mark=SnapshotMark(1, 1)), "snapshot mark 1: there is a newer one, 2"),
    ],
)
def test_a_batch_that_does_not_fit_behind_the_log_is_refused_before_anything_is_written(
    wrong: EncodedBatch, message: str
) -> None:
    disk = SimDisk()
    wal, _ = opened(disk)
    wal.write([batch(1, 3), encode_batch(snapshot_mark=SnapshotMark(2, 1))], sync=True)
    operations = disk.operations
    with pytest.raises(ValueError, match=message):
        wal.write([wrong], sync=True)
    assert disk.operations == operations
    wal.write([batch(4)], sync=True)


def test_dropping_needs_a_durable_snapshot_mark() -> None:
    wal, _ = opened(SimDisk(), segment_bytes=8192)
    wal.write([batch(1, 9)], sync=True)
    wal.write([encode_batch(snapshot_mark=SnapshotMark(8, 1))], sync=False)
    with pytest.raises(ValueError, match="drop before 9: the durable snapshot mark allows at most 1"):
        wal.drop_before(9)
    wal.sync()
    assert wal.drop_before(9) == 0


def test_a_commit_index_alone_needs_no_sync_and_is_durable_with_the_next_one() -> None:
    disk = SimDisk()
    wal, _ = opened(disk, segment_bytes=8192)
    wal.write([batch(1, state=HardState(1, 0, 0))], sync=True)
    before = disk.operations
    wal.write([encode_batch(hard_state=HardState(1, 0, 1))], sync=False)
    assert disk.operations == before + 1, "one write, no sync"
    wal.write([batch(2)], sync=True)
    assert disk.operations == before + 3, "one write, one sync"


def test_a_disk_full_error_in_allocated_room_is_as_final_as_any_other() -> None:
    disk = SimDisk()
    wal, _ = opened(disk)
    disk.fail_at[disk.operations + 1] = DiskFull("copied on write")
    with pytest.raises(DiskFull) as full:
        wal.write([batch(1)], sync=True)
    assert not isinstance(full.value, StorageFailed | NoRoom)
    with pytest.raises(StorageFailed, match="open it anew"):
        wal.write([batch(1)], sync=True)


@pytest.mark.parametrize("step", ["write", "sync"])
def test_a_failed_write_or_sync_is_final_and_no_sync_is_tried_again(step: str) -> None:
    disk = SimDisk()
    wal, _ = opened(disk)
    disk.fail_at[disk.operations + (1 if step == "write" else 2)] = StorageFailed("input/output error")
    with pytest.raises(StorageFailed, match="input/output error"):
        wal.write([batch(1)], sync=True)
    operations = disk.operations
    for again in (lambda: wal.write([batch(1)], sync=True), wal.sync, lambda: wal.drop_before(1)):
        with pytest.raises(StorageFailed, match="unusable"):
            again()
    wal.close()
    assert disk.operations == operations


def test_the_real_disk_sorts_errors_by_remedy(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match="no room"):
        RealDisk().open("/dev/full", create=False).pwrite(b"x", 0)
    with pytest.raises(StorageFailed, match="open"):
        RealDisk().open(str(tmp_path), create=True)
    with pytest.raises(FileNotFoundError):
        RealDisk().read(str(tmp_path / "none"))
    assert RealDisk().listdir(str(tmp_path / "none")) == []


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="segment_bytes: 100"):
        opened(SimDisk(), segment_bytes=100)
    with pytest.raises(ValueError, match="member_id: 0"):
        Wal.open(SimDisk(), "wal", cluster_id="c", member_id=0)
    assert SEGMENT_BYTES == 64 * 1024 * 1024

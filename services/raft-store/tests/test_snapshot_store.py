"""Snapshots: what is finished is whole, what is damaged is found, what is interrupted is gone."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_raft_store.disk import DiskFull, RealDisk, StorageFailed
from lictor_raft_store.sim_disk import PowerLost, SimDisk
from lictor_raft_store.snapshot_store import (
    CHUNK_BYTES,
    HEAD_BYTES,
    DamagedSnapshot,
    SnapshotMeta,
    SnapshotStore,
    snapshot_name,
)

DATA = random.Random(3).randbytes(2 * CHUNK_BYTES + 1000)


def write(store: SnapshotStore, index: int, data: bytes = DATA, *, term: int = 2, piece: int = 100_000) -> SnapshotMeta:
    writer = store.create(index, term, b"conf of %d" % index)
    for at in range(0, len(data), piece):
        writer.write(data[at : at + piece])
    return writer.finish()


def test_a_snapshot_comes_back_whole_from_the_real_disk(tmp_path: Path) -> None:
    folder = str(tmp_path / "snapshots")
    meta = write(SnapshotStore(RealDisk(), folder), 10)
    store = SnapshotStore(RealDisk(), folder)
    assert store.newest_sound() == meta
    assert meta.conf == b"conf of 10"
    assert meta.chunks == 3
    assert b"".join(store.chunks(meta)) == DATA
    assert store.read_chunk(meta, 2) == DATA[2 * CHUNK_BYTES :]
    with pytest.raises(ValueError, match="chunk 3: the snapshot has 3"):
        store.read_chunk(meta, 3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, CHUNK_BYTES + 5), max_size=4))
def test_pieces_of_any_length_make_the_same_file(lengths: list[int]) -> None:
    store = SnapshotStore(SimDisk(), "s")
    data = DATA[: sum(lengths)]
    writer = store.create(1, 1)
    at = 0
    for length in lengths:
        writer.write(data[at : at + length])
        at += length
    meta = writer.finish()
    assert b"".join(store.chunks(meta)) == data[:at]
    other = SnapshotStore(SimDisk(), "s")
    whole = other.create(1, 1)
    whole.write(data[:at])
    assert whole.finish() == meta


def test_the_last_two_are_kept() -> None:
    store = SnapshotStore(SimDisk(), "s")
    for index in (5, 9, 12, 100):
        write(store, index, b"state")
    assert [meta.index for meta in store.metas()] == [100, 12]


def test_on_a_full_disk_the_older_goes_unless_the_newest_is_damaged_or_it_is_being_given() -> None:
    disk = SimDisk()
    store = SnapshotStore(disk, "s")
    older, newest = write(store, 5), write(store, 9)
    with store.hold(older):
        store.make_room()
        assert store.metas() == [newest, older]
    path = f"s/{snapshot_name(9, 2)}"
    disk.open(path, create=False).pwrite(b"?", HEAD_BYTES)
    store.make_room()
    assert [meta.index for meta in store.metas()] == [9, 5]
    disk.open(path, create=False).pwrite(DATA[:1], HEAD_BYTES)
    store.make_room()
    assert store.metas() == [newest]


def test_a_received_snapshot_equals_the_sent_one_whatever_the_order_of_chunks() -> None:
    sender, disk = SnapshotStore(SimDisk(), "s"), SimDisk()
    meta = write(sender, 10)
    receiver = SnapshotStore(disk, "r").receive(meta)
    for number in (2, 0, 2, 1):
        assert number in receiver.missing or number == 2
        receiver.write_chunk(number, sender.read_chunk(meta, number))
    assert receiver.missing == []
    assert receiver.finish() == meta
    assert b"".join(SnapshotStore(disk, "r").chunks(meta)) == DATA


def test_a_received_snapshot_is_refused_when_it_is_not_what_was_announced() -> None:
    sender, disk = SnapshotStore(SimDisk(), "s"), SimDisk()
    meta = write(sender, 10)
    store = SnapshotStore(disk, "r")
    receiver = store.receive(meta)
    receiver.write_chunk(0, bytes(CHUNK_BYTES))
    receiver.write_chunk(1, sender.read_chunk(meta, 1))
    with pytest.raises(ValueError, match=r"chunks \[2\]"):
        receiver.finish()
    with pytest.raises(ValueError, match="must have 1000"):
        receiver.write_chunk(2, bytes(999))
    with pytest.raises(ValueError, match="chunk 3"):
        receiver.write_chunk(3, b"")
    receiver.write_chunk(2, sender.read_chunk(meta, 2))
    with pytest.raises(DamagedSnapshot, match="not what was announced"):
        receiver.finish()
    assert disk.listdir("r") == []
    with pytest.raises(ValueError, match="snapshot size"):
        store.receive(SnapshotMeta(1, 1, 2**60, bytes(32)))


def test_a_flipped_bit_anywhere_is_found_and_the_snapshot_before_it_serves() -> None:
    disk = SimDisk()
    store = SnapshotStore(disk, "s")
    old, new = write(store, 10, DATA[:3000]), write(store, 20, DATA[: CHUNK_BYTES + 300])
    path = f"s/{snapshot_name(20, 2)}"
    length = len(disk.read(path))
    dice = random.Random(1)
    for at in [*range(90), *range(length - 80, length), *(dice.randrange(length) for _ in range(40))]:
        bit = at * 8 + at % 8
        disk.flip(path, bit)
        assert store.newest_sound() == old, at
        disk.flip(path, bit)
    assert store.newest_sound() == new


def test_a_flipped_bit_in_a_chunk_is_found_when_the_chunk_is_read_alone() -> None:
    disk = SimDisk()
    store = SnapshotStore(disk, "s")
    meta = write(store, 10)
    disk.flip(f"s/{snapshot_name(10, 2)}", (4096 + CHUNK_BYTES + 7) * 8)
    assert store.read_chunk(meta, 0) == DATA[:CHUNK_BYTES]
    with pytest.raises(DamagedSnapshot, match="chunk 1"):
        store.read_chunk(meta, 1)


@pytest.mark.parametrize("seed", range(6))
def test_a_power_cut_at_any_operation_leaves_the_old_snapshots_or_the_new_one_whole(seed: int) -> None:
    dice = random.Random(seed)
    for operation in range(1, 40):
        disk = SimDisk()
        store = SnapshotStore(disk, "s")
        done = [write(store, 1, b"one"), write(store, 2, b"two")]
        disk.power_off_at = disk.operations + operation
        try:
            done.append(write(store, 3))
            finished = True
        except PowerLost:
            finished = False
        after = disk.crash(dice)
        newest = SnapshotStore(after, "s").newest_sound()
        assert newest is not None
        assert newest.index == 3 if finished else newest.index in (2, 3)
        assert b"".join(SnapshotStore(after, "s").chunks(newest)) == (DATA if newest.index == 3 else b"two")
        assert not [name for name in after.listdir("s") if name.endswith(".tmp")]
        if finished:
            return
    raise AssertionError("never finished")


def test_a_snapshot_found_after_a_killed_process_is_made_durable_before_it_is_used() -> None:
    seen = set()
    for seed in range(20):
        for operation in range(1, 40):
            disk = SimDisk()
            store = SnapshotStore(disk, "s")
            disk.power_off_at = disk.operations + operation
            try:
                write(store, 3)
                break
            except PowerLost:
                disk.power_off_at = None  # the process was killed; the machine goes on
            newest = SnapshotStore(disk, "s").newest_sound()
            assert SnapshotStore(disk.crash(random.Random(seed)), "s").newest_sound() == newest
            seen.add(newest is not None)
    assert seen == {False, True}


def test_a_full_disk_is_told_and_an_aborted_snapshot_leaves_nothing() -> None:
    disk = SimDisk(capacity_bytes=CHUNK_BYTES)
    store = SnapshotStore(disk, "s")
    writer = store.create(4, 1)
    with pytest.raises(DiskFull):
        writer.write(DATA)
    writer.abort()
    writer.abort()
    assert disk.listdir("s") == []
    assert store.newest_sound() is None


def test_fields_out_of_range_are_named() -> None:
    store = SnapshotStore(SimDisk(), "s")
    with pytest.raises(ValueError, match="snapshot index 0"):
        store.create(0, 1)
    with pytest.raises(ValueError, match="conf of 4000 bytes"):
        store.create(1, 1, bytes(4000))


def test_an_abort_waits_for_the_write_that_is_under_way_and_what_comes_later_writes_nowhere(tmp_path: Path) -> None:
    store = SnapshotStore(RealDisk(), str(tmp_path / "s"))
    writer = store.create(5, 1)
    writing, go_on = threading.Event(), threading.Event()
    flush = writer._flush

    def slow(chunk: bytes) -> None:
        writing.set()
        assert go_on.wait(10)
        flush(chunk)

    writer._flush = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as threads:
        written = threads.submit(writer.write, DATA[:CHUNK_BYTES])
        assert writing.wait(10)
        aborted = threads.submit(writer.abort)
        assert not aborted.done()
        go_on.set()
        written.result(10)
        aborted.result(10)
    with pytest.raises(StorageFailed):
        writer.write(DATA[:CHUNK_BYTES])
    assert store.metas() == []
    assert RealDisk().listdir(str(tmp_path / "s")) == []

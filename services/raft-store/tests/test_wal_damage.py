"""Torn tails are cut, damage to durable bytes is refused: every cut, every subset of sectors, every flipped byte."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_raft_store.batch import encode_batch
from lictor_raft_store.record import HardState, LogEntry
from lictor_raft_store.recovery import DamagedLog, ForeignLog, Recovery, recover, segment_name
from lictor_raft_store.sim_disk import SimDisk
from lictor_raft_store.wal import Wal

FOLDER = "wal"
Images = dict[str, bytes]


def build(
    sizes: list[int], *, segment_bytes: int = 16 * 1024, lazy: frozenset[int] = frozenset(), fill: str = "random"
) -> tuple[Images, list[int]]:
    """A log of one entry a batch with data of the given sizes; the segments, and where each batch ended in the last."""
    dice = random.Random(7)
    disk = SimDisk()
    wal, _ = Wal.open(disk, FOLDER, cluster_id="c", member_id=5, segment_bytes=segment_bytes)
    ends = [wal._position]
    for place, size in enumerate(sizes):
        data = bytes(size) if fill == "zeros" else dice.randbytes(size)
        state = HardState(place + 1, 5, place)
        wal.write([encode_batch([LogEntry(place + 1, 1, 0, data)], state)], sync=place not in lazy)
        ends.append(wal._position)
    wal.abandon()
    return {name: disk.read(f"{FOLDER}/{name}") for name in disk.listdir(FOLDER) if name.endswith(".wal")}, ends


def read(images: Images, *, cluster_id: bytes = b"c", member_id: int = 5) -> Recovery:
    return recover(sorted(images), lambda name: images[name], cluster_id=cluster_id, member_id=member_id)


def held(images: Images) -> int:
    found = read(images).recovered
    assert [entry.index for entry in found.entries] == list(range(1, len(found.entries) + 1))
    state = found.hard_state
    assert (state.term if state else 0) == len(found.entries), "hard state and entries come from the same batch"
    return len(found.entries)


def with_last(images: Images, data: bytes) -> Images:
    return {**images, max(images): data}


@pytest.mark.parametrize("fill", ["random", "zeros"])
def test_a_last_batch_torn_at_any_512_byte_cut_is_cut_off_and_the_ones_before_it_stay(fill: str) -> None:
    images, ends = build([300, 40, 5000], fill=fill)
    data = images[max(images)]
    start, end = ends[-2], ends[-1]
    for cut in range(start - start % 512, end + 512, 512):
        torn = data[: max(cut, start)] + bytes(len(data) - max(cut, start))
        assert held(with_last(images, torn)) == (3 if cut >= end else 2), cut


def test_a_last_batch_torn_at_any_single_byte_is_cut_off() -> None:
    images, ends = build([300, 40, 700])
    data = images[max(images)]
    for cut in range(ends[-2], ends[-1]):
        kept = data[:cut].rstrip(b"\0")  # a written zero and a missing one are the same
        if len(kept) >= ends[-1]:
            continue
        outcome = with_last(images, data[:cut] + bytes(len(data) - cut))
        try:
            assert held(outcome) == 2, cut
        except DamagedLog:
            # Only begin's own 64 bytes can be cut so that no rule tells: sectors are written whole, this cannot happen.
            assert cut - ends[-2] < 64, cut


def test_a_last_batch_of_which_any_subset_of_sectors_survived_is_whole_or_cut_off() -> None:
    images, ends = build([300, 40, 3000])
    data = images[max(images)]
    sectors = sorted({at // 512 for at in range(ends[-2], ends[-1])})
    assert len(sectors) >= 6
    for lost in itertools.chain.from_iterable(itertools.combinations(sectors, n) for n in range(len(sectors) + 1)):
        image = bytearray(data)
        for sector in lost:
            begin, end = max(sector * 512, ends[-2]), min(sector * 512 + 512, ends[-1])
            image[begin:end] = bytes(end - begin)
        assert held(with_last(images, bytes(image))) == (2 if lost else 3), lost


def test_of_two_unsynced_batches_the_second_may_survive_alone_and_both_are_cut_off() -> None:
    images, ends = build([300, 900, 900], lazy=frozenset({1, 2}))
    data = images[max(images)]
    for hole in range(ends[1], ends[2], 64):
        sector_end = min(hole - hole % 512 + 512, ends[2])
        lost = max(hole - hole % 512, ends[1])
        image = data[:lost] + bytes(sector_end - lost) + data[sector_end:]
        assert held(with_last(images, image)) == 1, hole


def test_a_hole_in_a_batch_that_a_later_batch_knew_durable_is_refused_and_the_message_tells_the_way_out() -> None:
    images, ends = build([300, 900, 900, 40])
    data = images[max(images)]
    for sector in range(ends[1] // 512, (ends[2] - 1) // 512 + 1):
        lost, kept = max(sector * 512, ends[1]), min(sector * 512 + 512, ends[2])
        image = data[:lost] + bytes(kept - lost) + data[kept:]
        with pytest.raises(DamagedLog, match=r"was durable and is damaged.*wipe the slot's data folder.*learner"):
            read(with_last(images, image))


def test_a_flipped_bit_in_any_byte_leaves_the_same_log_or_is_refused() -> None:
    images, _ = build([60, 700, 40, 900, 500, 30, 1200, 8], segment_bytes=2048)
    assert len(images) >= 3
    sound = read(images).recovered
    refused = 0
    for name, data in images.items():
        for at in range(len(data)):
            image = bytearray(data)
            image[at] ^= 1 << (at % 8)
            try:
                assert read({**images, name: bytes(image)}).recovered == sound, (name, at)
            except DamagedLog:
                refused += 1
    assert refused > sum(len(data.rstrip(b"\0")) for data in images.values()) // 2


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 1500), min_size=1, max_size=6),
    st.sampled_from(("random", "zeros")),
    st.sampled_from((2048, 16384)),
    st.integers(0, 10**9),
)
def test_one_flipped_bit_anywhere_in_any_log_leaves_the_same_log_or_is_refused(
    sizes: list[int], fill: str, segment_bytes: int, bit: int
) -> None:
    images, _ = build(sizes, segment_bytes=segment_bytes, fill=fill)
    sound = read(images).recovered
    for name, data in images.items():
        for which in (bit % (len(data) * 8), bit % (max(1, len(data.rstrip(b"\0"))) * 8)):
            image = bytearray(data)
            image[which // 8] ^= 1 << (which % 8)
            try:
                assert read({**images, name: bytes(image)}).recovered == sound
            except DamagedLog:
                continue


def test_a_flipped_bit_in_the_very_last_synced_batch_is_refused_although_nothing_follows_it() -> None:
    images, ends = build([300, 900], fill="zeros")
    data = images[max(images)]
    for at in range(ends[1], ends[2]):
        image = bytearray(data)
        image[at] ^= 1
        with pytest.raises(DamagedLog, match="written whole"):
            read(with_last(images, bytes(image)))


def test_an_image_of_a_log_inside_an_entry_is_not_taken_for_batches() -> None:
    inner, _ = build([100, 100, 100])
    disk = SimDisk()
    wal, _ = Wal.open(disk, FOLDER, cluster_id="c", member_id=5, segment_bytes=64 * 1024)
    wal.write([encode_batch([LogEntry(1, 1, 0, b"x")])], sync=True)
    start = wal._position
    aligned = bytes(36) + inner[max(inner)][:4096]
    wal.write([encode_batch([LogEntry(2, 1, 0, aligned)])], sync=False)
    data = disk.read(f"{FOLDER}/{segment_name(1)}")
    assert data.index(b"LICTORWL", start) % 64 == inner[max(inner)].index(b"LICTORWL") % 64, "batches at aligned places"
    torn = data[:start] + bytes(512) + data[start + 512 :]
    recovered = read({segment_name(1): torn}).recovered
    assert [entry.index for entry in recovered.entries] == [1]


def test_a_missing_middle_segment_a_renamed_one_and_a_foreign_one_are_refused() -> None:
    images, _ = build([600] * 12, segment_bytes=2048)
    names = sorted(images)
    assert len(names) >= 4
    with pytest.raises(DamagedLog, match="begins with batch"):
        read({name: data for name, data in images.items() if name != names[1]})
    with pytest.raises(DamagedLog, match="newest snapshot mark is 0"):
        read({name: data for name, data in images.items() if name != names[0]})
    with pytest.raises(DamagedLog, match="the file holds segment"):
        read({**images, names[1]: images[names[2]]})
    with pytest.raises(ForeignLog, match="cluster"):
        read(images, cluster_id=b"other")
    with pytest.raises(ForeignLog, match="member"):
        read(images, member_id=6)


def test_a_cut_tail_is_zeroed_so_that_later_batches_can_be_judged() -> None:
    images, ends = build([300, 40, 5000])
    disk = SimDisk()
    data = images[max(images)]
    torn = data[: ends[-2]] + bytes(512) + data[ends[-2] + 512 :]
    disk.open(f"{FOLDER}/{max(images)}", create=True).pwrite(torn, 0)
    wal, recovered = Wal.open(disk, FOLDER, cluster_id="c", member_id=5, segment_bytes=16 * 1024)
    assert len(recovered.entries) == 2
    assert disk.read(f"{FOLDER}/{max(images)}").rstrip(b"\0") == data[: ends[-2]].rstrip(b"\0")
    wal.write([encode_batch([LogEntry(3, 2, 0, b"new")])], sync=True)
    wal.close()
    _, again = Wal.open(disk, FOLDER, cluster_id="c", member_id=5, segment_bytes=16 * 1024)
    assert again.entries[-1] == LogEntry(3, 2, 0, b"new")

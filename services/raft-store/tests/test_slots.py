"""Slots: one process a slot, an identity made once, a promise made once."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from lictor_raft_store.disk import RealDisk
from lictor_raft_store.slots import DamagedSlot, NoFreeSlot, PromiseExists, Slot, claim_slot

HOLDER = """
import random, sys
from lictor_raft_store.disk import RealDisk
from lictor_raft_store.slots import claim_slot
slot = claim_slot(RealDisk(), sys.argv[1], random.SystemRandom().getrandbits)
print(slot.number, slot.member_id, flush=True)
sys.stdin.read()
"""


def claim(volume: Path, seed: int = 1, slots: int = 9) -> Slot:
    return claim_slot(RealDisk(), str(volume), random.Random(seed).getrandbits, slots=slots)


def start_holder(volume: Path) -> tuple["subprocess.Popen[str]", int, int]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(volume)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    number, member_id = process.stdout.readline().split()
    return process, int(number), int(member_id)


def stop(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_two_processes_never_share_a_slot_and_a_killed_one_gives_its_slot_back(tmp_path: Path) -> None:
    first, first_number, first_id = start_holder(tmp_path)
    second, second_number, second_id = start_holder(tmp_path)
    try:
        assert (first_number, second_number) == (1, 2)
        assert first_id != second_id
        here = claim(tmp_path)
        assert here.number == 3
        stop(first)
        heir = claim(tmp_path, seed=2)
        assert (heir.number, heir.member_id) == (1, first_id), "the identity belongs to the slot"
        with pytest.raises(NoFreeSlot, match="all 3 slots"):
            claim(tmp_path, slots=3)
        here.release()
        assert claim(tmp_path, slots=3).number == 3
    finally:
        stop(first)
        stop(second)


def test_the_member_id_is_a_63_bit_number_above_zero_made_once(tmp_path: Path) -> None:
    draws = iter([0, 0, 2**63 - 1])
    slot = claim_slot(RealDisk(), str(tmp_path), lambda bits: next(draws))
    assert slot.member_id == 2**63 - 1
    slot.release()
    again = claim(tmp_path, seed=5)
    assert again.member_id == 2**63 - 1
    again.release()
    with pytest.raises(ValueError, match="63 bits"):
        claim_slot(RealDisk(), str(tmp_path / "other"), lambda bits: 2**63)


def test_promise_and_cluster_are_written_once_and_survive(tmp_path: Path) -> None:
    slot = claim(tmp_path)
    assert slot.promise() is None
    assert slot.cluster() is None
    slot.write_promise(b"members 1 2 3 of c-1")
    slot.write_promise(b"members 1 2 3 of c-1")
    slot.write_cluster(b"c-1")
    with pytest.raises(PromiseExists):
        slot.write_promise(b"members 4 5 6 of c-2")
    slot.release()
    again = claim(tmp_path)
    assert again.promise() == b"members 1 2 3 of c-1"
    assert again.cluster() == b"c-1"
    with pytest.raises(ValueError, match="promise of 70000 bytes"):
        again.write_promise(bytes(70_000))
    again.release()


@pytest.mark.parametrize("name", ["member-id", "promise", "cluster"])
def test_a_damaged_small_file_stops_the_start_and_frees_the_lock(tmp_path: Path, name: str) -> None:
    slot = claim(tmp_path)
    slot.write_promise(b"p")
    slot.write_cluster(b"c")
    slot.release()
    path = tmp_path / "slot-1" / "data" / name
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)

    def start() -> tuple[bytes | None, bytes | None]:
        again = claim(tmp_path)
        return again.promise(), again.cluster()

    with pytest.raises(DamagedSlot, match="joins as a new learner"):
        start()
    if name == "member-id":
        path.unlink()
        assert claim(tmp_path).number == 1, "the failed claim holds no lock"


def test_a_removed_member_moves_its_data_aside_and_begins_a_new_life(tmp_path: Path) -> None:
    slot = claim(tmp_path)
    old = slot.member_id
    slot.write_cluster(b"c-1")
    Path(slot.wal_folder).mkdir()
    fresh = slot.set_aside()
    assert fresh == slot.member_id != old
    assert slot.cluster() is None
    assert not Path(slot.wal_folder).exists()
    aside = tmp_path / "slot-1" / f"removed-{old}"
    assert (aside / "wal").is_dir()
    assert (aside / "cluster").is_file()
    slot.release()
    assert claim(tmp_path).member_id == fresh


def test_a_slot_names_the_ids_whose_promise_came_to_nothing_and_no_others(tmp_path: Path) -> None:
    slot = claim(tmp_path)
    (tmp_path / "slot-1" / "removed-by-hand").mkdir()
    assert slot.given_up() == ()
    void = slot.member_id
    slot.write_promise(b"p")
    slot.set_aside()
    slot.write_promise(b"q")
    slot.write_cluster(b"c")
    slot.set_aside()
    slot.set_aside()
    assert slot.given_up() == (void,)


def test_folders_of_a_slot_are_where_the_other_modules_expect_them(tmp_path: Path) -> None:
    slot = claim(tmp_path)
    assert slot.wal_folder == str(tmp_path / "slot-1" / "data" / "wal")
    assert slot.snapshot_folder == str(tmp_path / "slot-1" / "data" / "snapshots")

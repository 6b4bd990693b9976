"""The shapes of broken networks, and the state machine of the simulation."""

import pytest

from lictor_sim import partitions
from lictor_sim.state_machine import REFUSED, REGISTER, SESSIONS_MAX, Command, StateMachine, encode_command

RING = (3, 1, 4, 5, 2)


def hears(links: partitions.Links, member: int) -> set[int]:
    return {other for other in RING if (other, member) not in links}


def test_halves_cut_both_ways_and_nothing_inside() -> None:
    links = partitions.halves(RING, (1, 2))
    assert hears(links, 1) == {1, 2}
    assert hears(links, 5) == {3, 4, 5}


def test_a_side_cut_one_way_hears_and_is_not_heard() -> None:
    links = partitions.one_way(RING, (1,))
    assert hears(links, 1) == set(RING)
    assert hears(links, 5) == {2, 3, 4, 5}


def test_a_bridge_sees_both_halves_that_do_not_see_each_other() -> None:
    links = partitions.bridge(RING)
    assert hears(links, 3) == set(RING)
    assert hears(links, 1) == {1, 3, 4}
    assert hears(links, 5) == {2, 3, 5}


def test_in_a_ring_everyone_sees_the_two_beside_it() -> None:
    links = partitions.neighbours(RING)
    assert hears(links, 3) == {2, 3, 1}
    assert hears(links, 5) == {4, 5, 2}


def test_in_a_majority_ring_everyone_hears_another_majority() -> None:
    links = partitions.majorities(RING)
    heard = [frozenset(hears(links, member)) for member in RING]
    assert all(len(group) == 3 for group in heard)
    assert len(set(heard)) == len(RING)


def opened() -> StateMachine:
    machine = StateMachine()
    assert machine.apply(1, encode_command(Command(0, 0, 0, REGISTER)))[0] == 1
    return machine


def do(machine: StateMachine, index: int, number: int, low: int, kind: str, argument: object) -> object:
    return machine.apply(index, encode_command(Command(1, number, low, kind, "r0", argument)))[0]


def test_a_command_takes_effect_once_and_gives_its_result_again() -> None:
    machine = opened()
    assert do(machine, 2, 1, 1, "cas", (None, 5)) is True
    assert do(machine, 3, 1, 1, "cas", (None, 5)) is True
    assert machine.read("r0") == 5


def test_a_command_below_the_low_mark_is_refused() -> None:
    machine = opened()
    assert do(machine, 2, 2, 2, "write", 5) is True
    assert do(machine, 3, 1, 1, "write", 4) == REFUSED
    assert machine.read("r0") == 5


def test_the_least_recently_used_session_is_dropped_and_its_commands_are_refused() -> None:
    machine = opened()
    for index in range(2, SESSIONS_MAX + 2):
        machine.apply(index, encode_command(Command(0, 0, 0, REGISTER)))
    assert do(machine, 100, 1, 1, "write", 5) == REFUSED


def test_a_snapshot_holds_everything_and_goes_on_with_equal_digests() -> None:
    one = opened()
    do(one, 2, 1, 1, "write", 5)
    other = StateMachine(one.encoded())
    for machine in (one, other):
        do(machine, 3, 1, 1, "write", 6)
        do(machine, 4, 2, 2, "write", 7)
    assert one.image == other.image
    assert one.read("r0") == 7


def test_an_unknown_kind_of_command_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is no command"):
        do(opened(), 2, 1, 1, "steal", None)

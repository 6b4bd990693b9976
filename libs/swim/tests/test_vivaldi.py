"""Network coordinates: the golden packet, Vivaldi's claims, and hostile peers."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_swim import Coordinate, distance_s
from lictor_swim.serf.coordinates import DIMENSIONS, ERROR_MAX, HEIGHT_S_MIN, decode_coordinate
from lictor_swim.serf.positions import Positions
from lictor_swim.serf.vivaldi import FILTER_SAMPLES, ROUND_TRIP_S_MAX, Vivaldi, raw_distance_s

CAPTURED = bytes.fromhex(
    "0184aa41646a7573746d656e74cb3ef0bddb3eebd342a54572726f72cb3ff6f2582c60bcc9a6486569676874cb3ee4f8b588e368f1a3566563"
    "98cb3f0c7b3b1f3d2da1cbbf0205cc04aeb5b7cbbefde615d22b5d60cbbee410778bc15438cb3ee290cb6fc55e16cb3ea014c23d86be25cb3f"
    "020c94f7d0ff66cb3f0794561ce37a70"
)
"""A real agent's coordinate after its first observation: a fresh peer at a round trip of 749.877 µs."""


def test_the_first_observation_moves_exactly_as_a_real_agent_moved() -> None:
    theirs = decode_coordinate(CAPTURED)
    ours = Vivaldi(random.Random(1))
    assert ours.observe("peer", Coordinate(), 749.877e-6)
    moved = ours.coordinate
    assert moved.error == pytest.approx(theirs.error, rel=1e-9)
    assert moved.adjustment == pytest.approx(theirs.adjustment, rel=1e-6)
    assert moved.height == theirs.height
    # The direction is a matter of dice, the length is not.
    assert math.hypot(*moved.vector) == pytest.approx(math.hypot(*theirs.vector), rel=1e-6)


def test_two_nodes_come_to_estimate_the_round_trip_between_them() -> None:
    one, other = Vivaldi(random.Random(1)), Vivaldi(random.Random(2))
    for _ in range(200):
        one.observe("other", other.coordinate, 0.050)
        other.observe("one", one.coordinate, 0.050)
    assert distance_s(one.coordinate, other.coordinate) == pytest.approx(0.050, rel=0.05)
    assert one.coordinate.error < 0.1


def test_a_grid_of_nodes_estimates_round_trips_that_were_never_measured() -> None:
    """Nodes on a plane, 1 ms apart, each probing a few others: far pairs come out within a fifth, as in Serf's own test."""
    dice = random.Random(5)
    places = [(x * 0.001, y * 0.001) for x in range(4) for y in range(4)]
    nodes = [Vivaldi(random.Random(index)) for index in range(16)]

    def rtt(a: int, b: int) -> float:
        return math.dist(places[a], places[b]) + 0.0005

    for _ in range(6000):
        a, b = dice.sample(range(16), 2)
        if (a + b) % 3:  # a third of the pairs never probes one another
            nodes[a].observe(str(b), nodes[b].coordinate, rtt(a, b) * dice.uniform(0.97, 1.03))
    errors = [
        abs(distance_s(nodes[a].coordinate, nodes[b].coordinate) - rtt(a, b)) / rtt(a, b)
        for a in range(16)
        for b in range(a)
        if (a + b) % 3 == 0
    ]
    assert sum(errors) / len(errors) < 0.2


def test_one_slow_answer_moves_nothing_until_it_is_the_usual_one() -> None:
    node = Vivaldi(random.Random(1))
    peer = Coordinate()
    for _ in range(100):
        node.observe("peer", peer, 0.010)
    calm = distance_s(node.coordinate, peer)
    node.observe("peer", peer, 3.0)
    assert distance_s(node.coordinate, peer) == pytest.approx(calm, rel=0.02)
    for _ in range(FILTER_SAMPLES):
        node.observe("peer", peer, 3.0)
    assert distance_s(node.coordinate, peer) > 2 * calm


@pytest.mark.parametrize(
    ("one", "other", "seconds"),
    [
        (Coordinate(), Coordinate(), 2 * HEIGHT_S_MIN),
        (Coordinate((0.003, 0.004, *(0.0,) * 6)), Coordinate(), 0.005 + 2 * HEIGHT_S_MIN),
        (Coordinate(adjustment=0.001), Coordinate(), 0.001 + 2 * HEIGHT_S_MIN),
        # An adjustment that would make the distance negative is left out.
        (Coordinate(adjustment=-1.0), Coordinate(), 2 * HEIGHT_S_MIN),
    ],
)
def test_distance_is_through_the_space_and_over_both_heights(
    one: Coordinate, other: Coordinate, seconds: float
) -> None:
    assert distance_s(one, other) == pytest.approx(seconds)
    assert distance_s(other, one) == distance_s(one, other)
    assert raw_distance_s(one, other) > 0


@pytest.mark.parametrize("round_trip_s", [-0.001, ROUND_TRIP_S_MAX + 1, float("nan")])
def test_a_round_trip_that_cannot_be_is_no_observation(round_trip_s: float) -> None:
    node = Vivaldi(random.Random(1))
    assert not node.observe("peer", Coordinate(), round_trip_s)
    assert node.coordinate == Coordinate()


@pytest.mark.parametrize(
    "other",
    [
        Coordinate((0.0,) * 3),
        Coordinate(error=-1.0),
        Coordinate(height=-1.0),
        Coordinate(adjustment=1e300),
        Coordinate((11.0, *(0.0,) * 7)),
        Coordinate((1e200, *(0.0,) * 7)),
    ],
)
def test_a_coordinate_that_cannot_be_is_no_observation(other: Coordinate) -> None:
    node = Vivaldi(random.Random(1))
    assert not node.observe("peer", other, 0.1)
    assert node.coordinate == Coordinate()


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COORDINATES = st.builds(Coordinate, st.tuples(*[NUMBERS] * DIMENSIONS), NUMBERS, NUMBERS, NUMBERS)


@given(st.lists(st.tuples(st.sampled_from("abc"), COORDINATES, st.floats(0, 10)), max_size=30))
@settings(max_examples=200, deadline=None)
def test_whatever_peers_say_the_own_coordinate_stays_a_valid_one(said: list[tuple[str, Coordinate, float]]) -> None:
    node = Vivaldi(random.Random(1))
    for peer, coordinate, round_trip_s in said:
        node.observe(peer, coordinate, round_trip_s)
        assert math.isfinite(sum(node.coordinate.vector) + node.coordinate.adjustment)
        assert max(map(abs, node.coordinate.vector)) < 100.0
        assert node.coordinate.error <= ERROR_MAX
        assert node.coordinate.height >= HEIGHT_S_MIN


def test_positions_are_known_of_peers_that_were_probed_until_they_are_forgotten() -> None:
    positions = Positions("me", random.Random(1))
    before = positions.payload()
    assert positions.of("peer") is None
    there = Coordinate((0.001, *(0.0,) * 7))
    positions.observe("peer", there, 0.002)
    assert positions.of("peer") == there
    assert positions.of("me") == positions.own
    assert positions.payload() != before
    assert decode_coordinate(positions.payload()) == positions.own
    positions.forget("peer")
    assert positions.of("peer") is None

"""Coordinates: what is written, what is passed over, distances, and lists sorted by them."""

import math
from typing import Any

import pytest

from lictor_state import commands as c
from lictor_state.coordinate_rows import CoordinateRow
from lictor_state.distance import UNKNOWN, distance, nearest_first
from lictor_state.queries import coordinates
from lictor_state.rows import Table

ZERO = (0.0,) * 8


def spec(node: str, at: float = 0.0, segment: str = "", **more: Any) -> c.CoordinateSpec:
    given: dict[str, Any] = {"vec": (at, *ZERO[1:]), "error": 1.5, "adjustment": 0.0, "height": 0.0} | more
    return c.CoordinateSpec(node, segment, **given)


def row(at: tuple[float, ...] = ZERO, adjustment: float = 0.0, height: float = 0.0) -> CoordinateRow:
    return CoordinateRow("n", "", at, 1.5, adjustment, height)


@pytest.mark.parametrize(
    ("a", "b", "seconds"),
    [
        (row(), row(), 0.0),
        (row((3.0, *ZERO[1:])), row((0.0, 4.0, *ZERO[2:])), 5.0),
        (row(height=0.25), row(height=0.5), 0.75),
        (row((1.0, *ZERO[1:]), adjustment=0.5), row(adjustment=0.25), 1.75),
        (row((1.0, *ZERO[1:]), adjustment=-0.25), row(adjustment=-0.5), 0.25),
        (row((1.0, *ZERO[1:]), adjustment=-0.5), row(adjustment=-0.5), 1.0),
        (row((1.0, *ZERO[1:]), adjustment=-3.0), row(), 1.0),
        (row((1.0,)), row(), UNKNOWN),
    ],
)
def test_distances(a: CoordinateRow, b: CoordinateRow, seconds: float) -> None:
    assert distance(a, b) == distance(b, a) == seconds


def test_a_batch_is_written_and_shown_by_node_and_segment(state: Any) -> None:
    for node in ("N2", "n1"):
        state.register(node)
    state.do(c.CoordinatesUpdate((spec("n2", 2.0), spec("n1", 1.0, "b"), spec("N1", 0.5, "a"))))
    answer = coordinates.nodes(state.store)
    assert [(one.node, one.segment, one.vec[0]) for one in answer.value] == [
        ("n1", "a", 0.5),
        ("n1", "b", 1.0),
        ("N2", "", 2.0),
    ]
    assert answer.index == state.last.index == state.index("coordinates")
    assert [one.segment for one in coordinates.node(state.store, "N1").value] == ["a", "b"]
    assert coordinates.node(state.store, "none").value == []


def test_what_is_not_there_and_what_is_no_coordinate_is_passed_over(state: Any) -> None:
    state.register("n1")
    bad = [
        spec("gone"),
        spec("n1", vec=(0.0,) * 7),
        spec("n1", math.nan),
        spec("n1", error=math.inf),
        spec("n1", adjustment=-math.inf),
        spec("n1", height=math.nan),
    ]
    assert state.do(c.CoordinatesUpdate(tuple(bad))).value is True
    assert state.last.changes == ()
    state.do(c.CoordinatesUpdate((*bad, spec("n1", 1.0))))
    assert [one.vec[0] for one in coordinates.nodes(state.store).value] == [1.0]


def test_the_same_coordinates_are_no_change_and_the_last_of_a_batch_holds(state: Any) -> None:
    state.register("n1")
    state.do(c.CoordinatesUpdate((spec("n1", 3.0), spec("n1", 1.0))))
    made = state.last.index
    state.do(c.CoordinatesUpdate((spec("n1", 1.0),)))
    assert state.last.changes == ()
    assert coordinates.nodes(state.store).index == made
    state.do(c.CoordinatesUpdate((spec("n1", 1.5),)))
    (moved,) = coordinates.nodes(state.store).value
    assert (moved.create_index, moved.modify_index) == (made, state.last.index)


def test_a_node_takes_its_coordinates_with_it(state: Any) -> None:
    state.register("n1")
    state.register("n2")
    state.do(c.CoordinatesUpdate((spec("n1"), spec("n1", segment="s"), spec("n2"))))
    state.do(c.CatalogDeregister("N1"))
    answer = coordinates.nodes(state.store)
    assert ([one.node for one in answer.value], answer.index) == (["n2"], state.last.index)
    state.register("n1")
    state.do(c.CatalogDeregister("n1"))
    assert coordinates.nodes(state.store).index == answer.index, "a node without any moves nothing"
    assert state.store.by.segments_of_node == {"n2": ("",)}


def test_a_renamed_node_leaves_its_coordinate_behind(state: Any) -> None:
    state.do(c.CatalogRegister("n1", "1.1.1.1", "dc1", node_id="id-1"))
    state.do(c.CoordinatesUpdate((spec("n1"),)))
    state.do(c.CatalogRegister("n9", "1.1.1.1", "dc1", node_id="id-1"))
    assert state.store.count(Table.COORDINATES) == 0


def _named(*names: str) -> list[str]:
    return list(names)


def test_the_nearest_come_first_and_the_unknown_last_in_their_order(state: Any) -> None:
    for at, node in enumerate(("a", "b", "c", "d", "e")):
        state.register(node)
        if node not in "de":
            state.do(c.CoordinatesUpdate((spec(node, float(at)),)))
    nodes = _named("d", "c", "e", "a", "B", "b")
    assert nearest_first(state.store, "A", nodes, str) == ["a", "B", "b", "c", "d", "e"]
    assert nearest_first(state.store, "c", nodes, str) == ["c", "B", "b", "a", "d", "e"]
    assert nodes == ["d", "c", "e", "a", "B", "b"]


def test_without_the_origins_coordinate_nothing_is_sorted(state: Any) -> None:
    for node in ("a", "b"):
        state.register(node)
    state.do(c.CoordinatesUpdate((spec("a"),)))
    assert nearest_first(state.store, "b", ["b", "a"], str) == ["b", "a"]
    assert nearest_first(state.store, "none", ["b", "a"], str) == ["b", "a"]


def test_the_segment_of_a_node_with_one_coordinate_decides(state: Any) -> None:
    for node in ("client", "server", "near", "far", "other"):
        state.register(node)
    both = (spec("server", 50.0), spec("server", 1.0, "alpha"))
    state.do(c.CoordinatesUpdate((spec("client", segment="alpha"), *both)))
    state.do(c.CoordinatesUpdate((spec("far", 9.0, "alpha"), spec("near", 2.0, "alpha"), spec("other", 0.0, "beta"))))
    nodes = _named("other", "far", "server", "near")
    assert nearest_first(state.store, "client", nodes, str) == ["server", "near", "far", "other"]
    assert nearest_first(state.store, "server", nodes, str) == ["server", "near", "far", "other"]

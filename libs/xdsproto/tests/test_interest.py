"""The wildcard truth table of the xDS protocol, for both variants, row by row."""

import pytest

from lictor_xdsproto import CLUSTER, ENDPOINT, LISTENER, NAMES_MAX, ROUTE, SECRET, SubscriptionLimit
from lictor_xdsproto.interest import Interest

State = tuple[bool, set[str]]
Row = tuple[tuple[list[str], list[str]], State]
ALL: State = (True, set())
NONE: State = (False, set())

DELTA: list[list[Row]] = [
    [
        (([], []), ALL),
        ((["A"], []), (True, {"A"})),
        (([], ["*"]), (False, {"A"})),
        (([], ["A"]), NONE),
        (([], []), NONE),
    ],
    [((["*"], []), ALL), (([], ["*"]), NONE), (([], []), NONE)],
    [((["*", "A"], []), (True, {"A"})), (([], ["A"]), ALL)],
    [((["A"], []), (False, {"A"})), (([], []), (False, {"A"})), (([], ["A"]), NONE), (([], []), NONE)],
    [((["A"], []), (False, {"A"})), ((["*"], []), (True, {"A"}))],
    [(([], []), ALL), (([], []), ALL), (([], ["B"]), ALL)],
    [(([], ["A"]), NONE), (([], []), NONE)],
    [((["A"], ["A"]), (False, {"A"}))],
]
SOTW: list[list[tuple[list[str], State]]] = [
    [([], ALL), (["*", "A"], (True, {"A"})), (["A"], (False, {"A"})), ([], NONE)],
    [([], ALL), ([], ALL), (["A"], (False, {"A"})), ([], NONE), (["*"], ALL), ([], NONE)],
    [(["A", "B"], (False, {"A", "B"})), (["A"], (False, {"A"})), ([], NONE)],
]


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER])
@pytest.mark.parametrize("rows", DELTA)
def test_delta_requests_follow_the_table(rows: list[Row], type_url: str) -> None:
    interest = Interest(type_url)
    for (subscribe, unsubscribe), state in rows:
        interest.change(subscribe, unsubscribe)
        assert (interest.wildcard, interest.names) == state


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER])
@pytest.mark.parametrize("rows", SOTW)
def test_state_of_the_world_requests_follow_the_table(rows: list[tuple[list[str], State]], type_url: str) -> None:
    interest = Interest(type_url)
    for names, state in rows:
        interest.replace(names)
        assert (interest.wildcard, interest.names) == state


@pytest.mark.parametrize("type_url", [ENDPOINT, ROUTE, SECRET, "type.googleapis.com/other"])
def test_an_empty_first_request_of_a_child_type_means_nothing(type_url: str) -> None:
    delta, sotw = Interest(type_url), Interest(type_url)
    delta.change([], [])
    sotw.replace([])
    assert (delta.wildcard, sotw.wildcard) == (False, False)
    delta.change(["*"], [])
    sotw.replace(["*"])
    assert (delta.wildcard, sotw.wildcard) == (True, True)


def test_names_are_bounded() -> None:
    names = [str(number) for number in range(NAMES_MAX + 1)]
    Interest(ENDPOINT).change(names[1:], [])
    with pytest.raises(SubscriptionLimit, match="at most"):
        Interest(ENDPOINT).change(names, [])
    with pytest.raises(SubscriptionLimit, match="at most"):
        Interest(ENDPOINT).replace(names)

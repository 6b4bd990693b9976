"""The order of types: every row of the table, every gate, alone."""

import pytest

from lictor_xdsproto import ADS_ORDER, CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET
from lictor_xdsproto.order import Outstanding, is_open, steps_for

ALL = (SECRET, CLUSTER, ENDPOINT, LISTENER, ROUTE)
QUIET = Outstanding()
FLYING = Outstanding(in_flight=True)
SENDING = Outstanding(upserts=True)
REMOVING = Outstanding(removals=True)

BLOCKED_BY: list[tuple[int, str, set[str], set[str], set[str]]] = [
    # row, name, types whose (response in flight, unsent upserts, unsent removals) close the gate
    (0, "secret upserts", set(), set(), set()),
    (1, "cluster upserts", set(), set(), set()),
    (2, "endpoint upserts", set(), set(), set()),
    (3, "listeners", {CLUSTER, ENDPOINT}, {CLUSTER, ENDPOINT}, set()),
    (4, "route upserts", {CLUSTER, ENDPOINT}, {CLUSTER, ENDPOINT}, set()),
    (5, "route removals", {LISTENER}, {LISTENER}, {LISTENER}),
    (6, "cluster removals", {LISTENER, ROUTE}, {LISTENER, ROUTE}, {LISTENER, ROUTE}),
    (7, "endpoint removals", {CLUSTER}, {CLUSTER}, {CLUSTER}),
    (8, "secret removals", {CLUSTER, LISTENER}, {CLUSTER, LISTENER}, {CLUSTER, LISTENER}),
]


@pytest.mark.parametrize(("row", "name", "flying", "sending", "removing"), BLOCKED_BY)
def test_each_step_waits_for_exactly_these(
    row: int, name: str, flying: set[str], sending: set[str], removing: set[str]
) -> None:
    step = ADS_ORDER[row]
    for other in ALL:
        if other == step.type_url:
            continue
        for state, blocking in ((FLYING, flying), (SENDING, sending), (REMOVING, removing)):
            progress = dict.fromkeys(ALL, QUIET) | {other: state}
            assert is_open(step, progress) == (other not in blocking), (name, other, state)


def test_one_response_per_type_is_in_flight() -> None:
    for row in ADS_ORDER:
        assert not is_open(row, {row.type_url: FLYING})


@pytest.mark.parametrize("url", ALL)
def test_types_that_the_client_has_not_asked_for_hold_nothing_back(url: str) -> None:
    assert all(is_open(step, {url: SENDING}) for step in ADS_ORDER if step.type_url == url)


def test_unknown_types_come_last_without_gates() -> None:
    steps = steps_for(["other", CLUSTER])
    assert [step.type_url for step in steps] == [CLUSTER, CLUSTER, "other"]
    assert is_open(steps[-1], {CLUSTER: FLYING, "other": SENDING})

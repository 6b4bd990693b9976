"""User events: kept in order, each once, a bounded number, and for whom they are."""

from typing import Any

import pytest

from lictor_state import commands as c
from lictor_state.event_rows import EVENTS_MAX
from lictor_state.queries import events
from lictor_state.rows import Table


def uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def names(state: Any, node: str = "n1", name: str = "") -> list[str]:
    return [row.name for row in events.events(state.store, node, name).value]


def test_events_are_listed_in_the_order_in_which_they_came_whatever_their_ids(state: Any) -> None:
    for number in (5, 1, 9):
        assert state.do(c.EventFire(uid(number), f"e{number}", b"x")).value is True
    assert names(state) == ["e5", "e1", "e9"]
    assert names(state, name="e1") == ["e1"]
    assert [row.ltime for row in events.events(state.store, "n1").value] == [1, 2, 3]


def test_an_event_that_several_heard_is_one(state: Any) -> None:
    heard = c.EventFire(uid(1), "deploy", ltime=40)
    assert state.do(heard).value is True
    assert state.do(heard).value is False
    assert state.last.changes == ()
    state.do(c.EventFire(uid(2), "ours"))
    assert [row.ltime for row in events.events(state.store, "n1").value] == [40, 41]


def test_the_oldest_goes_when_there_is_one_too_many(state: Any) -> None:
    for number in range(EVENTS_MAX, 0, -1):
        state.do(c.EventFire(uid(number), str(number)))
    assert state.store.count(Table.EVENTS) == EVENTS_MAX
    state.do(c.EventFire(uid(EVENTS_MAX + 1), "new"))
    assert state.store.count(Table.EVENTS) == EVENTS_MAX
    assert names(state)[:1] + names(state)[-1:] == [str(EVENTS_MAX - 1), "new"]


def test_the_index_is_made_of_the_last_events_id(state: Any) -> None:
    assert events.events(state.store, "n1").index == 1
    state.do(c.EventFire("b54fe110-7af5-cafc-d1fb-afc8ba432b1c", "deploy"))
    expected = 0xB54FE1107AF5CAFC ^ 0xD1FBAFC8BA432B1C
    assert events.events(state.store, "n1").index == expected
    assert events.events(state.store, "n1", "other").index == 1
    assert events.index_of("no uuid") == 1


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, True),
        ({"node_filter": "^N"}, False),
        ({"node_filter": "^n.$"}, True),
        ({"service_filter": "we"}, True),
        ({"service_filter": "^e"}, False),
        ({"service_filter": "db"}, False),
        ({"service_filter": "web", "tag_filter": "^v[12]$"}, True),
        ({"service_filter": "web", "tag_filter": "^v[23]$"}, False),
        ({"node_filter": "n2", "service_filter": "web"}, False),
        ({"node_filter": "("}, False),
        ({"service_filter": "("}, False),
    ],
)
def test_whom_an_event_concerns(state: Any, filters: Any, found: bool) -> None:
    state.do(c.AgentServiceRegister("n1", "1.1.1.1", "dc1", c.ServiceSpec("w", "web", tags=("x", "v1"))))
    state.register(service="db")  # in the catalog, not of the agent
    state.do(c.EventFire(uid(1), "e", **filters))
    assert (names(state) == ["e"]) is found
    assert names(state, "none") == (["e"] if not filters else [])


def test_a_list_with_service_filters_waits_for_the_services_of_the_node_too(state: Any) -> None:
    woken: list[str] = []
    state.do(c.EventFire(uid(1), "plain"))
    state.store.watches.add(events.events(state.store, "n1").tokens, lambda: woken.append("plain"))
    state.do(c.AgentServiceRegister("n1", "1.1.1.1", "dc1", c.ServiceSpec("db", "db")))
    assert woken == []
    state.do(c.EventFire(uid(2), "filtered", service_filter="web"))
    assert woken == ["plain"]
    state.store.watches.add(events.events(state.store, "n1").tokens, lambda: woken.append("filtered"))
    state.do(c.AgentServiceRegister("n1", "1.1.1.1", "dc1", c.ServiceSpec("w", "web")))
    assert woken == ["plain", "filtered"]
    assert names(state) == ["plain", "filtered"]

"""What a watching client is told: the order of events, and that they lead to the answer, whatever was skipped."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_catalog.request import Params
from lictor_catalog.stream_events import Deltas, State, Telling, comment, delta, event, name_of

NAME = name_of("/v1/catalog/service/", Params(b""))


def told(data: bytes) -> list[tuple[str, str, Any]]:
    """Events as a client reads them: kind, id, data."""
    found = []
    for block in data.decode().split("\n\n"):
        if not block or block.startswith(":"):
            continue
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields["event"], fields["id"], msgspec.json.decode(fields["data"])))
    return found


def state(tag: int, value: Any, epoch: int = 1) -> State:
    return State(str(tag), msgspec.json.encode(value), epoch)


def instance(node: str, service: str, port: int = 1) -> dict[str, Any]:
    return {"Node": node, "ServiceID": service, "ServicePort": port}


def test_a_stream_begins_with_a_snapshot_and_goes_on_with_deltas() -> None:
    telling = Telling("q", NAME, Deltas())
    a, b = instance("n1", "a"), instance("n1", "b")
    assert told(telling.next(state(5, [a]))) == [("snapshot", "5", [a])]
    assert told(telling.next(state(7, [a, b]))) == [("delta", "7", {"Put": [b], "Delete": []})]
    changed = instance("n1", "a", 2)
    assert told(telling.next(state(9, [changed]))) == [
        ("delta", "9", {"Put": [changed], "Delete": [{"Node": "n1", "ServiceID": "b"}]})
    ]
    assert telling.awaits == "9"


def test_what_has_not_changed_is_not_told() -> None:
    telling = Telling("q", NAME, Deltas())
    telling.next(state(5, []))
    assert telling.next(state(6, [])) == b""
    assert telling.awaits == "6"


def test_a_client_that_has_the_state_is_told_the_next_change_only() -> None:
    telling = Telling("q", NAME, Deltas(), has="5")
    a = instance("n1", "a")
    assert telling.next(state(5, [a])) == b""
    assert told(telling.next(state(6, []))) == [
        ("delta", "6", {"Put": [], "Delete": [{"Node": "n1", "ServiceID": "a"}]})
    ]
    elsewhere = Telling("q", NAME, Deltas(), has="4")
    assert told(elsewhere.next(state(5, [a]))) == [("snapshot", "5", [a])]


def test_a_restore_is_told_and_followed_by_a_snapshot() -> None:
    telling = Telling("q", NAME, Deltas())
    telling.next(state(5, [], 1))
    assert told(telling.next(state(9, [], 2))) == [("reset", "9", {}), ("snapshot", "9", [])]


def test_an_answer_that_is_no_list_of_names_is_told_whole() -> None:
    telling = Telling("q", None, Deltas())
    telling.next(state(5, {"a": 1}))
    assert told(telling.next(state(6, {"a": 2}))) == [("value", "6", {"a": 2})]
    twice = Telling("q", NAME, Deltas())
    twice.next(state(5, []))
    same = [instance("n1", "a"), instance("n1", "a", 2)]
    assert told(twice.next(state(6, same))) == [("value", "6", same)]
    odd = Telling("q", NAME, Deltas())
    odd.next(state(5, []))
    assert told(odd.next(state(6, {"no": "list"}))) == [("value", "6", {"no": "list"})]


def test_a_step_is_encoded_once_for_all() -> None:
    deltas = Deltas()
    tellings = [Telling("q", NAME, deltas) for _ in range(50)]
    for at in (1, 2, 3):
        sent = {telling.next(state(at, [instance("n", "a", at)])) for telling in tellings}
        assert len(sent) == 1
    assert deltas.made == 2


def test_the_steps_that_are_kept_are_bounded() -> None:
    deltas = Deltas()
    big = "x" * 1_000_000
    for at in range(40):
        telling = Telling(at, NAME, deltas)
        telling.next(state(1, []))
        telling.next(state(2, [instance("n", big)]))
    assert deltas._bytes <= 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("route", "query", "member", "name"),
    [
        ("/v1/health/service/", b"", {"Node": {"Node": "n"}, "Service": {"ID": "s"}}, {"Node": "n", "ServiceID": "s"}),
        ("/v1/health/state/", b"", {"Node": "n", "CheckID": "c"}, {"Node": "n", "CheckID": "c"}),
        ("/v1/kv/", b"recurse", {"Key": "k", "Value": None}, {"Key": "k"}),
        ("/v1/kv/", b"keys", "k", "k"),
        ("/v1/session/list", b"", {"ID": "i"}, {"ID": "i"}),
        ("/v1/catalog/nodes", b"", {"Node": "n"}, {"Node": "n"}),
    ],
)
def test_members_are_named_by_what_identifies_them(route: Any, query: Any, member: Any, name: Any) -> None:
    found = name_of(route, Params(query))
    assert found is not None
    assert msgspec.json.decode(delta(found, msgspec.json.encode([member]), b"null") or b"") == {
        "Put": [],
        "Delete": [name],
    }


def test_an_order_by_distance_is_told_whole() -> None:
    assert name_of("/v1/health/service/", Params(b"near=_agent")) is None


def test_events_keep_to_their_lines() -> None:
    assert event("value", "3", b"a\nb\r\nc") == b"event: value\nid: 3\ndata: a\ndata: b\ndata: c\n\n"
    assert event("value", "3", b"") == b"event: value\nid: 3\ndata: \n\n"
    assert comment("no\nleader") == b": no leader\n\n"


lists = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2)), max_size=4, unique_by=lambda one: one[0])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(lists, st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_events_lead_to_the_answer_whatever_a_slow_client_skips(history: list[Any]) -> None:
    """Each step: the list, whether the client is awake for it, and whether a restore came before it."""
    telling = Telling("q", NAME, Deltas())
    has: dict[Any, Any] = {}
    epoch, last = 1, -1
    for at, (members, awake, restored) in enumerate(history, 1):
        epoch += restored
        if not awake:
            continue
        answer = [instance("n", name, port) for name, port in members]
        for kind, tag, data in told(telling.next(state(at, answer, epoch))):
            assert int(tag) >= last
            last = int(tag)
            if kind == "snapshot":
                has = {one["ServiceID"]: one for one in data}
            elif kind == "delta":
                for one in data["Delete"]:
                    del has[one["ServiceID"]]
                has |= {one["ServiceID"]: one for one in data["Put"]}
            else:
                assert kind == "reset"
        assert has == {one["ServiceID"]: one for one in answer}

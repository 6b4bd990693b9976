"""Who runs which check, and who may speak."""

import pytest

from lictor_healthcheck.checks import key_of
from lictor_healthcheck.ownership import EchoGuard, Replica, Voice, candidates, owns, rendezvous
from lictor_healthcheck.projection import Projection
from lictor_state import Store
from lictor_state.rows import Change, CheckDefinition, CheckRow, ServiceRow, Table

SECOND = 1_000_000_000
HTTP = CheckDefinition(http="http://x", interval_ns=SECOND)
TTL = CheckDefinition(ttl_ns=SECOND)
REPLICAS = [Replica("n1", "i1"), Replica("n1", "i2"), Replica("n2", "i3"), Replica("N1", "i4")]


def row(number: int = 0, node: str = "n1", definition: CheckDefinition = HTTP, agent: bool = True) -> CheckRow:
    return CheckRow(node, f"check-{number}", "c", "passing", definition=definition, agent=agent)


@pytest.mark.parametrize(
    ("check", "instances"),
    [
        (row(), {"i1", "i2", "i4"}),
        (row(node="N2"), {"i3"}),
        (row(node="n3"), set()),
        (row(definition=TTL), {"i1", "i2", "i4"}),
        (row(agent=False), {"i1", "i2", "i3", "i4"}),
        (row(agent=False, node="external"), {"i1", "i2", "i3", "i4"}),
        (row(agent=False, definition=TTL), set()),
        (row(agent=False, definition=CheckDefinition(alias_service="web")), set()),
        (row(agent=False, definition=CheckDefinition()), set()),
        (row(definition=CheckDefinition(grpc="x:1", interval_ns=SECOND)), set()),
    ],
)
def test_who_may_run_a_check(check: CheckRow, instances: set[str]) -> None:
    assert {replica.instance for replica in candidates(check, REPLICAS)} == instances


def test_every_check_has_one_owner_on_which_all_agree() -> None:
    for number in range(200):
        check = row(number, agent=number % 2 == 0)
        owners = [replica for replica in REPLICAS if owns(replica, check, REPLICAS)]
        assert len(owners) == 1
        assert owners == [one for one in REPLICAS if owns(one, check, list(reversed(REPLICAS)))]


def test_the_node_s_name_matches_in_any_case() -> None:
    assert owns(Replica("NODE-1", "i"), row(node="node-1"), [Replica("NODE-1", "i")])


def test_a_process_not_present_owns_nothing() -> None:
    gone = Replica("n1", "i9")
    assert not any(owns(gone, row(number), REPLICAS) for number in range(50))
    assert rendezvous(key_of(row()), []) is None


def test_shares_are_even_and_a_leaver_moves_only_its_own() -> None:
    many = [row(number, agent=False) for number in range(2000)]
    before = {key_of(check): rendezvous(key_of(check), REPLICAS) for check in many}
    shares = [sum(owner == replica for owner in before.values()) for replica in REPLICAS]
    assert min(shares) > 400
    rest = REPLICAS[1:]
    for check in many:
        owner = before[key_of(check)]
        if owner != REPLICAS[0]:
            assert rendezvous(key_of(check), rest) == owner


@pytest.mark.parametrize(
    ("story", "voices"),
    [
        ([(0, 9), (0.5, 0.1)], [Voice.CUT, Voice.RETURNED]),
        ([(0, 0.1), (0.5, 0.6), (1.0, 0.9)], [Voice.RETURNED, Voice.FRESH, Voice.FRESH]),
        ([(0, 0.1), (0.5, 1.1), (1.0, 1.6), (1.5, 0.0)], [Voice.RETURNED, Voice.CUT, Voice.CUT, Voice.RETURNED]),
        ([(0, 0.1), (0.5, 1.0)], [Voice.RETURNED, Voice.FRESH]),
        # suspended for a minute: the echo from before is heard first when it wakes up
        ([(0, 0.1), (60, 0.0), (60.5, 0.2)], [Voice.RETURNED, Voice.RETURNED, Voice.FRESH]),
    ],
)
def test_too_old_an_echo_silences_and_its_return_is_told_once(
    story: list[tuple[float, float]], voices: list[Voice]
) -> None:
    guard = EchoGuard(1.0)
    assert guard.cut, "silent until the first echo"
    assert [guard.observe(now, age) for now, age in story] == voices


def test_the_projection_reads_the_store_and_tells_what_changes_touch() -> None:
    one, other = row(1), row(2)
    store = Store("cluster", keeps_digest=False)
    before = [
        Change(Table.CHECKS, ("n1", "check-1"), one),
        Change(Table.SERVICES, ("n1", "web"), ServiceRow("N1", "web", "web")),
    ]
    store.load(1, before)
    projection = Projection()
    assert projection.keys() == []
    projection.follow(store)
    assert projection.keys() == [("n1", "check-1")]
    assert projection.service_exists("n1", "web")
    changes = [
        Change(Table.CHECKS, ("n1", "check-2"), other),
        Change(Table.CHECKS, ("n1", "check-1"), None),
        Change(Table.SERVICES, ("n2", "db"), ServiceRow("n2", "db", "db")),
        Change(Table.SERVICES, ("n1", "web"), None),
        Change(Table.INDEXES, ("checks",), None),
    ]
    store.load(2, changes)
    keys, nodes = projection.take(changes)
    assert keys == {("n1", "check-1"), ("n1", "check-2")}
    assert nodes == {"n1", "n2"}
    assert list(projection.of_node("n1")) == [other]
    assert list(projection.of_node("n2")) == []
    assert projection.keys() == [("n1", "check-2")]
    assert projection.check(("n1", "check-2")) == other
    assert projection.check(("n1", "check-1")) is None
    assert projection.service_exists("n2", "db")
    assert not projection.service_exists("n1", "web")

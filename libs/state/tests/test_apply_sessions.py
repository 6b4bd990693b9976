from typing import Any

import pytest

from lictor_state.commands import (
    AgentDecision,
    AgentJoin,
    CatalogDeregister,
    CatalogRegister,
    CheckSpec,
    CheckTransition,
    KVDelete,
    KVSet,
    LockDelayEnd,
    ServiceSpec,
    SessionCreate,
    SessionDestroy,
)
from lictor_state.queries import kv, sessions
from lictor_state.rows import ServiceCheck

NS = 1_000_000_000
SERF = ("serfHealth",)
CHECKS = (
    CheckSpec("serfHealth", "s", "passing"),
    CheckSpec("c1", "c", "warning"),
    CheckSpec("web-check", "w", "passing", service_id="web"),
)


@pytest.fixture
def node(state: Any) -> Any:
    """A history with node n1 (index 1), its checks, and session s on serfHealth (index 2)."""
    state.do(CatalogRegister("n1", "1.1.1.1", "dc1", service=ServiceSpec("web", "web"), checks=CHECKS))
    state.do(SessionCreate("s", "N1", node_checks=SERF, ttl="10s", ttl_ns=10 * NS))
    return state


def test_a_session_shows_what_it_was_made_with(node: Any) -> None:
    answer = sessions.info(node.store, "s")
    row = answer.value
    assert row is not None
    assert (row.node, row.ttl, row.behavior, row.lock_delay_ns) == ("N1", "10s", "release", 15 * NS)
    assert (answer.index, row.create_index, row.modify_index) == (2, 2, 2)
    assert [one.session_id for one in sessions.of_node(node.store, "n1").value] == ["s"]
    assert [one.session_id for one in sessions.sessions(node.store).value] == ["s"]
    assert sessions.of_node(node.store, "n2").value == []
    missing = sessions.info(node.store, "x")
    assert (missing.value, missing.absent, missing.index) == (None, True, 2)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (SessionCreate("t", "n2"), "Missing node registration"),
        (SessionCreate("t", "n1", node_checks=("nope",)), "Missing check 'nope' registration"),
        (SessionCreate("t", "n1", checks=("nope",)), "Missing check 'nope' registration"),
        (SessionCreate("t", "n1", service_checks=(ServiceCheck("nope"),)), "Missing check 'nope' registration"),
        (SessionCreate("t", "n1", node_checks=("bad",)), "Check 'bad' is in critical state"),
        (SessionCreate("t", "n1", behavior="cling"), "Invalid Behavior setting 'cling'"),
        (SessionCreate("s", "n1"), "Session id 's' is taken"),
    ],
)
def test_sessions_that_cannot_be_are_refused_and_change_nothing(node: Any, command: Any, error: Any) -> None:
    node.do(CatalogRegister("n1", "1.1.1.1", "dc1", checks=(CheckSpec("bad", "b", "critical"),)))
    result = node.do(command)
    assert (result.error, result.status) == (error, 500)
    assert node.last.changes == ()
    assert node.index("sessions") == 2


def test_destroying_an_unknown_session_is_true_and_moves_no_index(node: Any) -> None:
    assert node.do(SessionDestroy("x")).value is True
    assert node.last.changes == ()


def test_acquiring_takes_a_free_key_and_counts(node: Any) -> None:
    assert node.do(KVSet("k", b"1", acquire="s")).value is True
    row = node.store.kv("k")
    assert (row.session, row.lock_index, row.create_index, row.modify_index) == ("s", 1, 3, 3)
    node.do(KVSet("k", b"2", release="s"))
    assert node.do(KVSet("k", b"3", acquire="s")).value is True
    row = node.store.kv("k")
    assert (row.value, row.session, row.lock_index, row.create_index, row.modify_index) == (b"3", "s", 2, 3, 5)


def test_the_holder_acquires_again_without_counting_and_the_same_write_moves_nothing(node: Any) -> None:
    node.do(KVSet("k", b"1", acquire="s"))
    assert node.do(KVSet("k", b"2", acquire="s")).value is True
    assert (node.store.kv("k").lock_index, node.store.kv("k").modify_index) == (1, 4)
    assert node.do(KVSet("k", b"2", acquire="s")).value is True
    assert node.last.changes == ()


def test_another_session_cannot_acquire_or_release_a_held_key(node: Any) -> None:
    node.do(SessionCreate("t", "n1"))
    node.do(KVSet("k", b"1", acquire="s"))
    for command in (KVSet("k", b"2", acquire="t"), KVSet("k", b"2", release="t"), KVSet("k", b"2", release="none")):
        assert node.do(command).value is False
        assert node.last.changes == ()


@pytest.mark.parametrize("key", ["k", "free", "missing"])
def test_releasing_what_is_not_held_is_false(node: Any, key: Any) -> None:
    node.do(KVSet("free", b"1"))
    assert node.do(KVSet(key, b"1", release="s")).value is False
    assert node.last.changes == ()


def test_releasing_writes_value_and_flags_too(node: Any) -> None:
    node.do(KVSet("k", b"1", acquire="s"))
    assert node.do(KVSet("k", b"2", flags=7, release="s")).value is True
    row = node.store.kv("k")
    assert (row.value, row.flags, row.session, row.lock_index) == (b"2", 7, "", 1)


def test_acquiring_for_a_session_that_is_not_there_is_an_error(node: Any) -> None:
    result = node.do(KVSet("k", b"1", acquire="ghost"))
    assert (result.error, result.status) == ('raft apply failed: invalid session "ghost"', 500)


def test_a_write_without_a_session_leaves_the_lock_as_it_is(node: Any) -> None:
    node.do(KVSet("k", b"1", acquire="s"))
    assert node.do(KVSet("k", b"2")).value is True
    assert node.do(KVSet("k", b"3", cas=4)).value is True
    row = node.store.kv("k")
    assert (row.value, row.session, row.lock_index) == (b"3", "s", 1)


def test_deleting_a_held_key_frees_it_without_a_delay(node: Any) -> None:
    node.do(KVSet("k", b"1", acquire="s"))
    node.do(KVDelete("k"))
    assert node.store.by.keys_of_session == {}
    node.do(SessionDestroy("s"))
    assert node.store.lock_delay("k") is None


def test_a_session_that_releases_clears_its_locks_and_starts_the_delay(node: Any) -> None:
    for key in ("k/a", "k/b"):
        node.do(KVSet(key, b"1", acquire="s"))
    assert node.do(SessionDestroy("s")).value is True  # index 5
    for key in ("k/a", "k/b"):
        row = node.store.kv(key)
        assert (row.value, row.session, row.lock_index, row.modify_index) == (b"1", "", 1, 5)
        assert node.store.lock_delay(key).create_index == 5
    assert (node.index("sessions"), node.index("kv")) == (5, 5)
    assert kv.entries(node.store, "k/").index == 5


def test_a_session_that_deletes_takes_its_keys_along_and_leaves_tombstones(node: Any) -> None:
    node.do(SessionCreate("t", "n1", behavior="delete", lock_delay_ns=0))
    node.do(KVSet("k/a", b"1", acquire="t"))
    node.do(KVSet("k/b", b"1"))
    node.do(SessionDestroy("t"))  # index 6
    assert node.store.kv("k/a") is None
    assert (node.index("kv"), node.index("tombstones"), kv.entries(node.store, "k/").index) == (6, 6, 6)
    assert node.store.lock_delay("k/a") is None


def test_a_lock_delay_makes_acquiring_false_until_the_leader_ends_that_very_one(node: Any) -> None:
    node.do(SessionCreate("t", "n1", lock_delay_ns=120 * NS))
    node.do(KVSet("k", b"1", acquire="t"))
    node.do(SessionDestroy("t"))  # index 5
    assert node.store.lock_delay("k").delay_ns == 60 * NS
    assert node.do(KVSet("k", b"2", acquire="s")).value is False
    assert node.do(KVSet("k", b"2", acquire="ghost")).value is False
    assert node.do(KVSet("k", b"2")).value is True
    assert node.do(LockDelayEnd("k", 4)).value is False
    assert node.do(LockDelayEnd("other", 5)).value is False
    assert node.do(LockDelayEnd("k", 5)).value is True
    assert node.do(KVSet("k", b"3", acquire="s")).value is True


@pytest.mark.parametrize(
    "ending",
    [
        CatalogDeregister("n1"),
        CatalogDeregister("n1", check_id="serfHealth"),
        CatalogRegister("n1", "1.1.1.1", "dc1", checks=(CheckSpec("serfHealth", "s", "critical"),)),
        CheckTransition("n1", "serfHealth", 1, "critical", "gone"),
    ],
)
def test_a_session_ends_with_its_node_and_its_checks(node: Any, ending: Any) -> None:
    node.do(KVSet("k", b"1", acquire="s"))
    node.do(ending)
    assert sessions.sessions(node.store).value == []
    assert (node.store.kv("k").session, node.store.kv("k").modify_index) == ("", 4)
    assert node.store.lock_delay("k") is not None
    assert node.store.by.sessions_of_check == node.store.by.sessions_of_node == {}


@pytest.mark.parametrize(
    "kept",
    [
        CheckTransition("n1", "serfHealth", 1, "warning", "hm"),
        CheckTransition("n1", "c1", 1, "critical", "not ours"),
        CatalogDeregister("n1", check_id="c1"),
        CatalogDeregister("n1", service_id="web"),
    ],
)
def test_a_session_outlives_what_it_does_not_hang_on(node: Any, kept: Any) -> None:
    node.do(kept)
    assert [one.session_id for one in sessions.sessions(node.store).value] == ["s"]


def test_a_session_on_a_service_check_ends_with_the_service(node: Any) -> None:
    node.do(SessionCreate("t", "n1", service_checks=(ServiceCheck("web-check"),), checks=("web-check",)))
    node.do(CatalogDeregister("n1", service_id="web"))
    assert [one.session_id for one in sessions.sessions(node.store).value] == ["s"]


def test_a_session_ends_when_its_node_fails_and_when_it_leaves(state: Any) -> None:
    for decision in ("failed", "left"):
        at = state.do(AgentJoin("n1", "id-1", decision, "1.1.1.1", 8301, "dc1")).value
        state.do(SessionCreate(decision, "n1", node_checks=SERF))
        assert state.store.session(decision) is not None
        assert state.do(AgentDecision("n1", decision, at, decision)).value is True
        assert state.store.session(decision) is None


def test_a_command_that_is_refused_after_it_ended_a_session_brings_the_session_back(node: Any) -> None:
    node.do(KVSet("k", b"1", acquire="s"))
    before = node.store.digest()
    checks = (CheckSpec("serfHealth", "s", "critical"), CheckSpec("c", "c", service_id="nope"))
    assert node.do(CatalogRegister("n1", "1.1.1.1", "dc1", checks=checks)).error
    assert node.store.digest() == before
    assert node.store.by.keys_of_session == {"s": ["k"]}
    assert node.store.by.sessions_of_check == {("n1", "serfHealth"): ("s",)}

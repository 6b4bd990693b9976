"""What the leader alone proposes: tombstones forgotten, services critical for too long, autopilot's settings."""

from typing import Any

import pytest

from lictor_state import apply_kv
from lictor_state import commands as c
from lictor_state.queries import kv
from lictor_state.rows import AutopilotRow, CheckDefinition, ProxyDefinition

DOOMED = CheckDefinition(deregister_critical_service_after_ns=60_000_000_000)


def test_tombstones_are_reaped_up_to_an_index_and_no_list_falls_below_what_was_told(state: Any) -> None:
    state.do(c.KVSet("p/a", b"1"))
    for key in ("p/b", "p/c"):
        state.do(c.KVSet(key, b"1"))
        state.do(c.KVDelete(key))
    told = kv.entries(state.store, "p/").index
    assert told == 5
    assert state.do(c.TombstonesReap(4)).value is False
    assert list(state.store.by.tombstone_keys) == ["p/c"]
    assert kv.entries(state.store, "p/").index == told
    state.do(c.TombstonesReap(5))
    assert list(state.store.by.tombstone_keys) == []
    assert kv.entries(state.store, "p/").index == told
    state.do(c.KVSet("p/d", b"1"))
    assert kv.entries(state.store, "p/").index == 8 > told


def test_reaping_moves_nothing_when_there_is_nothing_so_old(state: Any) -> None:
    state.do(c.KVSet("a", b"1"))
    state.do(c.KVDelete("a"))
    state.do(c.TombstonesReap(1))
    assert state.last.changes == ()


def test_one_entry_reaps_a_bounded_number_and_says_that_more_is_left(state: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(apply_kv, "REAPED_MAX", 2)
    for key in ("a", "b", "c"):
        state.do(c.KVSet(key, b"1"))
        state.do(c.KVDelete(key))
    assert state.do(c.TombstonesReap(100)).value is True
    assert state.do(c.TombstonesReap(100)).value is False
    assert list(state.store.by.tombstone_keys) == []


def _doomed(state: Any, status: str = "critical") -> int:
    sidecar = c.ServiceSpec("w-sidecar-proxy", "sp", "connect-proxy", proxy=ProxyDefinition("web"), sidecar_of="w")
    state.do(
        c.AgentServiceRegister(
            "n1",
            "1.1.1.1",
            "dc1",
            c.ServiceSpec("w", "web"),
            checks=(c.CheckSpec("c1", "c1", status, definition=DOOMED),),
            sidecar=sidecar,
        )
    )
    index: int = state.store.check("n1", "c1").modify_index
    return index


def test_a_service_critical_for_too_long_goes_with_its_checks_and_its_sidecar(state: Any) -> None:
    index = _doomed(state)
    assert state.do(c.CriticalServiceDeregister("N1", "c1", index)).value is True
    assert state.store.service("n1", "w") is None
    assert state.store.service("n1", "w-sidecar-proxy") is None
    assert state.store.check("n1", "c1") is None


@pytest.mark.parametrize("change", ["changed", "passing", "unknown", "no time given"])
def test_a_service_stays_when_its_check_is_not_the_one_that_was_judged(state: Any, change: str) -> None:
    index = _doomed(state, "passing" if change == "passing" else "critical")
    if change == "changed":
        definition = state.store.check("n1", "c1").definition_index
        state.do(c.CheckTransition("n1", "c1", definition, "critical", "another output"))
    if change == "no time given":
        state.do(c.AgentCheckRegister("n1", "", "dc1", c.CheckSpec("c1", "c1", "critical", service_id="w")))
        index = state.store.check("n1", "c1").modify_index
    check_id = "c2" if change == "unknown" else "c1"
    assert state.do(c.CriticalServiceDeregister("n1", check_id, index)).value is False
    assert state.store.service("n1", "w") is not None


def test_an_instance_of_the_catalog_goes_alone(state: Any) -> None:
    check = c.CheckSpec("c1", "c1", "critical", service_id="web", definition=DOOMED)
    state.register("n1", "web", checks=(check,))
    assert state.do(c.CriticalServiceDeregister("n1", "c1", 1)).value is True
    assert state.store.service("n1", "web") is None
    assert state.store.node("n1") is not None


def test_autopilot_settings_are_written_whole_and_by_cas(state: Any) -> None:
    assert state.store.autopilot() is None
    assert state.do(c.AutopilotSet(cas=3)).value is False
    assert state.do(c.AutopilotSet(cleanup_dead_servers=False, min_quorum=3, cas=0)).value is True
    assert state.do(c.AutopilotSet(cas=0)).value is False
    row = state.store.autopilot()
    assert row == AutopilotRow(cleanup_dead_servers=False, min_quorum=3, create_index=2, modify_index=2)
    assert state.do(c.AutopilotSet(cas=2)).value is True
    assert state.store.autopilot() == AutopilotRow(create_index=2, modify_index=4)
    for wrong in (c.AutopilotSet(max_trailing_logs=-1), c.AutopilotSet(last_contact_threshold_ns=-1)):
        assert state.do(wrong).status == 400

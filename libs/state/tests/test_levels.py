"""Feature levels: what may be used before every member knows it."""

from typing import Any

import pytest

from lictor_state import Store, apply
from lictor_state import commands as c
from lictor_state.levels import FOUNDING_LEVEL, LEVEL_MAX, SECOND, THIRD, level_of, too_early
from lictor_state.prepared_query_rows import QueryDefinition, QueryService
from lictor_state.rows import Table

NEW: list[c.Command] = [
    c.SessionCreate("s", "n1"),
    c.KVSet("k", b"v", acquire="s"),
    c.KVSet("k", b"v", release="s"),
    c.LockDelayEnd("k", 3),
    c.TombstonesReap(9),
    c.CriticalServiceDeregister("n1", "c1", 2),
    c.RestoreAbort("r"),
    c.AutopilotSet(),
]
NEWER: list[c.Command] = [
    c.Txn((c.TxnKV("set", "k"),)),
    c.PreparedQuerySet("id", QueryDefinition("q", QueryService("web")), create=True),
    c.PreparedQueryDelete("id"),
    c.CoordinatesUpdate((c.CoordinateSpec("n1", "", (0.0,) * 8, 1.0, 0.0, 0.0),)),
    c.EventFire("00000000-0000-4000-8000-000000000001", "deploy"),
    c.GatewayServicesSet("gw", "ingress-gateway", (c.GatewayServiceSpec("web"),)),
    c.DefinitionFilesMark("n1", "/d", ("web",)),
    c.AgentCheckRegister("n1", "10.0.0.1", "dc1", c.CheckSpec("c", "c"), keep=True),
]


@pytest.mark.parametrize(("command", "level"), [*[(one, SECOND) for one in NEW], *[(one, THIRD) for one in NEWER]])
def test_a_command_is_refused_below_the_level_that_introduced_it_and_taken_from_there_on(
    command: Any, level: int
) -> None:
    store = Store("cluster", level - 1)
    refused = apply(store, 1, c.Envelope(0, 0, 0, command))
    assert f"needs feature level {level}, this cluster is at {level - 1}" in refused.result.error
    assert refused.changes == ()
    assert apply(store, 2, c.Envelope(0, 0, 0, c.RaiseLevel(level))).result.value is True
    assert "feature level" not in apply(store, 3, c.Envelope(0, 0, 0, command)).result.error


def test_what_the_first_build_knew_needs_no_level() -> None:
    old: list[c.Command] = [c.KVSet("k", b"v"), c.RaiseLevel(2), c.AgentDecision("n", "r", 1, "failed", at=9)]
    for command in old:
        assert level_of(command) == FOUNDING_LEVEL
        assert too_early(command, FOUNDING_LEVEL) == ""


def test_no_command_is_of_a_level_that_this_build_does_not_announce() -> None:
    assert all(level_of(command) <= LEVEL_MAX for command in (*NEW, *NEWER))


def test_the_time_of_a_decision_is_kept_only_once_every_member_keeps_it() -> None:
    for level, kept in ((FOUNDING_LEVEL, 0), (SECOND, 1234)):
        store = Store("cluster", level)
        apply(store, 1, c.Envelope(0, 0, 0, c.AgentJoin("n1", "id", "r", "1.1.1.1", 1, "dc1")))
        apply(store, 2, c.Envelope(0, 0, 0, c.AgentDecision("n1", "r", 1, "failed", at=1234)))
        row: Any = store.get(Table.AGENTS, ("n1",))
        assert (row.status, row.decided_at) == ("failed", kept)

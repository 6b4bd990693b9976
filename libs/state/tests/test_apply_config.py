from typing import Any

import pytest

from lictor_state.commands import (
    CARootSet,
    ConfigEntryDelete,
    ConfigEntrySet,
    IntentionDelete,
    IntentionUpsert,
    RaiseLevel,
)
from lictor_state.levels import LEVEL_MAX
from lictor_state.queries import ca, config, intentions
from lictor_state.rows import CARootRow

SI = "service-intentions"
L7 = ({"Action": "allow", "HTTP": {"PathPrefix": "/v1", "Methods": ["get"]}},)


def _entry(state: Any, name: Any = "db") -> Any:
    return state.store.config_entry(SI, name)


def _sources(state: Any, name: Any = "db") -> Any:
    return [(one["Name"], one.get("Action"), one["Precedence"]) for one in _entry(state, name).body["Sources"]]


def _legacy(
    source: Any,
    legacy_id: Any,
    *,
    create: Any = True,
    destination: Any = "db",
    action: Any = "allow",
    now: Any = "2024-01-01T00:00:00Z",
) -> Any:
    return IntentionUpsert(source, destination, action, legacy_id=legacy_id, legacy_create=create, now=now)


@pytest.mark.parametrize(
    ("destination", "source", "value"), [("db", "web", 9), ("db", "*", 8), ("*", "web", 6), ("*", "*", 5)]
)
def test_precedence_without_namespaces(state: Any, destination: Any, source: Any, value: Any) -> None:
    state.do(IntentionUpsert(source, destination, "allow"))
    assert _sources(state, destination) == [(source, "allow", value)]


def test_sources_are_stored_by_precedence_and_upsert_replaces_one(state: Any) -> None:
    state.do(IntentionUpsert("*", "db", "deny"))
    state.do(IntentionUpsert("web", "db", "allow"))
    state.do(IntentionUpsert("web", "db", "deny"))
    assert _sources(state) == [("web", "deny", 9), ("*", "deny", 8)]
    assert (_entry(state).create_index, _entry(state).modify_index, state.index("config-entries")) == (1, 3, 3)


def test_the_same_intention_again_moves_no_index(state: Any) -> None:
    for _ in range(2):
        state.do(IntentionUpsert("web", "db", "", permissions=L7))
    assert state.last.changes == ()
    assert _entry(state).body["Sources"][0]["Permissions"][0]["HTTP"]["Methods"] == ["GET"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (IntentionUpsert("web", "", "allow"), "Name is required"),
        (IntentionUpsert("", "db", "allow"), "Sources[0].Name is required"),
        (
            IntentionUpsert("w*", "db", "allow"),
            "Sources[0].Name: wildcard character '*' cannot be used with partial values",
        ),
        (IntentionUpsert("web", "d*", "allow"), "Name: wildcard character '*' cannot be used with partial values"),
        (IntentionUpsert("web", "db", ""), "Sources[0].Action must be set to 'allow' or 'deny'"),
        (IntentionUpsert("web", "db", "allow", L7), "Sources[0].Action must be omitted if Permissions are specified"),
        (
            IntentionUpsert("web", "*", "", L7),
            "Sources[0].Permissions cannot be specified on intentions with wildcarded destinations",
        ),
        (IntentionUpsert("web", "db", "allow", source_type="x"), "Sources[0].Type must be set to 'consul'"),
        (
            IntentionUpsert("web", "db", "allow", description="x" * 513),
            "Sources[0].Description exceeds maximum length 512",
        ),
        (IntentionUpsert("web", "db", "", ({},)), "Sources[0].Permissions[0].Action must be set to 'allow' or 'deny'"),
        (IntentionUpsert("web", "db", "", ({"Action": "deny"},)), "Sources[0].Permissions[0].HTTP is required"),
        (
            IntentionUpsert("web", "db", "", ({"Action": "deny", "HTTP": {}},)),
            "Sources[0].Permissions[0].HTTP should not be empty",
        ),
        (
            IntentionUpsert("web", "db", "", ({"Action": "deny", "HTTP": {"PathExact": "x"}},)),
            "Sources[0].Permissions[0].HTTP.PathExact doesn't start with '/': \"x\"",
        ),
        (
            IntentionUpsert("web", "db", "", ({"Action": "deny", "HTTP": {"Methods": ["FLY"]}},)),
            'Sources[0].Permissions[0].HTTP.Methods contains an invalid method "FLY"',
        ),
        (_legacy("web", "id", create=False), "Cannot modify non-existent intention: 'id'"),
        (IntentionDelete(legacy_id="id"), "Cannot delete non-existent intention: 'id'"),
        (
            IntentionUpsert("web", "db", "allow", legacy_id="x", legacy_create=True),
            "Sources[0].LegacyCreateTime must be set",
        ),
    ],
)
def test_bad_intentions_are_refused_with_consuls_words(state: Any, command: Any, message: Any) -> None:
    result = state.do(command)
    assert (result.error, result.status) == (message, 500)
    assert state.last.changes == ()


def test_deleting_the_last_source_takes_the_entry(state: Any) -> None:
    state.do(IntentionUpsert("web", "db", "allow"))
    state.do(IntentionUpsert("*", "db", "deny"))
    assert state.do(IntentionDelete("web", "db")).value is True
    assert _sources(state) == [("*", "deny", 8)]
    state.do(IntentionDelete("*", "db"))
    assert _entry(state) is None
    assert state.do(IntentionDelete("*", "db")).value is True
    assert state.last.changes == ()


def test_legacy_intentions_have_ids_and_times(state: Any) -> None:
    assert state.do(_legacy("web", "id-1")).value == "id-1"
    assert state.do(_legacy("web", "id-1", create=False, action="deny", now="2025-01-01T00:00:00Z")).value == "id-1"
    found: Any = intentions.by_id(state.store, "id-1").value
    assert (found.action, found.created_at, found.updated_at) == (
        "deny",
        "2024-01-01T00:00:00Z",
        "2025-01-01T00:00:00Z",
    )
    assert (found.create_index, found.modify_index) == (1, 2)


def test_a_legacy_duplicate_is_refused(state: Any) -> None:
    state.do(_legacy("web", "id-1"))
    assert state.do(_legacy("web", "id-2")).error == 'Sources[1] defines "web" more than once'


def test_a_legacy_intention_keeps_its_destination(state: Any) -> None:
    state.do(_legacy("web", "id-1"))
    result = state.do(_legacy("web", "id-1", create=False, destination="other"))
    assert result.error.startswith("cannot modify Destination")


def test_the_legacy_api_refuses_entries_that_were_edited_otherwise(state: Any) -> None:
    state.do(_legacy("web", "id-1"))
    state.do(IntentionUpsert("api", "db", "allow"))
    assert all(not one.get("LegacyID") for one in _entry(state).body["Sources"])
    result = state.do(_legacy("new", "id-2"))
    assert result.error == (
        'cannot use legacy intention API to edit intentions with a destination of "db" after editing them via a '
        "service-intentions config entry"
    )


def test_legacy_delete_takes_one_source(state: Any) -> None:
    state.do(_legacy("web", "id-1"))
    state.do(_legacy("api", "id-2"))
    state.do(IntentionDelete(legacy_id="id-1"))
    assert _sources(state) == [("api", "allow", 9)]


def test_matches_are_sorted_and_include_wildcards(state: Any) -> None:
    for source, destination in (("*", "*"), ("web", "*"), ("*", "db"), ("web", "db"), ("api", "db"), ("web", "other")):
        state.do(IntentionUpsert(source, destination, "allow"))
    found = intentions.match(state.store, ["db", "new"])
    pairs = [(one.source, one.destination, one.precedence) for one in found.value["db"]]
    assert pairs == [("api", "db", 9), ("web", "db", 9), ("*", "db", 8), ("web", "*", 6), ("*", "*", 5)]
    assert [one.precedence for one in found.value["new"]] == [6, 5]
    by_source = intentions.match(state.store, ["api"], by="source").value["api"]
    assert [(one.source, one.destination) for one in by_source] == [("api", "db"), ("*", "db"), ("*", "*")]
    assert len(intentions.intentions(state.store).value) == 6
    exact: Any = intentions.exact(state.store, "web", "db").value
    assert exact.action == "allow"
    assert intentions.exact(state.store, "web", "none").absent


@pytest.mark.parametrize(
    ("kind", "name", "body", "message"),
    [
        ("odd", "x", {}, "invalid config entry kind: odd"),
        ("service-defaults", "", {}, "Name is required"),
        ("service-defaults", "*", {}, 'service-defaults config entry name cannot be a wildcard "*"'),
        ("service-defaults", "web", {"Protocol": "smtp"}, "invalid value for protocol: smtp"),
        ("proxy-defaults", "web", {}, 'invalid name ("web"), only "global" is supported'),
        (SI, "db", {"Sources": []}, "At least one source is required"),
        (SI, "db", {"Sources": [{"Name": "a", "Action": "allow"}] * 2}, 'Sources[1] defines "a" more than once'),
        (
            SI,
            "db",
            {"Sources": [{"Name": "a", "Action": "allow", "LegacyMeta": {"a": "b"}}]},
            "Sources[0].LegacyMeta must be omitted",
        ),
    ],
)
def test_bad_entries_are_refused(state: Any, kind: Any, name: Any, body: Any, message: Any) -> None:
    assert state.do(ConfigEntrySet(kind, name, body)).error == message


def test_entries_are_written_once_and_deleted(state: Any) -> None:
    body = {"Protocol": "http"}
    for _ in range(2):
        assert state.do(ConfigEntrySet("service-defaults", "web", body)).value is True
    assert state.last.changes == ()
    found: Any = config.entry(state.store, "service-defaults", "web")
    assert (found.value.body, found.index) == (body, 1)
    assert [row.name for row in config.entries(state.store, "service-defaults").value] == ["web"]
    assert state.do(ConfigEntryDelete("service-defaults", "web")).value is True
    assert config.entry(state.store, "service-defaults", "web").absent
    assert state.index("config-entries") == 3
    assert state.do(ConfigEntryDelete("service-defaults", "web")).value is True
    assert state.index("config-entries") == 3


@pytest.mark.parametrize(
    ("exists", "cas", "done"), [(False, 0, True), (False, 1, False), (True, 0, False), (True, 1, True)]
)
def test_entries_with_cas(state: Any, exists: Any, cas: Any, done: Any) -> None:
    if exists:
        state.do(ConfigEntrySet("proxy-defaults", "global", {}))
    assert state.do(ConfigEntrySet("proxy-defaults", "global", {"Config": {"a": 1}}, cas=cas)).value is done
    if exists:
        assert state.do(ConfigEntryDelete("proxy-defaults", "global", cas=99)).value is False


def test_a_written_intentions_entry_is_normalised(state: Any) -> None:
    state.do(ConfigEntrySet(SI, "db", {"Sources": [{"Name": "*", "Action": "deny"}, {"Name": "w", "Action": "allow"}]}))
    assert _sources(state) == [("w", "allow", 9), ("*", "deny", 8)]


def _root(root_id: Any) -> Any:
    return CARootRow(root_id, "root", 1, "key", "trust.consul", "a", "b", "PEM")


def test_roots_are_set_only_at_the_index_that_was_seen(state: Any) -> None:
    assert state.do(CARootSet(_root("r1"), "K1", 0)).value is True
    assert state.do(CARootSet(_root("r2"), "K2", 0)).value is False
    assert state.do(CARootSet(_root("r0"), "K0", 1)).value is True
    found = ca.roots(state.store)
    assert [(row.root_id, row.active, row.create_index, row.modify_index) for row in found.value] == [
        ("r0", True, 3, 3),
        ("r1", False, 1, 3),
    ]
    assert found.index == 3
    key: Any = ca.active_key(state.store).value
    assert key.private_key == "K0"


def test_the_level_only_rises(state: Any) -> None:
    assert state.do(RaiseLevel(LEVEL_MAX + 1)).value is True
    assert state.do(RaiseLevel(LEVEL_MAX)).value is False
    assert state.store.meta.level == LEVEL_MAX + 1


def test_names_that_differ_in_case_only_are_one_entry_in_the_spelling_of_the_last_write(state: Any) -> None:
    state.do(ConfigEntrySet("service-defaults", "Web", {"Protocol": "http"}))
    first = state.store.config_entry("service-defaults", "web")
    state.do(ConfigEntrySet("service-defaults", "web", {"Protocol": "http"}))
    row = state.store.config_entry("service-defaults", "WEB")
    assert (row.name, row.create_index, row.modify_index) == ("web", first.create_index, state.store.index)
    assert [one.name for one in config.entries(state.store, "service-defaults").value] == ["web"]
    assert state.do(ConfigEntrySet("service-defaults", "WEB", {}, cas=0)).value is False
    assert state.do(ConfigEntryDelete("service-defaults", "wEb")).value is True
    assert state.store.config_entry("service-defaults", "web") is None


def test_an_intention_for_a_destination_in_another_case_joins_its_entry(state: Any) -> None:
    state.do(IntentionUpsert("a", "Db", "deny"))
    state.do(IntentionUpsert("b", "db", "allow"))
    row = state.store.config_entry("service-intentions", "DB")
    assert (row.name, [one["Name"] for one in row.body["Sources"]]) == ("Db", ["a", "b"])
    found = intentions.match(state.store, ("db", "DB"))
    assert [len(found.value[name]) for name in ("db", "DB")] == [2, 2]
    assert intentions.exact(state.store, "a", "DB").value is not None
    assert [one.destination for one in intentions.match(state.store, ("A",), "source").value["A"]] == ["Db"]
    state.do(IntentionDelete("a", "dB"))
    assert intentions.exact(state.store, "a", "Db").value is None

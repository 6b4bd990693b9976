"""Random histories against the naive model: every query's value and reported index after every command.

The index of a query is expected to move exactly when Consul's table of indexes says that it does, which is judged here
by comparing the model's rows before and after; whether sleepers are woken then, and only then, is
`test_random_histories`'s subject.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_model import KNOWN, Key, NaiveModel, RefusedError, Row, stands_for
from test_random_histories import (
    agent_commands,
    catalog_commands,
    kv_commands,
    lock_commands,
    mesh_commands,
    newer_commands,
    session_commands,
)

from lictor_state import Store, Table, apply, apply_noop
from lictor_state import commands as c
from lictor_state.codec import decode_envelope, encode_envelope
from lictor_state.queries import (
    agent,
    config,
    coordinates,
    events,
    gateways,
    health,
    kv,
    node,
    nodes,
    services,
    sessions,
    usage,
)
from lictor_state.rows import CheckRow, NodeRow, ServiceRow

NAMES = ("web", "db", "proxy", "sidecar", "nothing")
NODES = ("n1", "n2", "n3")
KEYS = ("a", "a/b", "b", "zz")
PREFIXES = ("", "a", "a/", "a/b/", "zz")
Tables = dict[str, dict[Key, Row]]


def same_node(row: NodeRow) -> Row:
    return {
        "node": row.node,
        "id": row.node_id,
        "address": row.address,
        "meta": row.meta,
        "create": row.create_index,
        "modify": row.modify_index,
    }


def same_service(row: ServiceRow) -> Row:
    virtual = row.tagged_addresses.get("consul-virtual")
    return {
        "node": row.node,
        "id": row.service_id,
        "name": row.name,
        "kind": row.kind,
        "tags": row.tags,
        "port": row.port,
        "native": row.native,
        "destination": row.proxy.destination_service_name if row.proxy else "",
        "agent": row.agent,
        "sidecar_of": row.sidecar_of,
        "virtual": int(virtual.address.rpartition(".")[2]) if virtual else 0,
        "create": row.create_index,
        "modify": row.modify_index,
    }


def same_check(row: CheckRow) -> Row:
    return {
        "node": row.node,
        "id": row.check_id,
        "status": row.status,
        "output": row.output,
        "service_id": row.service_id,
        "service": row.service_name,
        "tags": row.service_tags,
        "type": row.type,
        "definition": row.definition,
        "agent": row.agent,
        "defined": row.definition_index,
        "create": row.create_index,
        "modify": row.modify_index,
    }


def with_checks(model: NaiveModel, rows: list[Row]) -> list[Any]:
    """Instances joined with their nodes and checks, as `health` shows them."""
    found = []
    for row in rows:
        checks = [check for _, check in model.of_node("checks", row["node"])]
        own = [check for check in checks if check["service_id"] == row["id"]]
        found.append((model.nodes[(row["node"].lower(),)], row, [one for one in checks if not one["service_id"]] + own))
    return found


def shown(instances: list[Any], *, checks: bool = True) -> list[Any]:
    return [
        (same_node(one.node), same_service(one.service), list(map(same_check, one.checks)) if checks else [])
        for one in instances
    ]


class Expected:
    """What the reported indexes should be, from nothing but the model's rows before and after each command."""

    def __init__(self) -> None:
        self.at: dict[str, int] = {}
        self._before = NaiveModel()
        self._health: dict[str, list[Any]] = {}

    def moved(self, model: NaiveModel, now: int) -> None:
        """A command was carried out at index `now`."""
        old, new = self._before.tables, model.tables
        differs = {
            table: [key for key in {**old[table], **new[table]} if old[table].get(key) != new[table].get(key)]
            for table in new
        }
        orphaned = [
            key for key in differs["checks"] if key not in new["checks"] and not old["checks"][key]["service_id"]
        ]
        for table in ("checks", "kv", "sessions", "config", "coords", "gateways"):
            if differs[table]:
                self.at[table] = now
        if differs["nodes"] or differs["services"]:
            self.at["nodes"] = now
        if differs["services"] or orphaned:
            self.at["services"] = now
        if model.extinct:
            self.at["service extinction"] = now
        if any(key not in new["nodes"] for key in differs["nodes"]):
            self.at["node extinction"] = now
        for name in NODES:
            if any(key[0] == name for key in differs["nodes"] + differs["services"]):
                self.at[f"node {name}"] = now
        for name in NAMES:
            for title, rows in ((name, model.instances(name)), (f"connect {name}", model.in_mesh(name))):
                answer = with_checks(model, rows)
                if answer != self._health.get(title, []) or title.lower() in model.extinct:
                    self.at[f"instances {title}"] = now
                self._health[title] = copy.deepcopy(answer)
        for prefix in PREFIXES:
            if any(key[0].startswith(prefix) for key in differs["kv"]):
                self.at[f"below {prefix}"] = now
        self._before = copy.deepcopy(model)

    def table(self, *names: str) -> int:
        return max(1, *(self.at.get(name, 0) for name in names))

    def instances(self, title: str, *, checks: bool = True) -> int:
        if self._health.get(title):
            return self.table(f"instances {title}")
        if self.at.get("service extinction"):
            return self.at["service extinction"]
        return self.table("nodes", "services", *(["checks"] if checks else []))

    def node(self, model: NaiveModel, name: str) -> int:
        return self.table(f"node {name}" if (name,) in model.nodes else "node extinction")


def judge_catalog(store: Store, model: NaiveModel, at: Expected) -> None:
    found: Any = nodes.nodes(store)
    assert list(map(same_node, found.value)) == [model.nodes[key] for key in sorted(model.nodes)]
    assert found.index == at.table("nodes")
    found = services.services(store)
    tags: dict[str, set[str]] = {}
    for row in model.services.values():
        tags.setdefault(row["name"].lower(), set()).update(row["tags"])
    assert {name.lower(): set(one) for name, one in found.value.items()} == tags
    assert found.index == at.table("services")
    for name in NAMES:
        for title, rows, one, all_of in (
            (name, model.instances(name), health.service, services.service_instances),
            (f"connect {name}", model.in_mesh(name), health.connect, services.connect_instances),
        ):
            expected = with_checks(model, rows)
            found = one(store, name)
            assert shown(found.value) == expected, title
            assert found.index == at.instances(title), title
            passing = [row for row in expected if all(check["status"] == "passing" for check in row[2])]
            assert shown(one(store, name, passing=True).value) == passing
            found = all_of(store, name)
            assert shown(found.value, checks=False) == [(first, second, []) for first, second, _ in expected]
            assert found.index == at.instances(title, checks=False), title
        rows = model.instances(name)
        own = [
            check
            for row in rows
            for _, check in model.of_node("checks", row["node"])
            if check["service_id"] == row["id"]
        ]
        found = health.checks(store, name)
        assert (list(map(same_check, found.value)), found.index) == (own, at.table("checks"))
        virtual = store.virtual_ip(name)
        assert (virtual.offset if virtual else 0) == model.virtual.get((name,), {"offset": 0})["offset"]
    for status in ("any", "critical", "warning"):
        found = health.state(store, status)
        wanted = [row for _, row in sorted(model.checks.items()) if status in ("any", row["status"])]
        assert (list(map(same_check, found.value)), found.index) == (wanted, at.table("checks"))


def judge_nodes(store: Store, model: NaiveModel, at: Expected) -> None:
    for name in NODES:
        found: Any = node.node(store, name)
        row = model.nodes.get((name,))
        rows = [one for _, one in model.of_node("services", name)]
        assert found.absent is (row is None)
        assert found.index == at.node(model, name), name
        if row is not None:
            assert (same_node(found.value.node), list(map(same_service, found.value.services))) == (row, rows)
        checks = [one for _, one in model.of_node("checks", name)]
        found = health.node(store, name)
        assert (list(map(same_check, found.value)), found.index) == (checks, at.table("checks"))
        found = agent.services(store, name)
        assert list(map(same_service, found.value)) == [one for one in rows if one["agent"]]
        assert found.index == at.node(model, name)
        found = agent.checks(store, name)
        assert list(map(same_check, found.value)) == [one for one in checks if one["agent"]]
        found = coordinates.node(store, name)
        where = [(one["node"], one["segment"], one["vec"], one["height"]) for _, one in model.of_node("coords", name)]
        assert [(one.node, one.segment, one.vec, one.height) for one in found.value] == where
        assert found.index == at.table("coords")
        found = sessions.of_node(store, name)
        held = [key[0] for key, one in sorted(model.sessions.items()) if one["node"].lower() == name]
        assert ([one.session_id for one in found.value], found.index) == (held, at.table("sessions"))


def judge_keys(store: Store, model: NaiveModel, at: Expected) -> None:
    for key in KEYS:
        found: Any = kv.key(store, key)
        row = model.kv.get((key,))
        assert found.absent is (row is None)
        assert found.index == (row["modify"] if row else at.table("kv")), key
        if row:
            one = found.value
            assert (one.value or b"", one.flags, one.session) == (row["value"], row["flags"], row["session"])
            assert (one.lock_index, one.create_index) == (row["locks"], row["create"])
    for prefix in PREFIXES:
        found = kv.entries(store, prefix)
        below = [key[0] for key in sorted(model.kv) if key[0].startswith(prefix)]
        assert [one.key for one in found.value] == below
        assert kv.keys(store, prefix).value == below
        if below and prefix:
            assert found.index == at.table(f"below {prefix}"), prefix
        else:  # a tree's tombstone may have swallowed those below it: then the whole table speaks
            assert found.index in {at.table(f"below {prefix}"), at.table("kv")}, prefix
    assert {key[0] for key, _ in store.rows(Table.LOCK_DELAYS)} == {key[0] for key in model.delays}


def judge_rest(store: Store, model: NaiveModel, at: Expected) -> None:
    found: Any = config.entries(store, "service-defaults")
    assert [(one.name, one.body) for one in found.value] == [
        (key[1], row["body"]) for key, row in sorted(model.config.items())
    ]
    assert found.index == at.table("config")
    for name in NAMES:
        found = gateways.services(store, name)
        served = [(row["service"], row["port"]) for key, row in model.gateways.items() if key[0] == name]
        assert [(one.service, one.port) for one in found.value] == sorted(served)
        assert found.index == at.table("gateways")
        through = sorted(
            {key[0] for key, row in model.gateways.items() if key[1] == name and row["kind"] == "ingress-gateway"}
        )
        rows = [row for one in through for row in model.instances(one) if row["kind"] == "ingress-gateway"]
        found = gateways.ingress(store, name)
        assert shown(found.value) == with_checks(model, rows)
        assert found.index == max([at.table("gateways"), *map(at.instances, through)])
    counts = usage.usage(store).value
    assert (counts.nodes, counts.instances) == (len(model.nodes), len(model.services))
    assert counts.services == len({row["name"].lower() for row in model.services.values()})
    assert counts.of_kind["connect-native"] == sum(1 for row in model.services.values() if row["native"])
    assert counts.of_kind["connect-proxy"] == sum(
        1 for row in model.services.values() if row["kind"] == "connect-proxy"
    )
    assert {row[0] for row in model.virtual} == {stands_for(row) for row in model.services.values()} - {""}
    for name in NODES:
        fired = sorted(model.events.items(), key=lambda one: int(one[1]["create"]))
        mine = [key[0] for key, row in fired if _concerns(model, name, row)]
        found = events.events(store, name)
        assert [one.event_id for one in found.value] == mine
        assert found.index == (events.index_of(mine[-1]) if mine else 1)


def _concerns(model: NaiveModel, name: str, row: Row) -> bool:
    if row["node"] and row["node"] != f"^{name}$":
        return False
    mine = [one["name"] for _, one in model.of_node("services", name) if one["agent"]]
    return not row["service"] or (row["service"] == "^web$" and "web" in mine)


JUDGES: tuple[Callable[[Store, NaiveModel, Expected], None], ...] = (judge_catalog, judge_nodes, judge_keys, judge_rest)
FAMILIES = {
    "catalog": (catalog_commands, catalog_commands, agent_commands),
    "locks": (lock_commands, lock_commands, session_commands, session_commands, kv_commands, agent_commands),
    "newer": (newer_commands, newer_commands, catalog_commands),
    "everything": (kv_commands, session_commands, catalog_commands, agent_commands, mesh_commands, newer_commands),
}
"""What is drawn together: the rules of a family meet often enough only when few others come between."""


def histories(*families: Any, longest: int = 30) -> Any:
    """Long ones mostly: what is wrong shows after something was there, changed and went.

    A command that says two things of one row moves what its first word touched though nothing of that is left.
    """
    drawn = st.lists(st.one_of(*families), min_size=longest // 2, max_size=longest)
    return drawn.map(lambda history: [one for one in history if type(one) in KNOWN and not _says_two_things(one)])


healthy = c.CatalogRegister("n1", "1.1.1.1", "dc1", checks=(c.CheckSpec("serfHealth", "check", "passing"),))


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=50, deadline=None)
@given(st.data())
def test_every_answer_and_its_index_is_that_of_the_naive_model(family: str, data: st.DataObject) -> None:
    history = data.draw(histories(*FAMILIES[family]))
    if family == "locks":
        history = [healthy, c.SessionCreate("s-1", "n1"), *history]
    store, model, at = Store("cluster"), NaiveModel(), Expected()
    apply_noop(store, 1)
    for now, command in enumerate(history, 2):
        done = apply(store, now, decode_envelope(encode_envelope(c.Envelope(0, 0, 0, command))))
        expected = model.do(now, command)
        if expected is RefusedError:
            assert done.result.error, command
            assert done.changes == ()
        else:
            assert (done.result.error, done.result.value) == ("", expected), command
        at.moved(model, now)
        for judge in JUDGES:
            judge(store, model, at)


@settings(max_examples=60, deadline=None)
@given(histories(*FAMILIES["locks"], *FAMILIES["newer"], longest=15))
def test_a_command_that_is_repeated_at_once_is_no_change(history: Any) -> None:
    """What compares with an index, and what says two things of one row, may differ the second time."""
    store = Store("cluster")
    apply_noop(store, 1)
    number = 1
    for command in history:
        first = apply(store, number + 1, c.Envelope(0, 0, 0, command))
        again = apply(store, number + 2, c.Envelope(0, 0, 0, command))
        number += 2
        if getattr(command, "cas", None) is None and not first.result.error and not _says_two_things(command):
            assert again.changes == (), command


def _says_two_things(command: Any) -> bool:
    named = [one.check_id for one in getattr(command, "checks", ())]
    placed = [(one.node.lower(), one.segment) for one in getattr(command, "updates", ())]
    return len(set(named)) < len(named) or len(set(placed)) < len(placed)

"""Which index each read is reported at, what moves it, and who sleeps on: one row for each line of Consul's table.

Every row has a read, what was there before, the writes that must move its index to their own and wake whoever waits,
and those that must do neither. Each write is tried alone. Sequences of them are `test_against_naive_model`'s and
`test_random_histories`'s.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from lictor_state import commands as c
from lictor_state.prepared_query_rows import QueryDefinition, QueryService
from lictor_state.queries import (
    agent,
    ca,
    config,
    coordinates,
    gateways,
    health,
    intentions,
    kv,
    node,
    nodes,
    prepared_query,
    services,
    sessions,
    usage,
)
from lictor_state.rows import CARootRow, ProxyDefinition

Query = Callable[[Any], Any]


def at(name: str, address: str = "1.1.1.1", **more: Any) -> c.Command:
    return c.CatalogRegister(name, address, "dc1", **more)


def instance(name: str, service: str, status: str = "passing", **more: Any) -> c.Command:
    checks = (c.CheckSpec(f"{service}-ok", "ok", status, service_id=service),)
    return at(name, service=c.ServiceSpec(service, service, **more), checks=checks)


def proxy(name: str, destination: str, port: int = 0) -> c.Command:
    return at(name, service=c.ServiceSpec("px", "px", "connect-proxy", port=port, proxy=ProxyDefinition(destination)))


def node_check(name: str, status: str) -> c.Command:
    return at(name, checks=(c.CheckSpec("alive", "alive", status),))


def gone(name: str, **more: str) -> c.Command:
    return c.CatalogDeregister(name, **more)


def coordinate(name: str, first: float) -> c.Command:
    return c.CoordinatesUpdate((c.CoordinateSpec(name, "", (first, *(0.0,) * 7), 1.5, 0.0, 0.0),))


def defaults(name: str, protocol: str = "http") -> c.Command:
    return c.ConfigEntrySet("service-defaults", name, {"Protocol": protocol})


def root(root_id: str, replaces: int = 0) -> c.Command:
    return c.CARootSet(CARootRow(root_id, "n", 1, "k", "d", "a", "b", "P"), "KEY", replaces)


def prepared(query_id: str, service: str = "web") -> c.Command:
    definition = QueryDefinition(query_id + "-name", QueryService(service))
    return c.PreparedQuerySet(query_id, definition, create=service == "web")


class Case(NamedTuple):
    title: str
    query: Query
    before: Sequence[c.Command]
    reported_at: int
    moves: Sequence[c.Command]
    stays: Sequence[c.Command]


KEY, WEB, DB = c.KVSet("other", b"1"), instance("n1", "web"), instance("n2", "db")
META = at("n1", node_meta={"rack": "1"})
TABLE = [
    Case(
        "catalog/nodes: the nodes, and services that come and go",
        nodes.nodes,
        [WEB, node_check("n1", "passing")],
        1,
        [at("n9"), at("n1", "2.2.2.2"), instance("n1", "api"), instance("n1", "web", port=1), gone("n1", service_id="web"), gone("n1")],
        [KEY, at("n1"), WEB, node_check("n1", "critical"), gone("n1", check_id="alive"), gone("none"), instance("n1", "web", "warning")],
    ),
    Case(
        "catalog/services: instances, and node-level checks that go",
        services.services,
        [WEB, node_check("n1", "passing")],
        1,
        [instance("n2", "web"), instance("n1", "web", tags=("t",)), gone("n1", service_id="web"), gone("n1"), gone("n1", check_id="alive")],
        [KEY, WEB, at("n1", "2.2.2.2"), at("n9"), node_check("n1", "critical"), instance("n1", "web", "critical"), gone("n1", check_id="web-ok")],
    ),
    Case(
        "catalog/services with node-meta: the nodes too",
        lambda s: services.services(s, {"rack": "1"}),
        [META, WEB],
        2,
        [at("n1", node_meta={"rack": "2"}), at("n9"), instance("n1", "web", port=1)],
        [KEY, node_check("n1", "critical")],
    ),
    *[
        Case(
            f"{title}: its instances, their checks, node-level checks and the nodes that run it",
            query,
            [WEB, DB],
            1,
            [instance("n1", "web", port=1), instance("n1", "web", "critical"), node_check("n1", "critical"), at("n1", "2.2.2.2"), instance("n2", "web"), gone("n1", check_id="web-ok"), gone("n1", service_id="web"), gone("n1")],
            [KEY, WEB, instance("n2", "db", port=1), instance("n2", "db", "critical"), node_check("n2", "critical"), at("n2", "2.2.2.2"), gone("n2"), instance("n1", "api"), instance("n3", "api")],
        )
        for title, query in (
            ("catalog/service", lambda s: services.service_instances(s, "web")),
            ("health/service", lambda s: health.service(s, "web")),
            ("health/service?passing", lambda s: health.service(s, "WEB", passing=True)),
            ("health/service?node-meta", lambda s: health.service(s, "web", node_meta={"rack": "1"})),
            ("health/checks?node-meta", lambda s: health.checks(s, "web", {"rack": "1"})),
        )
    ],
    Case(
        "a service without instances, once some service was extinct: the last extinction",
        lambda s: health.service(s, "none"),
        [WEB, DB, gone("n2"), KEY],
        3,
        [instance("n2", "none"), gone("n1", service_id="web")],
        [c.KVDelete("other"), instance("n1", "web", port=1), instance("n3", "web"), node_check("n1", "critical"), instance("n3", "new")],
    ),
    *[
        Case(
            f"{title}: the proxies and native instances of the destination",
            query,
            [WEB, proxy("n2", "web")],
            2,
            [proxy("n2", "web", 1), proxy("n3", "web"), instance("n3", "web", native=True), node_check("n2", "critical"), at("n2", "2.2.2.2"), proxy("n2", "db"), gone("n2")],
            [KEY, instance("n1", "web", port=1), instance("n1", "web", "critical"), node_check("n1", "critical"), proxy("n3", "db"), gone("n1")],
        )
        for title, query in (
            ("catalog/connect", lambda s: services.connect_instances(s, "web")),
            ("health/connect", lambda s: health.connect(s, "web")),
        )
    ],
    Case(
        "catalog/node and node-services: the node and its services",
        lambda s: node.node(s, "n1"),
        [WEB, DB],
        1,
        [at("n1", "2.2.2.2"), instance("n1", "web", port=1), instance("n1", "api"), gone("n1", service_id="web")],
        [KEY, WEB, instance("n1", "web", "critical"), node_check("n1", "critical"), instance("n2", "db", port=1), gone("n2")],
    ),
    Case(
        "catalog/node of nobody: 1, or the last node that went",
        lambda s: node.node(s, "none"),
        [WEB, DB, gone("n2"), KEY],
        3,
        [gone("n1")],
        [c.KVDelete("other"), instance("n1", "web", port=1), at("n4")],
    ),
    *[
        Case(
            f"{title}: any check anywhere",
            query,
            [WEB, DB],
            2,
            [instance("n1", "web", "critical"), instance("n2", "db", "critical"), node_check("n3", "passing"), gone("n2", check_id="db-ok"), gone("n1")],
            [KEY, WEB, at("n1", "2.2.2.2"), at("n9"), instance("n1", "web", port=1)],
        )
        for title, query in (
            ("health/node", lambda s: health.node(s, "n1")),
            ("health/state", lambda s: health.state(s, "critical")),
            ("health/checks", lambda s: health.checks(s, "web")),
        )
    ],
    Case(
        "kv, one key: its own",
        lambda s: kv.key(s, "a"),
        [c.KVSet("a", b"1"), KEY],
        1,
        [c.KVSet("a", b"2"), c.KVSet("a", b"1", 7), c.KVDelete("a"), c.KVDeleteTree(""), c.Txn((c.TxnKV("set", "a", b"2"),))],
        [c.KVSet("a", b"1"), c.KVSet("a/b", b"1"), c.KVDelete("a", 9), c.KVSet("a", b"2", cas=9), c.KVDelete("other"), WEB],
    ),
    *[
        Case(
            f"kv?{title}: what is below the prefix, and what was",
            query,
            [c.KVSet("p/a", b"1"), c.KVSet("p/b", b"1"), c.KVDelete("p/b"), KEY],
            3,
            [c.KVSet("p/a", b"2"), c.KVSet("p/c", b"1"), c.KVDelete("p/a"), c.KVDeleteTree("p/"), c.KVDeleteTree("")],
            [c.KVSet("p/a", b"1"), c.KVSet("q/a", b"1"), c.KVSet("p", b"1"), c.KVDelete("other"), c.KVDeleteTree("q"), WEB, c.TombstonesReap(3)],
        )
        for title, query in (
            ("recurse", lambda s: kv.entries(s, "p/")),
            ("keys", lambda s: kv.keys(s, "p/")),
        )
    ],
    Case(
        "kv?recurse of everything: the table",
        lambda s: kv.entries(s, ""),
        [c.KVSet("a", b"1"), c.KVSet("b", b"1"), c.KVDelete("b")],
        3,
        [c.KVSet("c", b"1"), c.KVDelete("a"), c.KVDeleteTree("")],
        [c.KVSet("a", b"1"), c.KVDelete("b"), WEB],
    ),
    *[
        Case(
            f"{title}: the table of sessions",
            query,
            [at("n1"), at("n2"), c.SessionCreate("s", "n1"), KEY],
            3,
            [c.SessionCreate("t", "n2"), c.SessionDestroy("s"), gone("n1")],
            [c.KVSet("other", b"2"), c.SessionDestroy("none"), c.KVSet("lock", b"1", acquire="s"), gone("n2")],
        )
        for title, query in (("session/list", sessions.sessions), ("session/node", lambda s: sessions.of_node(s, "n1")))
    ],
    Case(
        "session/info: the table of sessions, woken by its own",
        lambda s: sessions.info(s, "s"),
        [at("n1"), c.SessionCreate("s", "n1"), KEY],
        2,
        [c.SessionDestroy("s"), gone("n1")],
        [c.KVSet("other", b"2"), c.SessionDestroy("none")],
    ),
    *[
        Case(
            f"{title}: the table of prepared queries",
            query,
            [prepared("q"), KEY],
            1,
            [prepared("q", "db"), c.PreparedQueryDelete("q")],
            [c.KVSet("other", b"2"), WEB, c.PreparedQueryDelete("none")],
        )
        for title, query in (
            ("query", prepared_query.prepared_queries),
            ("query/:id", lambda s: prepared_query.prepared_query(s, "q")),
        )
    ],
    *[
        Case(
            f"{title}: the table of coordinates",
            query,
            [at("n1"), at("n2"), coordinate("n1", 1.0)],
            3,
            [coordinate("n1", 2.0), coordinate("n2", 1.0), gone("n1")],
            [KEY, coordinate("n1", 1.0), coordinate("none", 1.0), gone("n2"), at("n1", "2.2.2.2")],
        )
        for title, query in (
            ("coordinate/nodes", coordinates.nodes),
            ("coordinate/node", lambda s: coordinates.node(s, "n1")),
        )
    ],
    Case(
        "config/:kind: the table of config entries",
        lambda s: config.entries(s, "service-defaults"),
        [defaults("web"), KEY],
        1,
        [defaults("web", "tcp"), defaults("db"), c.ConfigEntryDelete("service-defaults", "web"), c.IntentionUpsert("web", "db", "deny")],
        [c.KVSet("other", b"2"), defaults("web"), c.ConfigEntryDelete("service-defaults", "none"), WEB],
    ),
    Case(
        "config/:kind/:name: the same table, woken by its own",
        lambda s: config.entry(s, "service-defaults", "web"),
        [defaults("web"), KEY],
        1,
        [defaults("web", "tcp"), c.ConfigEntryDelete("service-defaults", "web")],
        [c.KVSet("other", b"2"), defaults("web"), WEB],
    ),
    *[
        Case(
            f"connect/intentions{title}: the table of config entries",
            query,
            [c.IntentionUpsert("web", "db", "deny"), KEY],
            1,
            [c.IntentionUpsert("web", "db", "allow"), c.IntentionUpsert("api", "db", "deny"), c.IntentionDelete("web", "db")],
            [c.KVSet("other", b"2"), c.IntentionUpsert("web", "db", "deny"), WEB],
        )
        for title, query in (
            ("", intentions.intentions),
            ("/exact", lambda s: intentions.exact(s, "web", "db")),
            ("/match by destination", lambda s: intentions.match(s, ["db"])),
            ("/match by source", lambda s: intentions.match(s, ["web"], "source")),
        )
    ],
    Case("connect/ca/roots: the roots", ca.roots, [root("r1"), KEY], 1, [root("r2", 1)], [c.KVSet("other", b"2"), WEB, root("r2")]),
    Case(
        "catalog/gateway-services: what gateways serve",
        lambda s: gateways.services(s, "gw"),
        [c.GatewayServicesSet("gw", "ingress-gateway", (c.GatewayServiceSpec("web"),)), KEY],
        1,
        [c.GatewayServicesSet("gw", "ingress-gateway", ()), c.GatewayServicesSet("gx", "ingress-gateway", (c.GatewayServiceSpec("db"),))],
        [c.KVSet("other", b"2"), WEB, c.GatewayServicesSet("gw", "ingress-gateway", (c.GatewayServiceSpec("web"),))],
    ),
    Case(
        "health/ingress: what gateways serve, and the gateways that serve it",
        lambda s: gateways.ingress(s, "web"),
        [instance("n1", "gw", kind="ingress-gateway"), c.GatewayServicesSet("gw", "ingress-gateway", (c.GatewayServiceSpec("web"),))],
        2,
        [instance("n1", "gw", kind="ingress-gateway", port=1), node_check("n1", "critical"), c.GatewayServicesSet("gw", "ingress-gateway", ())],
        [KEY, WEB, DB],
    ),
    Case(
        "operator/usage: nodes and services",
        usage.usage,
        [WEB],
        1,
        [at("n9"), instance("n2", "web"), gone("n1", service_id="web")],
        [KEY, node_check("n1", "critical"), instance("n1", "web", "critical")],
    ),
    Case(
        "agent/services: the node and its services",
        lambda s: agent.services(s, "n1"),
        [WEB, DB],
        1,
        [instance("n1", "web", port=1), c.AgentServiceRegister("n1", "1.1.1.1", "dc1", c.ServiceSpec("w", "w"))],
        [KEY, instance("n2", "db", port=1), node_check("n1", "critical")],
    ),
]  # fmt: skip
ABSENT = [
    ("kv", lambda s: kv.key(s, "a"), [c.KVSet("b", b"1"), c.KVDelete("other"), WEB], c.KVSet("a", b"1")),
    ("session/info", lambda s: sessions.info(s, "s"), [c.SessionCreate("t", "n0"), c.SessionDestroy("t")], c.SessionCreate("s", "n0")),
    ("config/:kind/:name", lambda s: config.entry(s, "service-defaults", "web"), [defaults("db"), c.ConfigEntryDelete("service-defaults", "db")], defaults("web")),
    ("connect/intentions/exact", lambda s: intentions.exact(s, "web", "db"), [c.IntentionUpsert("web", "api", "deny"), defaults("db")], c.IntentionUpsert("web", "db", "deny")),
    ("query/:id", lambda s: prepared_query.prepared_query(s, "q"), [prepared("p"), c.PreparedQueryDelete("p")], prepared("q")),
]  # fmt: skip
"""Reads of one object that is not there, what happens beside it, and its coming."""


def carried_out(state: Any, command: c.Command) -> bool:
    """Do it; whether it was allowed."""
    return not state.do(command).error


def told(case: Case, command: c.Command, new_history: Any) -> tuple[int, int, bool]:
    """The index before and after a write, and whether a waiter was woken."""
    state = new_history()
    for one in case.before:
        assert carried_out(state, one), one
    first, woken = case.query(state.store), []
    state.store.watches.add(first.tokens, lambda: woken.append(1))
    carried_out(state, command)
    return first.index, case.query(state.store).index, bool(woken)


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.title)
def test_an_index_moves_with_what_it_speaks_for_and_wakes_who_waits(case: Case, new_history: Any) -> None:
    now = len(case.before) + 1
    for command in case.moves:
        assert told(case, command, new_history) == (case.reported_at, now, True), command


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.title)
def test_whatever_else_happens_moves_no_index_and_wakes_nobody(case: Case, new_history: Any) -> None:
    for command in case.stays:
        assert told(case, command, new_history) == (case.reported_at, case.reported_at, False), command


@pytest.mark.parametrize(("title", "query", "beside", "comes"), ABSENT, ids=[one[0] for one in ABSENT])
def test_who_waits_for_one_missing_object_sleeps_until_it_comes(
    title: str, query: Query, beside: Sequence[c.Command], comes: c.Command, new_history: Any
) -> None:
    state, woken = new_history(), []
    state.do(at("n0"))
    first = query(state.store)
    assert first.absent
    state.store.watches.add(first.tokens, lambda: woken.append(1))
    for command in beside:
        assert carried_out(state, command), command
    assert not woken, title
    assert query(state.store).absent
    state.do(comes)
    assert woken
    found = query(state.store)
    assert (found.absent, found.index) == (False, len(beside) + 2)

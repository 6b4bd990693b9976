"""Random command sequences: against a naive model, against views, against a second run, and against the rules of
blocking queries seen from outside.
"""

import inspect
import sys
from functools import partial
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_state import STREAMS, Store, Table, apply, apply_noop, dump, dump_stream, queries, restore
from lictor_state import commands as c
from lictor_state.codec import GroupEncoder, decode_envelope, decode_group, encode_envelope
from lictor_state.late_sorted import LateSorted
from lictor_state.prepared_query_rows import QueryDefinition, QueryService, QueryTemplate
from lictor_state.queries import (
    agent,
    ca,
    central_config,
    config,
    coordinates,
    dns_explain,
    events,
    gateways,
    health,
    intentions,
    kv,
    members,
    node,
    nodes,
    prepared_query,
    services,
    sessions,
    usage,
)
from lictor_state.queries.answer import Answer, Instance
from lictor_state.queries.dns_verdicts import DnsRules, Explanation
from lictor_state.rows import CARootRow, CheckDefinition, ProxyDefinition, ServiceCheck
from lictor_state.secondary_indexes import ChecksOfService
from lictor_state.staging import RestoreDigest

NODES = st.sampled_from(["n1", "N1", "n2"])
IDS = st.sampled_from(["", "id-1", "id-2"])
NAMES = ("web", "db")
KEYS = st.sampled_from(["a", "a/b", "a/b/c", "a/b/d", "a/x", "b"])
PREFIXES = ("", "a", "a/", "a/b/", "b", "zz")
STATUSES = st.sampled_from(["passing", "warning", "critical"])
CHECK_IDS = st.sampled_from(["c1", "c2", "serfHealth"])
SESSION_IDS = st.sampled_from(["s-1", "s-2"])
ANSWER = "lictor_state.queries.answer.Answer["
RACK = {"rack": "1"}
LEGACY_ID = "00000000-0000-4000-8000-00000000abcd"
CAS = st.one_of(st.none(), st.integers(0, 12))

specs = st.builds(
    c.ServiceSpec,
    service_id=st.sampled_from(["s1", "s2"]),
    name=st.sampled_from(NAMES),
    tags=st.sampled_from([(), ("v1",), ("v1", "V2")]),
    port=st.sampled_from([0, 21000]),
    kind=st.sampled_from(["", "", "", "ingress-gateway"]),
    native=st.booleans(),
)
proxies = st.builds(
    c.ServiceSpec,
    service_id=st.sampled_from(["s1", "s3"]),
    name=st.sampled_from(["proxy", "web"]),
    kind=st.just("connect-proxy"),
    proxy=st.builds(ProxyDefinition, destination_service_name=st.sampled_from(NAMES)),
)
sidecars = st.builds(
    c.ServiceSpec,
    service_id=st.sampled_from(["s1-sidecar-proxy", "s2-sidecar-proxy"]),
    name=st.just("sidecar"),
    kind=st.just("connect-proxy"),
    proxy=st.just(ProxyDefinition("web")),
    sidecar_of=st.sampled_from(["s1", "s2"]),
)
checks = st.builds(
    c.CheckSpec,
    check_id=CHECK_IDS,
    name=st.just("check"),
    status=STATUSES,
    output=st.sampled_from(["", "out"]),
    service_id=st.sampled_from(["", "s1", "s2"]),
    definition=st.sampled_from(
        [
            CheckDefinition(),
            CheckDefinition(tcp="h:{sidecar_port}"),
            CheckDefinition(deregister_critical_service_after_ns=1),
        ]
    ),
)
some_checks = st.lists(checks, max_size=2).map(tuple)
names = st.sampled_from([*NAMES, "*"])

kv_commands = st.one_of(
    st.builds(c.KVSet, KEYS, st.sampled_from([None, b"", b"1", b"2"]), st.sampled_from([0, 7]), CAS),
    st.builds(c.KVDelete, KEYS, CAS),
    st.builds(c.KVDeleteTree, st.sampled_from(PREFIXES)),
    st.builds(c.TombstonesReap, st.integers(0, 25)),
)
lock_commands = st.one_of(
    st.builds(c.KVSet, KEYS, st.sampled_from([None, b"1", b"2"]), acquire=SESSION_IDS),
    st.builds(c.KVSet, KEYS, st.sampled_from([None, b"1", b"2"]), release=SESSION_IDS),
    st.builds(c.LockDelayEnd, KEYS, st.integers(1, 12)),
)
session_commands = st.one_of(
    st.builds(
        c.SessionCreate,
        SESSION_IDS,
        NODES,
        node_checks=st.sampled_from([None, (), ("serfHealth",), ("c1", "c2")]),
        service_checks=st.sampled_from([None, (ServiceCheck("c1"),)]),
        behavior=st.sampled_from(["release", "delete"]),
        lock_delay_ns=st.sampled_from([0, 15_000_000_000]),
    ),
    st.builds(c.SessionDestroy, SESSION_IDS),
)
catalog_commands = st.one_of(
    st.builds(
        c.CatalogRegister,
        node=NODES,
        address=st.sampled_from(["1.1.1.1", "2.2.2.2"]),
        datacenter=st.just("dc1"),
        node_id=IDS,
        node_meta=st.sampled_from([{}, {}, RACK]),
        service=st.one_of(st.none(), specs, proxies),
        checks=some_checks,
        skip_node_update=st.booleans(),
    ),
    st.builds(
        c.CatalogDeregister,
        node=NODES,
        service_id=st.sampled_from(["", "s1", "s2", "s3"]),
        check_id=st.sampled_from(["", "c1", "c2"]),
    ),
)
agent_commands = st.one_of(
    st.builds(
        c.AgentServiceRegister,
        node=NODES,
        address=st.just("1.1.1.1"),
        datacenter=st.just("dc1"),
        service=specs,
        checks=some_checks,
        sidecar=st.one_of(st.none(), sidecars),
        replace_existing_checks=st.booleans(),
        sidecar_port_max=st.just(21001),
    ),
    st.builds(c.AgentServiceDeregister, NODES, st.sampled_from(["s1", "s2"])),
    st.builds(c.AgentCheckRegister, NODES, st.just("1.1.1.1"), st.just("dc1"), checks, keep=st.booleans()),
    st.builds(c.AgentCheckDeregister, NODES, CHECK_IDS),
    st.builds(c.CheckTransition, NODES, CHECK_IDS, st.integers(1, 8), STATUSES, st.sampled_from(["", "out"])),
    st.builds(
        c.AgentJoin,
        NODES,
        st.sampled_from(["id-1", "id-2"]),
        st.just("r"),
        st.just("1.1.1.1"),
        st.just(8301),
        st.just("dc1"),
        role=st.sampled_from(["node", "consul"]),
    ),
    st.builds(c.CriticalServiceDeregister, NODES, CHECK_IDS, st.integers(1, 12)),
    st.builds(
        c.AgentDecision, NODES, st.just("r"), st.integers(1, 8), st.sampled_from(["failed", "alive", "left", "reap"])
    ),
)
mesh_commands = st.one_of(
    st.builds(c.IntentionUpsert, names, names, st.sampled_from(["allow", "deny", ""])),
    st.builds(c.IntentionDelete, names, names),
    st.builds(
        c.IntentionUpsert,
        st.just("api"),
        st.just("old"),
        st.sampled_from(["allow", "deny"]),
        legacy_id=st.just(LEGACY_ID),
        legacy_create=st.booleans(),
        now=st.just("2027-01-15T08:00:00Z"),
    ),
    st.builds(c.IntentionDelete, legacy_id=st.just(LEGACY_ID)),
    st.builds(c.ConfigEntrySet, st.just("service-defaults"), names, st.sampled_from([{}, {"Protocol": "http"}]), CAS),
    st.builds(c.ConfigEntryDelete, st.just("service-defaults"), names, CAS),
    st.builds(
        c.DefinitionFilesMark,
        NODES,
        st.just("/d"),
        st.lists(st.sampled_from(["s1", "s2"]), max_size=2).map(tuple),
        st.lists(CHECK_IDS, max_size=2).map(tuple),
        gone=st.booleans(),
    ),
    st.builds(c.AutopilotSet, st.booleans(), min_quorum=st.integers(-1, 3), cas=CAS),
    st.builds(
        c.CARootSet,
        st.builds(CARootRow, st.sampled_from(["r1", "r2"]), *[st.just(x) for x in ("n", 1, "k", "d", "a", "b", "P")]),
        st.just("KEY"),
        st.integers(0, 6),
    ),
)
COORDS = [(0.0,) * 8, (1.5, *(0.0,) * 7), (0.0,) * 7]
newer_commands = st.one_of(
    st.builds(
        c.CoordinatesUpdate,
        st.lists(
            st.builds(
                c.CoordinateSpec,
                NODES,
                st.sampled_from(["", "s"]),
                st.sampled_from(COORDS),
                st.just(1.5),
                st.just(0.0),
                st.sampled_from([0.0, 0.5]),
            ),
            max_size=2,
        ).map(tuple),
    ),
    st.builds(
        c.EventFire,
        st.sampled_from([f"00000000-0000-4000-8000-00000000000{number}" for number in range(4)]),
        st.sampled_from(["deploy", "e"]),
        st.sampled_from([None, b"x"]),
        node_filter=st.sampled_from(["", "^n1$"]),
        service_filter=st.sampled_from(["", "^web$", "("]),
        ltime=st.sampled_from([0, 7]),
    ),
    st.builds(
        c.GatewayServicesSet,
        st.sampled_from(["web", "Web", "db"]),
        st.sampled_from(["ingress-gateway", "terminating-gateway"]),
        st.lists(
            st.builds(c.GatewayServiceSpec, st.sampled_from(["web", "db"]), st.sampled_from([0, 80])), max_size=2
        ).map(tuple),
    ),
)
TXN_VERBS = st.sampled_from(["set", "set", "cas", "delete", "delete-cas", "get"])
KV_VERBS = st.sampled_from(["set", "cas", "lock", "unlock", "get-or-empty", "get-tree", "check-index", "delete-tree"])
txn_operations = st.one_of(
    st.builds(c.TxnKV, KV_VERBS, KEYS, st.sampled_from([None, b"1"]), index=st.integers(0, 12), session=SESSION_IDS),
    st.builds(
        c.TxnNode,
        TXN_VERBS,
        st.builds(c.CatalogRegister, NODES, st.just("1.1.1.1"), st.just("dc1"), IDS),
        st.integers(0, 12),
    ),
    st.builds(c.TxnService, TXN_VERBS, NODES, st.one_of(specs, proxies), st.integers(0, 12)),
    st.builds(
        c.TxnCheck,
        TXN_VERBS,
        st.builds(
            c.CheckSpec, CHECK_IDS, st.just("check"), STATUSES, service_id=st.sampled_from(["", "s1"]), node=NODES
        ),
        st.integers(0, 12),
    ),
)
query_commands = st.one_of(
    st.builds(
        c.PreparedQuerySet,
        st.sampled_from(["q-1", "q-2", "q-3"]),
        st.builds(
            QueryDefinition,
            st.sampled_from(["", "geo-", "Geo-", "web", "q-1"]),
            st.builds(
                QueryService, st.sampled_from([*NAMES, "${name.suffix}"]), tags=st.sampled_from([None, ("!v1",)])
            ),
            session=st.sampled_from(["", "", "s-1", "s-2"]),
            template=st.sampled_from([QueryTemplate(), QueryTemplate("name_prefix_match")]),
        ),
        st.booleans(),
    ),
    st.builds(c.PreparedQueryDelete, st.sampled_from(["q-1", "q-2", "q-3"])),
)
txn_commands = st.lists(txn_operations, min_size=1, max_size=4).map(lambda ops: c.Txn(tuple(ops)))
histories = st.lists(
    st.one_of(
        kv_commands,
        lock_commands,
        session_commands,
        catalog_commands,
        agent_commands,
        agent_commands,
        mesh_commands,
        newer_commands,
        txn_commands,
        query_commands,
    ),
    min_size=1,
    max_size=25,
)
healthy_node = c.CatalogRegister("n1", "1.1.1.1", "dc1", checks=(c.CheckSpec("serfHealth", "check", "passing"),))
lock_histories = st.lists(
    st.one_of(
        kv_commands, lock_commands, lock_commands, session_commands, catalog_commands, agent_commands, txn_commands
    ),
    min_size=1,
    max_size=30,
).map(lambda history: [healthy_node, c.SessionCreate("s-1", "n1"), *history])
SETTINGS = settings(max_examples=60, deadline=None)


def _queries() -> Any:
    for name in (*NAMES, "proxy", "sidecar", "consul"):
        yield f"service_instances {name}", "dm", lambda s, n=name: services.service_instances(s, n)
        yield f"health.service {name}", "dm", lambda s, n=name: health.service(s, n)
        yield f"health.connect {name}", "dm", lambda s, n=name: health.connect(s, n)
        yield f"health.checks {name}", "dm", lambda s, n=name: health.checks(s, n)
    for name in ("n1", "n2", "n3"):
        yield f"node {name}", "dm", lambda s, n=name: node.node(s, n)
        yield f"health.node {name}", "dm", lambda s, n=name: health.node(s, n)
        yield f"agent.services {name}", "dm", lambda s, n=name: agent.services(s, n)
        yield f"agent.checks {name}", "dm", lambda s, n=name: agent.checks(s, n)
        yield f"agent.service {name}", "dm", lambda s, n=name: agent.service(s, n, "s1")
    yield "connect_instances web", "dm", lambda s: services.connect_instances(s, "web")
    yield "nodes", "dm", nodes.nodes
    yield "nodes of rack 1", "dm", lambda s: nodes.nodes(s, RACK)
    yield "datacenters", "dm", nodes.datacenters
    yield "services", "dm", services.services
    yield "services of rack 1", "dm", lambda s: services.services(s, RACK)
    yield "services at 1.1.1.1", "dm", lambda s: services.services(s, None, lambda one: one.node.address == "1.1.1.1")
    yield "checks of web in rack 1", "dm", lambda s: health.checks(s, "web", RACK)
    yield "state", "dm", lambda s: health.state(s, "critical")
    yield "state of rack 1", "dm", lambda s: health.state(s, "any", RACK)
    yield "members", "d", members.members
    for key in ("a", "a/b", "b", "zz"):
        yield f"kv {key}", "", lambda s, k=key: kv.key(s, k)
    for prefix in PREFIXES:
        yield f"kv list {prefix}", "", lambda s, p=prefix: kv.entries(s, p)
        yield f"kv keys {prefix}", "", lambda s, p=prefix: kv.keys(s, p, "/")
    for name in ("s-1", "s-2"):
        yield f"session {name}", "", lambda s, n=name: sessions.info(s, n)
    yield "sessions of n1", "", lambda s: sessions.of_node(s, "N1")
    yield "sessions", "", sessions.sessions
    yield "queries", "d", prepared_query.prepared_queries
    for name in ("q-1", "q-2"):
        yield f"query {name}", "d", lambda s, n=name: prepared_query.prepared_query(s, n)
    yield "intentions", "m", intentions.intentions
    yield "match", "m", lambda s: intentions.match(s, ["web", "db"])
    yield "match by source", "m", lambda s: intentions.match(s, ["web"], "source")
    yield "intention by id", "m", lambda s: intentions.by_id(s, LEGACY_ID)
    yield "exact", "m", lambda s: intentions.exact(s, "web", "db")
    yield "config", "m", lambda s: config.entry(s, "service-defaults", "web")
    yield "configs", "m", lambda s: config.entries(s, "service-defaults")
    yield "roots", "m", ca.roots
    yield "active key", "", ca.active_key
    yield "coordinates", "d", coordinates.nodes
    yield "coordinates of n1", "d", lambda s: coordinates.node(s, "N1")
    yield "usage", "dm", usage.usage
    for name in ("web", "db"):
        yield f"gateway {name}", "m", lambda s, n=name: gateways.services(s, n)
        yield f"ingress {name}", "m", lambda s, n=name: gateways.ingress(s, n)
    yield "merged proxies", "m", lambda s: _merged(s, "proxy")
    yield "merged sidecars", "m", lambda s: _merged(s, "sidecar")
    for name, qtype in (("web.service", "A"), ("n1.node", "TXT"), ("db.connect", "SRV"), ("web.ingress", "A")):
        yield f"explain {name}", "d", lambda s, n=name, t=qtype: _explained(s, n, t)
    yield "explain a query", "d", lambda s: _explained(s, "geo-web.query", "SRV")
    yield "explain an address", "d", lambda s: _explained(s, "web.virtual", "A")
    for name in ("n1", "n2"):
        yield f"events of {name}", "", lambda s, n=name: events.events(s, n)


def _merged(store: Store, name: str) -> Answer[list[Instance]]:
    return central_config.merged(
        store,
        health.service(store, name),
        lambda one: one.service,
        lambda one, service: msgspec.structs.replace(one, service=service),
    )


def _explained(store: Store, name: str, qtype: str) -> Answer[Explanation]:
    labels = (*name.encode().split(b"."), b"consul")
    return dns_explain.explain(store, labels, qtype, DnsRules())


QUERIES = list(_queries())


def test_every_query_of_the_state_is_among_them() -> None:
    ran = set()
    previous = sys.getprofile()
    sys.setprofile(lambda frame, _event, _argument: ran.add(frame.f_code))
    try:
        for _, _, query in QUERIES:
            query(Store("cluster"))
    finally:
        sys.setprofile(previous)
    modules = (getattr(queries, name) for name in queries.__all__)
    answering = {
        function.__code__: function.__qualname__
        for module in modules
        if inspect.ismodule(module)
        for function in vars(module).values()
        if inspect.isfunction(function) and str(function.__annotations__.get("return", "")).startswith(ANSWER)
    }
    assert len(answering) > 30
    assert not {name for code, name in answering.items() if code not in ran}


def _has_its_own_index(name: str) -> bool:
    """What is reported at something else than the index at which it changed."""
    return name == "members" or name.startswith("events")


def _apply(store: Any, number: Any, command: Any) -> Any:
    return apply(store, number, decode_envelope(encode_envelope(c.Envelope(0, 0, 0, command))))


def _tables(store: Any) -> Any:
    return {table: dict(store.rows(table)) for table in Table if table is not Table.META}


@SETTINGS
@given(histories)
def test_blocking_queries_miss_nothing_and_wake_for_nothing_else(history: Any) -> None:
    store = Store("cluster")
    apply_noop(store, 1)  # as in every Raft log; a command at index 1 would hide behind the least index, which is 1
    for number, command in enumerate(history, 2):
        before = [query(store) for _, _, query in QUERIES]
        woken: set[int] = set()
        watches = [store.watches.add(answer.tokens, partial(woken.add, at)) for at, answer in enumerate(before)]
        _apply(store, number, command)
        for at, (name, _, query) in enumerate(QUERIES):
            old, new = before[at], query(store)
            if new.value != old.value:
                assert at in woken, f"{name} slept through {command}"
                if not _has_its_own_index(name):
                    assert new.index == number > old.index, f"{name} hides {command}"
            if at in woken and not name.startswith("events"):  # those are judged again, and sleep on if they can
                assert new.value != old.value or new.index != old.index, f"{name} woke for {command}"
            if not _has_its_own_index(name):
                assert new.index >= old.index, f"{name} went back after {command}"
            store.watches.remove(watches[at])


@SETTINGS
@given(histories)
def test_views_follow_the_store_on_every_stream(history: Any) -> None:
    store, encoder = Store("cluster"), GroupEncoder()
    views = {stream: Store("cluster") for stream in STREAMS}
    for number, command in enumerate(history, 1):
        before = dict(store.meta.stream_last)
        applied = _apply(store, number, command)
        groups = encoder.encode(applied.index, applied.changes)
        changed = {stream for stream, last in store.meta.stream_last.items() if last != before.get(stream, 0)}
        assert set(groups) == changed
        for stream, encoded in groups.items():
            index, changes = decode_group(encoded)
            assert before.get(stream, 0) <= views[stream].index < index
            views[stream].load(index, changes)
        for view in views.values():
            view.advance(number)
    whole = views["all"]
    assert whole.digest() == store.digest()
    for stream, view in views.items():
        projected = restore(dump_stream(store, stream))
        assert _tables(view) == _tables(projected)
        for name, letters, query in QUERIES:
            if stream == "all" or stream[0] in letters:
                mine, theirs = query(view), query(store)
                assert (mine.index, mine.value, mine.absent) == (theirs.index, theirs.value, theirs.absent), name


@SETTINGS
@given(histories, st.integers(0, 25))
def test_a_second_run_and_a_restored_one_end_in_the_same_bytes(history: Any, middle: Any) -> None:
    first, second = Store("cluster"), Store("cluster")
    restored = None
    for number, command in enumerate(history, 1):
        results = [_apply(store, number, command) for store in (first, second)]
        assert results[0] == results[1]
        if restored is not None:
            assert _apply(restored, number, command) == results[0]
        if number == middle:
            restored = restore(dump(first))
    assert first.digest() == second.digest()
    assert list(dump(first)) == list(dump(second))
    if restored is not None:
        assert restored.digest() == first.digest()
        assert _tables(restored) == _tables(first)


@SETTINGS
@given(histories)
def test_secondary_indexes_and_the_digest_are_those_of_a_store_built_anew(history: Any) -> None:
    store = Store("cluster")
    for number, command in enumerate(history, 1):
        _apply(store, number, command)
    anew = restore(dump(store))
    for name in vars(store.by):
        mine, theirs = getattr(store.by, name), getattr(anew.by, name)
        if isinstance(mine, dict | ChecksOfService | LateSorted):
            assert mine == theirs, name
        else:
            assert list(mine) == list(theirs), name
    assert store.digest() == anew.digest()


@SETTINGS
@given(st.lists(kv_commands, max_size=40))
def test_the_key_value_store_against_a_dict(history: Any) -> None:
    store = Store("cluster")
    model: dict[str, tuple[bytes, int]] = {}
    indexes: dict[str, int] = {}
    for number, command in enumerate(history, 1):
        result = _apply(store, number, command).result.value
        now = indexes.get(command.key, 0) if isinstance(command, c.KVSet | c.KVDelete) else 0
        match command:
            case c.KVSet():
                assert result is (command.cas is None or command.cas == now)
                value = (command.value or b"", command.flags)
                if result and model.get(command.key) != value:
                    model[command.key], indexes[command.key] = value, number
            case c.KVDelete():
                assert result is (not now or command.cas is None or command.cas == now)
                if result:
                    model.pop(command.key, None)
                    indexes.pop(command.key, None)
            case c.KVDeleteTree():
                for key in [key for key in model if key.startswith(command.prefix)]:
                    del model[key], indexes[key]
    rows = kv.entries(store, "").value
    assert {row.key: (row.value or b"", row.flags) for row in rows} == model
    assert {row.key: row.modify_index for row in rows} == indexes
    assert [row.key for row in rows] == sorted(model)


@SETTINGS
@given(st.lists(st.one_of(catalog_commands, agent_commands, txn_commands), max_size=25))
def test_the_catalog_never_has_orphans(history: Any) -> None:
    store = Store("cluster")
    for number, command in enumerate(history, 1):
        _apply(store, number, command)
        tables: Any = _tables(store)
        for name, service_id in tables[Table.SERVICES]:
            assert (name,) in tables[Table.NODES], f"{service_id} without its node after {command}"
        for (name, check_id), row in tables[Table.CHECKS].items():
            assert (name,) in tables[Table.NODES], f"{check_id} without its node after {command}"
            if row.service_id:
                service = tables[Table.SERVICES][(name, row.service_id)]
                assert (row.service_name, row.service_tags) == (service.name, service.tags)
        for rows in tables.values():
            for row in rows.values():
                assert getattr(row, "modify_index", number) <= number
                assert getattr(row, "create_index", 0) <= getattr(row, "modify_index", 0)
        ids = [row.node_id for row in tables[Table.NODES].values() if row.node_id]
        assert len(ids) == len(set(ids)), f"two nodes have one id after {command}"
        names = {row.name.lower() for row in tables[Table.SERVICES].values()}
        indexed = {name for (name,) in tables[Table.INDEXES] if name.startswith("service.")}
        assert indexed == {f"service.{name}" for name in names}


@SETTINGS
@given(lock_histories)
def test_locks_are_held_by_sessions_that_live_and_sessions_by_checks_that_are_well(history: Any) -> None:
    store = Store("cluster")
    for number, command in enumerate(history, 1):
        before: Any = _tables(store)
        result = _apply(store, number, command).result
        tables: Any = _tables(store)
        held: dict[str, list[str]] = {}
        for (key,), row in sorted(tables[Table.KV].items()):
            old = before[Table.KV].get((key,))
            taken = row.session and (old is None or old.session != row.session)
            if not isinstance(command, c.Txn):  # which may take and give back a lock in one index
                assert row.lock_index == (old.lock_index if old is not None else 0) + bool(taken)
            if row.session:
                assert (row.session,) in tables[Table.SESSIONS], f"{key} is held by nobody after {command}"
                assert (key,) not in tables[Table.LOCK_DELAYS], f"{key} is held while its delay runs after {command}"
                held.setdefault(row.session, []).append(key)
        assert store.by.keys_of_session == held
        for (session_id,), row in tables[Table.SESSIONS].items():
            assert (row.node.lower(),) in tables[Table.NODES], f"{session_id} without its node after {command}"
            for check_id in {*(row.node_checks or ()), *(one.check_id for one in row.service_checks or ())}:
                check = tables[Table.CHECKS][(row.node.lower(), check_id)]
                assert check.status != "critical", f"{session_id} hangs on {check_id} after {command}"
        for session_id, row in before[Table.SESSIONS].items():
            if session_id in tables[Table.SESSIONS] and tables[Table.SESSIONS][session_id] == row:
                continue
            for (key,), old in before[Table.KV].items():
                if old.session == row.session_id:
                    assert ((key,) in tables[Table.LOCK_DELAYS]) is (row.lock_delay_ns > 0)
                    assert ((key,) in tables[Table.KV]) is (row.behavior == "release")
        if isinstance(command, c.KVSet) and command.acquire and result.value is True:
            assert store.kv(command.key).session == command.acquire  # type: ignore[union-attr]  # it was just written


@SETTINGS
@given(histories, histories, histories, st.integers(30, 400))
def test_a_restored_store_goes_on_as_the_saved_one_and_its_twin_would(
    saved: Any, ours: Any, after: Any, size: Any
) -> None:
    source, store = Store("theirs"), Store("cluster")
    for number, command in enumerate(saved, 1):
        _apply(source, number, command)
    header, *parts = dump_stream(source, "all")
    data, total = b"".join(parts), RestoreDigest(header)
    total.add(data)
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    sent = [
        c.RestoreBegin("r", header),
        *[c.RestoreChunk("r", number, chunk) for number, chunk in enumerate(chunks)],
        c.RestoreCommit("r", total.hex()),
    ]
    for number, command in enumerate([*ours, *sent], 1):
        done = _apply(store, number, command)
    assert done.restored
    twin = restore(dump(store))
    assert twin.digest() == store.digest()
    for table in Table:
        if table is not Table.META:
            assert list(store.rows(table)) == list(source.rows(table))
    for number, command in enumerate(after, len(ours) + len(sent) + 1):
        seen = [query(store) for _, _, query in QUERIES]
        done = _apply(store, number, command)
        assert _apply(twin, number, command) == done
        for (name, _, query), old in zip(QUERIES, seen, strict=True):
            new = query(store)
            if not name.startswith("events"):
                assert new.index >= old.index, name
            assert new.value == old.value or _has_its_own_index(name) or new.index == done.index, name
    assert twin.digest() == store.digest()
    for name in vars(twin.by):
        mine, theirs = getattr(store.by, name), getattr(twin.by, name)
        assert (mine == theirs) if isinstance(mine, dict | ChecksOfService) else (list(mine) == list(theirs)), name

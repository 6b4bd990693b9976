"""Which query a GET asks for: path and parameters to a `Plan` (catalog, health, kv, intentions, CA, agent).

A plan's key holds everything that its answer depends on besides the state; the answer is the matching query of
`lictor_state`, encoded. What Consul refuses about a path or a parameter is refused here.
"""

import hashlib
from collections.abc import Callable, Hashable, Sequence

import msgspec

from lictor_catalog import consul_json, intention_request, kv_request, mesh_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.errors import ApiError
from lictor_catalog.page import Page, json_page, missing_page, text_page
from lictor_catalog.request import Params, boolean, node_meta
from lictor_mesh.identity import trust_domain
from lictor_state import Store, queries
from lictor_state.queries import Answer, Instance
from lictor_state.rows import CheckRow, SessionRow

RAW_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox"))
PEM_CHAIN = b"application/pem-certificate-chain"


class Identity(msgspec.Struct, frozen=True):
    """For whom this process speaks."""

    node: str
    datacenter: str
    version: str
    allow_by_default: bool = True


PlanOf = Callable[[str, Params, Identity], Plan]
"""Takes what follows the route in the path, the parameters, and for whom we speak."""


def _needed(rest: str, what: str) -> str:
    if not rest:
        raise ApiError(400, f"Missing {what}")
    return rest


def _meta_key(params: Params) -> tuple[tuple[str, str], ...]:
    if params.has("merge-central-config"):
        raise ApiError(400, "merge-central-config is not supported by this version")
    return tuple(sorted(node_meta(params)))


def catalog_nodes(_rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/nodes`."""
    meta = _meta_key(params)

    def run(store: Store) -> Outcome:
        answer = queries.nodes.nodes(store, dict(meta))
        return Outcome(json_page([consul_json.node(row) for row in answer.value], index=answer.index), answer.tokens)

    return Plan(("catalog/nodes", meta), run)


def catalog_services(_rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/services`."""
    meta = _meta_key(params)

    def run(store: Store) -> Outcome:
        answer = queries.services.services(store, dict(meta))
        return Outcome(json_page(answer.value, index=answer.index), answer.tokens)

    return Plan(("catalog/services", meta), run)


def _instance_list(route: str, name: str, params: Params, query: Callable[..., Answer[list[Instance]]]) -> Plan:
    name = _needed(name, "service name")
    tags, meta = params.all("tag"), _meta_key(params)

    def run(store: Store) -> Outcome:
        answer = query(store, name, tags, dict(meta))
        shown = [consul_json.service_node(one.node, one.service) for one in answer.value]
        return Outcome(json_page(shown, index=answer.index), answer.tokens, floating=not answer.value)

    return Plan((route, name, tags, meta), run)


def catalog_service(rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/service/:service`."""
    return _instance_list("catalog/service", rest, params, queries.services.service_instances)


def catalog_connect(rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/connect/:service`."""
    return _instance_list("catalog/connect", rest, params, queries.services.connect_instances)


def catalog_node(rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/node/:node`: services by id, or `null`."""
    name = _needed(rest, "node name")
    _meta_key(params)

    def run(store: Store) -> Outcome:
        answer = queries.node.node(store, name)
        found = answer.value
        shown = found and {
            "Node": consul_json.node(found.node),
            "Services": {row.service_id: consul_json.node_service(row) for row in found.services},
        }
        return Outcome(json_page(shown, index=answer.index, absent=found is None), answer.tokens, found is None)

    return Plan(("catalog/node", name), run)


def catalog_node_services(rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/node-services/:node`: services as a list."""
    name = _needed(rest, "node name")
    _meta_key(params)

    def run(store: Store) -> Outcome:
        answer = queries.node.node(store, name)
        found = answer.value
        shown = {
            "Node": found and consul_json.node(found.node),
            "Services": found and [consul_json.node_service(row) for row in found.services],
        }
        return Outcome(json_page(shown, index=answer.index, absent=found is None), answer.tokens, found is None)

    return Plan(("catalog/node-services", name), run)


def _health_list(route: str, name: str, params: Params, query: Callable[..., Answer[list[Instance]]]) -> Plan:
    name = _needed(name, "service name")
    tags, meta = params.all("tag"), _meta_key(params)
    passing = False
    if params.has("passing"):
        asked = params.first("passing")
        judged = boolean(asked) if asked else True
        if judged is None:
            raise ApiError(400, "Invalid value for ?passing")
        passing = judged

    def run(store: Store) -> Outcome:
        answer = query(store, name, tags, passing=passing, node_meta=dict(meta))
        shown = [consul_json.service_health(one.node, one.service, one.checks) for one in answer.value]
        return Outcome(json_page(shown, index=answer.index), answer.tokens, floating=not answer.value)

    return Plan((route, name, tags, meta, passing), run)


def health_service(rest: str, params: Params, _who: Identity) -> Plan:
    """`health/service/:service`."""
    return _health_list("health/service", rest, params, queries.health.service)


def health_connect(rest: str, params: Params, _who: Identity) -> Plan:
    """`health/connect/:service`."""
    return _health_list("health/connect", rest, params, queries.health.connect)


def _check_list(key: Hashable, query: Callable[[Store], Answer[list[CheckRow]]]) -> Plan:
    def run(store: Store) -> Outcome:
        answer = query(store)
        shown = [consul_json.health_check(row) for row in answer.value]
        return Outcome(json_page(shown, index=answer.index), answer.tokens, floating=not answer.value)

    return Plan(key, run)


def health_checks(rest: str, params: Params, _who: Identity) -> Plan:
    """`health/checks/:service`."""
    name, meta = _needed(rest, "service name"), _meta_key(params)
    return _check_list(("health/checks", name, meta), lambda store: queries.health.checks(store, name, dict(meta)))


def health_node(rest: str, _params: Params, _who: Identity) -> Plan:
    """`health/node/:node`."""
    name = _needed(rest, "node name")
    return _check_list(("health/node", name), lambda store: queries.health.node(store, name))


def health_state(rest: str, params: Params, _who: Identity) -> Plan:
    """`health/state/:state`."""
    status, meta = _needed(rest, "check state"), _meta_key(params)
    return _check_list(("health/state", status, meta), lambda store: queries.health.state(store, status, dict(meta)))


def kv(rest: str, params: Params, _who: Identity) -> Plan:
    """`kv/:key`: one entry, a tree, or names."""
    read = kv_request.read(rest, params)

    def run(store: Store) -> Outcome:
        if read.keys:
            names = queries.kv.keys(store, read.key, read.separator)
            found = bool(names.value) or not read.key
            page = json_page(names.value, index=names.index) if found else missing_page(names.index, absent=False)
            return Outcome(page, names.tokens, floating=not names.value)
        if read.recurse:
            tree = queries.kv.entries(store, read.key)
            shown = [consul_json.kv_entry(row) for row in tree.value]
            page = json_page(shown, index=tree.index) if shown else missing_page(tree.index, absent=False)
            return Outcome(page, tree.tokens, floating=not shown)
        one = queries.kv.key(store, read.key)
        if one.value is None:
            return Outcome(missing_page(one.index, absent=True), one.tokens, floating=True)
        if read.raw:
            value = one.value.value or b""
            raw = Page(value, index=one.index, content_type=b"text/plain", headers=RAW_HEADERS)
            return Outcome(raw, one.tokens)
        return Outcome(json_page([consul_json.kv_entry(one.value)], index=one.index), one.tokens)

    return Plan(("kv", read), run)


def session_info(rest: str, _params: Params, _who: Identity) -> Plan:
    """`session/info/:id`: a list of one, or an empty one."""
    name = _needed(rest, "session")

    def run(store: Store) -> Outcome:
        answer = queries.sessions.info(store, name)
        shown = [] if answer.value is None else [consul_json.session(answer.value)]
        return Outcome(json_page(shown, index=answer.index, absent=not shown), answer.tokens, floating=True)

    return Plan(("session/info", name), run)


def session_node(rest: str, _params: Params, _who: Identity) -> Plan:
    """`session/node/:node`."""
    name = _needed(rest, "node name")
    return _session_list(("session/node", name), lambda store: queries.sessions.of_node(store, name))


def session_list(_rest: str, _params: Params, _who: Identity) -> Plan:
    """`session/list`."""
    return _session_list(("session/list",), queries.sessions.sessions)


def _session_list(key: Hashable, query: Callable[[Store], Answer[list[SessionRow]]]) -> Plan:
    def run(store: Store) -> Outcome:
        answer = query(store)
        shown = [consul_json.session(row) for row in answer.value]
        return Outcome(json_page(shown, index=answer.index), answer.tokens)

    return Plan(key, run)


def intentions(_rest: str, _params: Params, _who: Identity) -> Plan:
    """`connect/intentions`."""

    def run(store: Store) -> Outcome:
        answer = queries.intentions.intentions(store)
        shown = [mesh_json.intention(one) for one in answer.value]
        return Outcome(json_page(shown, index=answer.index), answer.tokens)

    return Plan(("connect/intentions",), run)


def intention_exact(_rest: str, params: Params, _who: Identity) -> Plan:
    """`connect/intentions/exact`."""
    source, destination = intention_request.exact_names(params)
    key = ("connect/intentions/exact", source, destination)
    return _one_intention(key, lambda store: queries.intentions.exact(store, source, destination))


def intention_by_id(rest: str, _params: Params, _who: Identity) -> Plan:
    """`connect/intentions/:uuid` (legacy)."""
    given = intention_request.legacy_id(rest)
    return _one_intention(("connect/intentions", given), lambda store: queries.intentions.by_id(store, given))


def _one_intention(key: Hashable, query: Callable[[Store], Answer[queries.Intention | None]]) -> Plan:
    def run(store: Store) -> Outcome:
        answer = query(store)
        if answer.value is None:
            page = text_page("Intention not found", 404, index=answer.index, absent=True)
        else:
            page = json_page(mesh_json.intention(answer.value), index=answer.index)
        return Outcome(page, answer.tokens, floating=True)

    return Plan(key, run, sleeps_while_same=True)


def intention_match(_rest: str, params: Params, _who: Identity) -> Plan:
    """`connect/intentions/match`; a name without any has `null`."""
    by, names = intention_request.match_names(params)
    plain = {name: intention_request.service_name(name) for name in names}

    def run(store: Store) -> Outcome:
        answer = queries.intentions.match(store, tuple(plain.values()), by)
        shown = {
            name: [mesh_json.intention(one) for one in answer.value[service]] or None for name, service in plain.items()
        }
        return Outcome(json_page(shown, index=answer.index), answer.tokens, floating=True)

    return Plan(("connect/intentions/match", by, names), run, sleeps_while_same=True)


def intention_check(_rest: str, params: Params, who: Identity) -> Plan:
    """`connect/intentions/check`: the first that applies decides; without one the default policy does."""
    source, destination = intention_request.exact_names(params)

    def run(store: Store) -> Outcome:
        answer = queries.intentions.match(store, (destination,))
        applies = (one for one in answer.value[destination] if one.source in {source, "*"} and not one.source_peer)
        decisive = next(applies, None)
        allowed = who.allow_by_default
        if decisive is not None:
            allowed = decisive.action == "allow" and not decisive.permissions
        return Outcome(json_page({"Allowed": allowed}), answer.tokens)

    return Plan(("connect/intentions/check", source, destination), run)


def ca_roots(_rest: str, params: Params, _who: Identity) -> Plan:
    """`connect/ca/roots` and `agent/connect/ca/roots`."""
    pem = False
    if params.first("pem"):
        judged = boolean(params.first("pem"))
        if judged is None:
            raise ApiError(400, "The 'pem' query parameter must be a boolean value")
        pem = judged

    def run(store: Store) -> Outcome:
        answer = queries.ca.roots(store)
        if pem:
            body = "".join(row.root_cert for row in answer.value).encode()
            return Outcome(Page(body, index=answer.index, content_type=PEM_CHAIN), answer.tokens)
        domain = trust_domain(store.meta.cluster_id)
        return Outcome(json_page(mesh_json.roots(answer.value, domain), index=answer.index), answer.tokens)

    return Plan(("connect/ca/roots", pem), run)


def agent_services(_rest: str, _params: Params, who: Identity) -> Plan:
    """`agent/services`."""

    def run(store: Store) -> Outcome:
        answer = queries.agent.services(store, who.node)
        shown = {row.service_id: consul_json.agent_service(row, who.datacenter) for row in answer.value}
        return Outcome(json_page(shown), answer.tokens)

    return Plan(("agent/services",), run)


def agent_service(rest: str, _params: Params, who: Identity) -> Plan:
    """`agent/service/:id`, with the hash that a client blocks on."""

    def run(store: Store) -> Outcome:
        answer = queries.agent.service(store, who.node, rest)
        if answer.value is None:
            return Outcome(text_page(f"unknown service ID: {rest}", 404), answer.tokens)
        plain = consul_json.encode(consul_json.agent_service(answer.value, who.datacenter))
        content_hash = f"{int.from_bytes(hashlib.blake2b(plain, digest_size=8).digest(), 'big'):x}"
        shown = consul_json.agent_service(answer.value, who.datacenter, content_hash)
        headers = ((b"x-consul-contenthash", content_hash.encode()),)
        page = Page(consul_json.encode(shown), headers=headers, content_hash=content_hash)
        return Outcome(page, answer.tokens)

    return Plan(("agent/service", rest), run)


def agent_checks(_rest: str, _params: Params, who: Identity) -> Plan:
    """`agent/checks`; indexes are the catalog's and shown as 0."""

    def run(store: Store) -> Outcome:
        answer = queries.agent.checks(store, who.node)
        shown = {
            row.check_id: msgspec.structs.replace(consul_json.health_check(row), create_index=0, modify_index=0)
            for row in answer.value
        }
        return Outcome(json_page(shown), answer.tokens)

    return Plan(("agent/checks",), run)


def agent_members(_rest: str, params: Params, who: Identity) -> Plan:
    """`agent/members`; with `wan` the servers alone, by their names across datacenters."""
    wan = bool(params.first("wan"))
    if params.first("segment") not in {"", "_all"}:
        raise ApiError(400, "Network segments are a Consul Enterprise feature")

    def run(store: Store) -> Outcome:
        answer = queries.members.members(store)
        rows = [row for row in answer.value if not wan or row.role == "consul"]
        shown: Sequence[mesh_json.Member] = [
            mesh_json.member(row, who.datacenter, who.version, wan=wan) for row in rows
        ]
        return Outcome(json_page(shown), answer.tokens)

    return Plan(("agent/members", wan), run)

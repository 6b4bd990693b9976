"""Reads of `/v1/catalog`: nodes, services and their instances (Consul's HTTP API, catalog)."""

from collections.abc import Callable
from typing import Any

from lictor_catalog import consul_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.consul_shapes import NodeOfList, NodeOfMap
from lictor_catalog.filtering import filter_of
from lictor_catalog.page import json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.plans.parameters import meta_key, needed
from lictor_catalog.plans.selection import selection_of
from lictor_catalog.request import Params
from lictor_state import Store, queries
from lictor_state.filter import kinds
from lictor_state.queries import Answer, Instance
from lictor_state.rows import NodeRow, ServiceRow

_NO_NODE = NodeOfList(node=None, services=None)


def nodes(_rest: str, params: Params, who: Identity) -> Plan:
    """`catalog/nodes`."""
    select = selection_of(params, kinds.NODE, who)

    def run(store: Store) -> Outcome:
        answer = queries.nodes.nodes(store, dict(select.meta))
        rows = select.chosen(store, answer.value, lambda row: row.node)
        page = json_page([consul_json.node(row) for row in rows], index=answer.index)
        return Outcome(page, answer.tokens + select.tokens)

    return Plan(("catalog/nodes", *select.key), run)


def services(_rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/services`; a filter judges instances, and names and tags are those of the ones that are kept."""
    meta, keep = meta_key(params), filter_of(params, kinds.SERVICE_NODE)

    def run(store: Store) -> Outcome:
        answer = queries.services.services(store, dict(meta), keep if keep.text else None)
        return Outcome(json_page(answer.value, index=answer.index), answer.tokens)

    return Plan(("catalog/services", meta, keep.text), run)


def _instance_list(
    route: str, name: str, params: Params, who: Identity, query: Callable[..., Answer[list[Instance]]]
) -> Plan:
    name = needed(name, "service name")
    tags, select = params.all("tag"), selection_of(params, kinds.SERVICE_NODE, who)

    def run(store: Store) -> Outcome:
        answer = select.instances(store, query(store, name, tags, dict(select.meta)))
        chosen = select.chosen(store, answer.value, lambda one: one.node.node)
        shown = [consul_json.service_node(one.node, one.service) for one in chosen]
        page = json_page(shown, index=answer.index)
        return Outcome(page, answer.tokens + select.tokens, floating=select.merged or not answer.value)

    return Plan((route, name, tags, *select.key), run, sleeps_while_same=select.merged)


def service(rest: str, params: Params, who: Identity) -> Plan:
    """`catalog/service/:service`."""
    return _instance_list("catalog/service", rest, params, who, queries.services.service_instances)


def connect(rest: str, params: Params, who: Identity) -> Plan:
    """`catalog/connect/:service`."""
    return _instance_list("catalog/connect", rest, params, who, queries.services.connect_instances)


def node(rest: str, params: Params, who: Identity) -> Plan:
    """`catalog/node/:node`: services by id, or `null`."""

    def shown(found: NodeRow | None, rows: list[ServiceRow]) -> Any:
        services = {row.service_id: consul_json.node_service(row) for row in rows}
        return found and NodeOfMap(node=consul_json.node(found), services=services)

    return _of_node("catalog/node", rest, params, who, shown)


def node_services(rest: str, params: Params, who: Identity) -> Plan:
    """`catalog/node-services/:node`: services as a list; `null` where there are none and nothing has filtered them."""

    def shown(found: NodeRow | None, rows: list[ServiceRow]) -> Any:
        if found is None:
            return _NO_NODE
        services = [consul_json.node_service(row) for row in rows]
        return NodeOfList(node=consul_json.node(found), services=services if services or filtered else None)

    filtered = bool(params.first("filter"))
    return _of_node("catalog/node-services", rest, params, who, shown)


def _of_node(
    route: str, name: str, params: Params, who: Identity, shown: Callable[[NodeRow | None, list[ServiceRow]], Any]
) -> Plan:
    name = needed(name, "node name")
    select = selection_of(params, kinds.SERVICE, who)

    def run(store: Store) -> Outcome:
        node = queries.node.node(store, name)
        found = node.value
        answer = select.services(
            store, Answer(node.index, list(found.services) if found else [], node.tokens, node.absent)
        )
        rows = select.chosen(store, answer.value, lambda row: row.node)
        page = json_page(shown(found.node if found else None, rows), index=answer.index, absent=answer.absent)
        return Outcome(page, answer.tokens + select.tokens, floating=select.merged or found is None)

    return Plan((route, name, *select.key), run, sleeps_while_same=select.merged)

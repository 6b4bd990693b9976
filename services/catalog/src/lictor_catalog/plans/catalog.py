"""Reads of `/v1/catalog`: nodes, services and their instances (Consul's HTTP API, catalog)."""

from collections.abc import Callable

from lictor_catalog import consul_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.page import json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.plans.parameters import meta_key, needed
from lictor_catalog.request import Params
from lictor_state import Store, queries
from lictor_state.queries import Answer, Instance


def nodes(_rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/nodes`."""
    meta = meta_key(params)

    def run(store: Store) -> Outcome:
        answer = queries.nodes.nodes(store, dict(meta))
        return Outcome(json_page([consul_json.node(row) for row in answer.value], index=answer.index), answer.tokens)

    return Plan(("catalog/nodes", meta), run)


def services(_rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/services`."""
    meta = meta_key(params)

    def run(store: Store) -> Outcome:
        answer = queries.services.services(store, dict(meta))
        return Outcome(json_page(answer.value, index=answer.index), answer.tokens)

    return Plan(("catalog/services", meta), run)


def _instance_list(route: str, name: str, params: Params, query: Callable[..., Answer[list[Instance]]]) -> Plan:
    name = needed(name, "service name")
    tags, meta = params.all("tag"), meta_key(params)

    def run(store: Store) -> Outcome:
        answer = query(store, name, tags, dict(meta))
        shown = [consul_json.service_node(one.node, one.service) for one in answer.value]
        return Outcome(json_page(shown, index=answer.index), answer.tokens, floating=not answer.value)

    return Plan((route, name, tags, meta), run)


def service(rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/service/:service`."""
    return _instance_list("catalog/service", rest, params, queries.services.service_instances)


def connect(rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/connect/:service`."""
    return _instance_list("catalog/connect", rest, params, queries.services.connect_instances)


def node(rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/node/:node`: services by id, or `null`."""
    name = needed(rest, "node name")
    meta_key(params)

    def run(store: Store) -> Outcome:
        answer = queries.node.node(store, name)
        found = answer.value
        shown = found and {
            "Node": consul_json.node(found.node),
            "Services": {row.service_id: consul_json.node_service(row) for row in found.services},
        }
        return Outcome(json_page(shown, index=answer.index, absent=found is None), answer.tokens, found is None)

    return Plan(("catalog/node", name), run)


def node_services(rest: str, params: Params, _who: Identity) -> Plan:
    """`catalog/node-services/:node`: services as a list."""
    name = needed(rest, "node name")
    meta_key(params)

    def run(store: Store) -> Outcome:
        answer = queries.node.node(store, name)
        found = answer.value
        shown = {
            "Node": found and consul_json.node(found.node),
            "Services": found and [consul_json.node_service(row) for row in found.services],
        }
        return Outcome(json_page(shown, index=answer.index, absent=found is None), answer.tokens, found is None)

    return Plan(("catalog/node-services", name), run)

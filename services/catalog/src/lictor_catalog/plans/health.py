"""Reads of `/v1/health`: instances with their checks, and checks alone (Consul's HTTP API, health)."""

from collections.abc import Callable, Hashable

from lictor_catalog import consul_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.errors import ApiError
from lictor_catalog.page import json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.plans.parameters import meta_key, needed
from lictor_catalog.request import Params, boolean
from lictor_state import Store, queries
from lictor_state.queries import Answer, Instance
from lictor_state.rows import CheckRow


def _health_list(route: str, name: str, params: Params, query: Callable[..., Answer[list[Instance]]]) -> Plan:
    name = needed(name, "service name")
    tags, meta = params.all("tag"), meta_key(params)
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


def service(rest: str, params: Params, _who: Identity) -> Plan:
    """`health/service/:service`."""
    return _health_list("health/service", rest, params, queries.health.service)


def connect(rest: str, params: Params, _who: Identity) -> Plan:
    """`health/connect/:service`."""
    return _health_list("health/connect", rest, params, queries.health.connect)


def _check_list(key: Hashable, query: Callable[[Store], Answer[list[CheckRow]]]) -> Plan:
    def run(store: Store) -> Outcome:
        answer = query(store)
        shown = [consul_json.health_check(row) for row in answer.value]
        return Outcome(json_page(shown, index=answer.index), answer.tokens, floating=not answer.value)

    return Plan(key, run)


def checks(rest: str, params: Params, _who: Identity) -> Plan:
    """`health/checks/:service`."""
    name, meta = needed(rest, "service name"), meta_key(params)
    return _check_list(("health/checks", name, meta), lambda store: queries.health.checks(store, name, dict(meta)))


def node(rest: str, _params: Params, _who: Identity) -> Plan:
    """`health/node/:node`."""
    name = needed(rest, "node name")
    return _check_list(("health/node", name), lambda store: queries.health.node(store, name))


def state(rest: str, params: Params, _who: Identity) -> Plan:
    """`health/state/:state`."""
    status, meta = needed(rest, "check state"), meta_key(params)
    return _check_list(("health/state", status, meta), lambda store: queries.health.state(store, status, dict(meta)))

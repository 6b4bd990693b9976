"""Reads of `/v1/health`: instances with their checks, and checks alone (Consul's HTTP API, health)."""

from collections.abc import Callable, Hashable

from lictor_catalog import consul_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.errors import ApiError
from lictor_catalog.filtering import filter_of
from lictor_catalog.page import json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.plans.parameters import needed
from lictor_catalog.plans.selection import Selection, selection_of
from lictor_catalog.request import Params, boolean
from lictor_state import Store, queries
from lictor_state.filter import kinds
from lictor_state.queries import Answer, Instance
from lictor_state.rows import CheckRow


def _health_list(
    route: str, name: str, params: Params, who: Identity, query: Callable[..., Answer[list[Instance]]]
) -> Plan:
    name = needed(name, "service name")
    tags, select = params.all("tag"), selection_of(params, kinds.HEALTH, who)
    passing = False
    if params.has("passing"):
        asked = params.first("passing")
        judged = boolean(asked) if asked else True
        if judged is None:
            raise ApiError(400, "Invalid value for ?passing")
        passing = judged

    def run(store: Store) -> Outcome:
        found = query(store, name, tags, passing=passing, node_meta=dict(select.meta))
        answer = select.instances(store, found)
        chosen = select.chosen(store, answer.value, lambda one: one.node.node)
        shown = [consul_json.service_health(one.node, one.service, one.checks) for one in chosen]
        page = json_page(shown, index=answer.index)
        return Outcome(page, answer.tokens + select.tokens, floating=select.merged or not answer.value)

    return Plan((route, name, tags, passing, *select.key), run, sleeps_while_same=select.merged)


def service(rest: str, params: Params, who: Identity) -> Plan:
    """`health/service/:service`."""
    return _health_list("health/service", rest, params, who, queries.health.service)


def connect(rest: str, params: Params, who: Identity) -> Plan:
    """`health/connect/:service`."""
    return _health_list("health/connect", rest, params, who, queries.health.connect)


def _check_list(key: Hashable, select: Selection, query: Callable[[Store], Answer[list[CheckRow]]]) -> Plan:
    def run(store: Store) -> Outcome:
        answer = query(store)
        chosen = select.chosen(store, answer.value, lambda row: row.node)
        page = json_page([consul_json.health_check(row) for row in chosen], index=answer.index)
        return Outcome(page, answer.tokens + select.tokens, floating=not answer.value)

    return Plan((key, *select.key), run)


def checks(rest: str, params: Params, who: Identity) -> Plan:
    """`health/checks/:service`."""
    name, select = needed(rest, "service name"), selection_of(params, kinds.CHECK, who)
    return _check_list(
        ("health/checks", name), select, lambda store: queries.health.checks(store, name, dict(select.meta))
    )


def node(rest: str, params: Params, _who: Identity) -> Plan:
    """`health/node/:node`; one node has no order by distance."""
    name = needed(rest, "node name")
    select = Selection((), filter_of(params, kinds.CHECK), "")
    return _check_list(("health/node", name), select, lambda store: queries.health.node(store, name))


def state(rest: str, params: Params, who: Identity) -> Plan:
    """`health/state/:state`."""
    status, select = needed(rest, "check state"), selection_of(params, kinds.CHECK, who)
    return _check_list(
        ("health/state", status), select, lambda store: queries.health.state(store, status, dict(select.meta))
    )

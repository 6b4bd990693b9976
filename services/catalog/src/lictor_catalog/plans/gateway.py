"""Reads of what gateways serve (Consul's HTTP API, catalog and health)."""

from lictor_catalog import consul_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.errors import ApiError
from lictor_catalog.gateway_json import gateway_service
from lictor_catalog.page import json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.plans.parameters import needed
from lictor_catalog.plans.selection import selection_of
from lictor_catalog.request import Params, boolean
from lictor_state import Store, queries
from lictor_state.filter import kinds


def services(rest: str, _params: Params, _who: Identity) -> Plan:
    """`catalog/gateway-services/:gateway`; `null` for a gateway that serves nothing."""
    name = needed(rest, "gateway name")

    def run(store: Store) -> Outcome:
        answer = queries.gateways.services(store, name)
        shown = [gateway_service(row) for row in answer.value] or None
        return Outcome(json_page(shown, index=answer.index), answer.tokens)

    return Plan(("catalog/gateway-services", name), run)


def ingress(rest: str, params: Params, who: Identity) -> Plan:
    """`health/ingress/:service`."""
    name, passing = needed(rest, "service name"), _passing_only(params)
    select = selection_of(params, kinds.HEALTH, who)

    def run(store: Store) -> Outcome:
        answer = select.instances(store, queries.gateways.ingress(store, name, dict(select.meta)))
        chosen = select.chosen(store, answer.value, lambda one: one.node.node)
        shown = [
            consul_json.service_health(one.node, one.service, one.checks)
            for one in chosen
            if not passing or all(check.status == "passing" for check in one.checks)
        ]
        return Outcome(json_page(shown, index=answer.index), answer.tokens + select.tokens, floating=True)

    return Plan(("health/ingress", name, passing, *select.key), run, sleeps_while_same=select.merged)


def _passing_only(params: Params) -> bool:
    asked = params.first("passing")
    judged = boolean(asked) if asked else params.has("passing")
    if judged is None:
        raise ApiError(400, "Invalid value for ?passing")
    return judged

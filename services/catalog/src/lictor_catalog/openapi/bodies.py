"""What each endpoint's body and answer are made of: the decoder of the one, the struct or type of the other.

An endpoint is named by its key. A body without a decoder here is bytes; an answer without a type is one that no struct
makes, and is described as it was recorded. A tuple of decoders is one of them.
"""

from functools import cache
from typing import Any

from lictor_catalog import catalog_registration, connect_authorize, coordinate_updates, intention_request
from lictor_catalog.agent_health import AgentHealth
from lictor_catalog.body_decoding import ListOf
from lictor_catalog.check_definition import AGENT_CHECK, CATALOG_CHECK, SERVICE_CHECK
from lictor_catalog.config_entries.kinds import every_kind
from lictor_catalog.consul_shapes import (
    AgentService,
    HealthCheck,
    KVEntry,
    NodeOfList,
    NodeOfMap,
    ServiceHealth,
    ServiceNode,
    ShownNode,
    ShownSession,
)
from lictor_catalog.coordinate_json import ShownCoordinate
from lictor_catalog.event_request import ShownEvent
from lictor_catalog.gateway_json import ShownGatewayService
from lictor_catalog.http import agent, agent_pool, autopilot, txn
from lictor_catalog.mesh_json import Member, ShownIntention, ShownLeaf, ShownRoots
from lictor_catalog.openapi.described import FAMILIES, answer_of
from lictor_catalog.openapi.endpoint import JSON
from lictor_catalog.openapi.schemas import Schema, Schemas, as_recorded
from lictor_catalog.proxy_definition import PROXY
from lictor_catalog.query_json import ShownExecuted, ShownExplained, ShownQuery
from lictor_catalog.query_request import QUERY
from lictor_catalog.service_definition import AGENT_SERVICE, CATALOG_SERVICE
from lictor_catalog.session_request import SESSION
from lictor_catalog.txn_request import OPERATION
from lictor_state.apply_config import KINDS

ENTRY = "ConfigEntry"
_ENTRIES = {f"{ENTRY}-{kind}": fields for kind, fields in every_kind().items() if kind in KINDS}
NAMED: dict[str, object] = {
    "AgentServiceRegistration": AGENT_SERVICE,
    "AgentServiceCheck": SERVICE_CHECK,
    "AgentCheckRegistration": AGENT_CHECK,
    "CatalogRegistration": catalog_registration.REGISTER,
    "CatalogDeregistration": catalog_registration.DEREGISTER,
    "CatalogCheck": CATALOG_CHECK,
    "CatalogService": CATALOG_SERVICE,
    "ProxyDefinition": PROXY,
    "SessionRequest": SESSION,
    "TransactionOperation": OPERATION,
    "QueryDefinition": QUERY,
    "CoordinateUpdate": coordinate_updates.UPDATE,
    "IntentionRequest": intention_request.BODY,
    "AutopilotSettings": autopilot.SETTINGS,
    ENTRY: tuple(_ENTRIES.values()),
    **_ENTRIES,
}
"""The decoders that are components, with their names."""

TAKES: dict[str, object] = {
    "PUT /v1/agent/service/register": AGENT_SERVICE,
    "PUT /v1/agent/check/register": AGENT_CHECK,
    "PUT /v1/agent/check/update/{id}": agent.UPDATE,
    "POST /v1/agent/connect/authorize": connect_authorize.AUTHORIZE,
    "PUT /v1/catalog/register": catalog_registration.REGISTER,
    "PUT /v1/catalog/deregister": catalog_registration.DEREGISTER,
    "PUT /v1/session/create": SESSION,
    "PUT /v1/txn": ListOf(OPERATION),
    "POST /v1/query": QUERY,
    "PUT /v1/query/{id}": QUERY,
    "PUT /v1/coordinate/update": coordinate_updates.UPDATE,
    "PUT /v1/connect/intentions/exact": intention_request.BODY,
    "POST /v1/connect/intentions": intention_request.BODY,
    "PUT /v1/connect/intentions/{id}": intention_request.BODY,
    "PUT /v1/config": NAMED[ENTRY],
    "PUT /v1/operator/autopilot/configuration": autopilot.SETTINGS,
    "POST /v1/operator/keyring": agent_pool.KEY,
    "PUT /v1/operator/keyring": agent_pool.KEY,
    "DELETE /v1/operator/keyring": agent_pool.KEY,
}
"""Bodies by endpoint."""

GIVES: dict[str, Any] = {
    "GET /v1/agent/services": dict[str, AgentService],
    "GET /v1/agent/service/{id}": AgentService,
    "GET /v1/agent/checks": dict[str, HealthCheck],
    "GET /v1/agent/health/service/id/{id}": AgentHealth,
    "GET /v1/agent/health/service/name/{name}": list[AgentHealth],
    "GET /v1/agent/members": list[Member],
    "GET /v1/agent/connect/ca/roots": ShownRoots,
    "GET /v1/agent/connect/ca/leaf/{service}": ShownLeaf,
    "GET /v1/catalog/datacenters": list[str],
    "GET /v1/catalog/nodes": list[ShownNode],
    "GET /v1/catalog/services": dict[str, list[str]],
    "GET /v1/catalog/service/{name}": list[ServiceNode],
    "GET /v1/catalog/connect/{name}": list[ServiceNode],
    "GET /v1/catalog/node/{node}": NodeOfMap | None,
    "GET /v1/catalog/node-services/{node}": NodeOfList,
    "GET /v1/catalog/gateway-services/{gateway}": list[ShownGatewayService] | None,
    "GET /v1/health/service/{service}": list[ServiceHealth],
    "GET /v1/health/connect/{service}": list[ServiceHealth],
    "GET /v1/health/ingress/{service}": list[ServiceHealth],
    "GET /v1/health/checks/{service}": list[HealthCheck],
    "GET /v1/health/node/{node}": list[HealthCheck],
    "GET /v1/health/state/{state}": list[HealthCheck],
    "GET /v1/kv/{key}": list[KVEntry],
    "GET /v1/session/info/{id}": list[ShownSession],
    "GET /v1/session/node/{node}": list[ShownSession],
    "GET /v1/session/list": list[ShownSession],
    "PUT /v1/session/renew/{id}": list[ShownSession],
    "PUT /v1/txn": txn.ShownTxn,
    "PUT /v1/event/fire/{name}": ShownEvent,
    "GET /v1/event/list": list[ShownEvent],
    "GET /v1/query": list[ShownQuery],
    "GET /v1/query/{id}": list[ShownQuery],
    "GET /v1/query/{id}/execute": ShownExecuted,
    "GET /v1/query/{id}/explain": ShownExplained,
    "GET /v1/coordinate/nodes": list[ShownCoordinate],
    "GET /v1/coordinate/node/{node}": list[ShownCoordinate],
    "GET /v1/connect/ca/roots": ShownRoots,
    "GET /v1/connect/intentions": list[ShownIntention],
    "GET /v1/connect/intentions/{id}": ShownIntention,
    "GET /v1/connect/intentions/exact": ShownIntention,
    "GET /v1/connect/intentions/match": dict[str, list[ShownIntention]],
}
"""Types of answers by endpoint."""

_ENTRY_ANSWERS = {
    "GET /v1/config/{kind}/{name}": NAMED[ENTRY],
    "GET /v1/config/{kind}": ListOf(NAMED[ENTRY]),  # type: ignore[arg-type]  # described, never called
}


class Described:
    """The schemas of every endpoint, and the components that they refer to."""

    def __init__(self) -> None:
        schemas = Schemas(NAMED)
        self.bodies: dict[str, Schema] = {key: schemas.of_body(decoder) for key, decoder in TAKES.items()}
        self.answers: dict[str, Schema] = {key: schemas.of_body(decoder) for key, decoder in _ENTRY_ANSWERS.items()}
        self.answers |= {key: schemas.of_answer(made_of) for key, made_of in GIVES.items()}
        for family in FAMILIES:
            for endpoint in family.endpoints:
                answer = answer_of(family.name, endpoint)
                if answer.media == JSON and endpoint.key not in self.answers:
                    self.answers[endpoint.key] = as_recorded(answer.body)
        self.components = schemas.components()
        self.components[ENTRY] |= {
            "discriminator": {
                "propertyName": "Kind",
                "mapping": {name.removeprefix(f"{ENTRY}-"): f"#/components/schemas/{name}" for name in _ENTRIES},
            }
        }
        for name in _ENTRIES:
            self.components[name]["properties"]["Kind"] = {"const": name.removeprefix(f"{ENTRY}-")}


@cache
def described() -> Described:
    """Made once."""
    return Described()

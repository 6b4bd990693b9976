"""Reads of the state: each answers with the index that Consul would report and the tokens to wait on."""

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
    prepared_execution,
    prepared_query,
    services,
    sessions,
    usage,
)
from lictor_state.queries.answer import Answer, Instance
from lictor_state.queries.intentions import Intention
from lictor_state.queries.node import NodeServices

__all__ = [
    "Answer",
    "Instance",
    "Intention",
    "NodeServices",
    "agent",
    "ca",
    "central_config",
    "config",
    "coordinates",
    "dns_explain",
    "events",
    "gateways",
    "health",
    "intentions",
    "kv",
    "members",
    "node",
    "nodes",
    "prepared_execution",
    "prepared_query",
    "services",
    "sessions",
    "usage",
]

"""Intentions, identities and proxies' desired configuration as values."""

from lictor_mesh.bootstrap import bootstrap
from lictor_mesh.destinations import HTTP2_PROTOCOLS, HTTP_PROTOCOLS, Destination, Destinations, Endpoint
from lictor_mesh.identity import (
    AgentIdentity,
    Identity,
    IdentityError,
    MeshGatewayIdentity,
    ServerIdentity,
    ServiceIdentity,
    SigningIdentity,
    parse,
    service_sni,
    trust_domain,
    upstream_id,
)
from lictor_mesh.intentions import Decision, Intention, Permission, decide, intentions_for, precedence
from lictor_mesh.proxy_config import Desired, Inbound, ProxyConfig, UpstreamConfig, desired_config
from lictor_mesh.rbac import AccessRules, Policy, Principal, Rule, principal_pattern, reduce

__all__ = [
    "HTTP2_PROTOCOLS",
    "HTTP_PROTOCOLS",
    "AccessRules",
    "AgentIdentity",
    "Decision",
    "Desired",
    "Destination",
    "Destinations",
    "Endpoint",
    "Identity",
    "IdentityError",
    "Inbound",
    "Intention",
    "MeshGatewayIdentity",
    "Permission",
    "Policy",
    "Principal",
    "ProxyConfig",
    "Rule",
    "ServerIdentity",
    "ServiceIdentity",
    "SigningIdentity",
    "UpstreamConfig",
    "bootstrap",
    "decide",
    "desired_config",
    "intentions_for",
    "parse",
    "precedence",
    "principal_pattern",
    "reduce",
    "service_sni",
    "trust_domain",
    "upstream_id",
]

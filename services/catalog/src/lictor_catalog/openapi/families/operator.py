"""`/v1/operator`: the store's members, its autopilot, the pool's keys, counts."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family, Parameter

_SETTINGS = {"CleanupDeadServers": True, "LastContactThreshold": "500ms", "MaxTrailingLogs": 500}
_RELAY = Parameter("relay-factor", "How many members pass the order on.", "integer")
_LOCAL = Parameter("local-only", "Ask this node only.", "boolean")
_KEY = {"Key": "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="}
_ID = Parameter("id", "The member's id.")
_ADDRESS = Parameter("address", "The member's address.")

FAMILY = Family(
    "operator",
    "For operators of the store and the pool.",
    (
        Endpoint("GET", "/v1/operator/autopilot/configuration", "The autopilot's settings",
            Example("/v1/operator/autopilot/configuration"), p.CONSISTENCY),
        Endpoint("PUT", "/v1/operator/autopilot/configuration", "Write the autopilot's settings",
            Example("/v1/operator/autopilot/configuration", _SETTINGS), p.CAS),
        Endpoint("GET", "/v1/operator/autopilot/health", "How well each member is; 429 while one is not",
            Example("/v1/operator/autopilot/health")),
        Endpoint("GET", "/v1/operator/autopilot/state", "How the autopilot sees the members",
            Example("/v1/operator/autopilot/state")),
        Endpoint("GET", "/v1/operator/raft/configuration", "The members of the store",
            Example("/v1/operator/raft/configuration")),
        Endpoint("DELETE", "/v1/operator/raft/peer", "Remove a member, by id or address",
            Example("/v1/operator/raft/peer?address=10.0.0.2:8300"), (_ID, _ADDRESS)),
        Endpoint("POST", "/v1/operator/raft/transfer-leader", "Hand leadership over",
            Example("/v1/operator/raft/transfer-leader"), (_ID,)),
        Endpoint("GET", "/v1/operator/keyring", "The gossip keys of the pool",
            Example("/v1/operator/keyring"), (_RELAY, _LOCAL)),
        Endpoint("POST", "/v1/operator/keyring", "Install a gossip key",
            Example("/v1/operator/keyring", _KEY), (_RELAY,)),
        Endpoint("PUT", "/v1/operator/keyring", "Use a gossip key",
            Example("/v1/operator/keyring", _KEY), (_RELAY,)),
        Endpoint("DELETE", "/v1/operator/keyring", "Remove a gossip key",
            Example("/v1/operator/keyring", _KEY), (_RELAY,)),
        Endpoint("GET", "/v1/operator/usage", "How many nodes and services there are",
            Example("/v1/operator/usage"), p.READ),
    ),
)  # fmt: skip

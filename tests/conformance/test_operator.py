"""The operator's endpoints: Raft, autopilot, keyring; and snapshots, whose content is each product's own."""

import pytest

from tests.conformance.both_sides import delete, get, post, put

pytestmark = pytest.mark.conformance

AUTOPILOT = "operator/autopilot/configuration"

ROWS = [
    get("operator/raft/configuration", only_shape=True), get("operator/raft/configuration?stale", only_shape=True), delete("operator/raft/peer"), delete("operator/raft/peer?id=x&address=y"), delete("operator/raft/peer?address=10.9.9.9:1"), delete("operator/raft/peer?id=nope"), post("operator/raft/configuration"), get("operator/raft/peer"), get("operator/raft/configuration?dc=dc9"),
    get(AUTOPILOT), put(AUTOPILOT, {"CleanupDeadServers": False, "LastContactThreshold": "300ms", "MaxTrailingLogs": 100, "ServerStabilizationTime": "1m30s"}), get(AUTOPILOT), put(AUTOPILOT, {}), get(AUTOPILOT), put(AUTOPILOT, {"LastContactThreshold": 5}), get(AUTOPILOT),
    put(AUTOPILOT, {"lastcontactthreshold": "1.5s", "ServerStabilizationTime": None, "ModifyIndex": 7}), get(AUTOPILOT), put(AUTOPILOT + "?cas=1", {}), put(AUTOPILOT + "?cas=0", {}), put(AUTOPILOT + "?cas=x", {}), put(AUTOPILOT, b"null"), get(AUTOPILOT),
    *[put(AUTOPILOT, body) for body in (b"", {"Foo": 1}, {"LastContactThreshold": "x"}, {"LastContactThreshold": "10"}, {"MaxTrailingLogs": "a"}, {"CleanupDeadServers": "x"})],
    post(AUTOPILOT, {}), put("operator/autopilot/health", {}), get("operator/autopilot/health", only_shape=True, settles=True), get("operator/autopilot/health?dc=dc9"), get("operator/nothing"), get("operator/usage"), get("operator/usage?global"), put("operator/usage"),
    get("operator/keyring", only_shape=True), get("operator/keyring?relay-factor=9"), get("operator/keyring?relay-factor=x"), post("operator/keyring", {"Key": "x"}), put("operator/keyring", {"Key": "x"}), delete("operator/keyring", {"Key": "x"}), post("operator/keyring", b""), post("operator/keyring?local-only=true", {"Key": "x"}),
    post("snapshot"), delete("snapshot"), put("snapshot", b"not an archive"), put("snapshot", b""), get("snapshot?dc=dc9"),
    # nothing of Consul's policies without them
    get("acl/tokens"), get("acl/policies"), get("acl/roles"), put("acl/bootstrap"), put("acl/token", {}), get("acl/token/self"), get("acl/auth-methods"), get("acl/binding-rules"), post("acl/login", {}), post("acl/logout"), get("acl/replication"), get("acl/policy/x"),
]  # fmt: skip


def test_the_operators_endpoints_are_those_of_consul(pair):
    pair.run("operator", ROWS)

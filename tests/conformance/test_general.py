"""What holds for every endpoint: paths, methods, parameters, encodings, errors."""

import pytest

from tests.conformance.both_sides import Ask, delete, get, post, put

pytestmark = pytest.mark.conformance

KNOWN = [
    "kv/a", "catalog/nodes", "catalog/register", "health/service/web", "agent/self", "agent/service/register", "session/create", "session/info/x", "status/leader", "connect/intentions", "connect/intentions/match", "connect/intentions/check", "connect/ca/roots",
    "operator/raft/configuration", "operator/raft/peer", "operator/autopilot/configuration", "operator/autopilot/health", "snapshot", "agent/check/update/x", "agent/leave", "catalog/datacenters", "txn", "query", "query/x", "query/x/execute", "event/list", "event/fire/x", "coordinate/nodes", "coordinate/node/x", "coordinate/update", "operator/keyring", "agent/monitor", "agent/maintenance", "agent/join/x",
]  # fmt: skip
ROWS = [
    *[Ask("OPTIONS", path) for path in KNOWN], *[Ask("PATCH", path) for path in KNOWN], *[Ask("HEAD", path) for path in ("kv/a", "catalog/nodes", "health/service/web", "status/leader", "agent/self")],
    # paths
    get("/"), get("/v1"), get("/v1/"), get("/nothing"), get("nothing"), get("/v2/kv/a"), get("/v1//kv/a"), get("kv//a"), get("kv/a/../b"), get("kv/./a"), get("KV/a"), get("catalog/nodes/"), get("catalog/nodes/x"), get("kv/%00"), get("kv/%0a"), get("kv/%7f"), get("kv/%zz"), get("catalog/node/%E2%82%AC"), get("namespaces"), get("partitions"), get("imported-services"), get("operator/area"),
    # blocking and consistency parameters
    put("kv/g", b"v"), get("kv/g?index=x"), get("kv/g?index=-1"), get("kv/g?index=0"), get("kv/g?index=0&wait=10s"), get("kv/g?wait=x"), get("kv/g?wait=1"), get("kv/g?wait=-1s"), get("kv/g?wait=10s"), get("kv/g?index=99999999&wait=10ms"), get("kv/g?index=99999999&wait=1us"), get("kv/g?index=18446744073709551616"), get("kv/g?index=1&wait=10ms"),
    get("kv/g?stale"), get("kv/g?consistent"), get("kv/g?stale&consistent"), get("kv/g?leader"), get("kv/g?leader&stale"), get("kv/g?leader&consistent"), get("kv/g?max_stale=10s"), get("kv/g?max_stale=x"), get("kv/g?max_stale=-1s"), get("kv/g?max_stale=1s&consistent"), get("kv/g?cached"), get("catalog/services?cached&stale"), get("catalog/service/none?cached&consistent"),
    get("catalog/services?cached", headers={"Cache-Control": "max-age=1"}), get("catalog/services?cached", headers={"Cache-Control": "max-age=x"}), get("catalog/services?cached", headers={"Cache-Control": "stale-if-error=x"}), get("catalog/services?cached", headers={"Cache-Control": "must-revalidate"}), get("catalog/services?cached", headers={"Cache-Control": "odd=1"}), get("catalog/services", headers={"Cache-Control": "max-age=x"}),
    get("kv/g?dc=dc1"), get("kv/g?dc="), get("kv/g?dc=dc9"), put("kv/g?dc=dc9", b"1"), delete("kv/g?dc=dc9"), get("kv/g?datacenter=dc9"),
    get("kv/g?ns=default"), get("kv/g?ns="), put("kv/g?ns=x", b"1"), get("kv/g", headers={"X-Consul-Namespace": "default"}), get("catalog/nodes?ns=x"), get("agent/services?ns=x"), get("session/list?ns=x"),
    get("kv/g?partition=x"), get("catalog/nodes?partition=default"),
    get("kv/g?token=secret"), get("kv/g", headers={"X-Consul-Token": "secret"}), get("kv/g", headers={"Authorization": "Bearer secret"}), get("kv/g?odd=1&&=&x"), get("kv/g?%zz"), get("kv/g;x"), get("kv/g?recurse;keys"),
    # forms
    get("kv/g?pretty"), get("catalog/datacenters?pretty"), get("kv/g", headers={"Accept-Encoding": "gzip"}), put("kv/large", b"x" * 4000), get("kv/large", headers={"Accept-Encoding": "gzip"}), get("kv/large?raw", headers={"Accept-Encoding": "gzip"}), get("kv/large", headers={"Accept-Encoding": "deflate"}),
    put("kv/form", b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"}), get("kv/form?raw"), post("kv/g", b"1"), put("session/create", b"  "), put("session/list"),
    # durations and numbers as Go reads them
    *[get(f"kv/g?index=99999999&wait={wait}") for wait in ("1ms", "0.001s", "1000us", "1000%C2%B5s", "1000000ns", ".001s", "+1ms", "1", "1d", "ms", "1 ms", "0h0m0.001s")],
]  # fmt: skip


def test_the_general_rules_are_those_of_consul(pair):
    pair.run("general", ROWS)

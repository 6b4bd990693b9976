"""Health: instances with their checks, by service, node and state."""

import pytest

from tests.conformance.both_sides import get, post, put

pytestmark = pytest.mark.conformance


def node(name, service, status, *, tags=(), meta=None, node_status="passing", **more):
    """A registration of one instance with a check of the node and one of its own."""
    return {
        "Node": name,
        "Address": "10.0.0.1",
        "NodeMeta": meta or {},
        "Service": {"ID": f"{service}-{name}", "Service": service, "Tags": list(tags), "Port": 80, **more},
        "Checks": [
            {"CheckID": "alive", "Name": "alive", "Status": node_status},
            {
                "CheckID": f"{service}-ok",
                "Name": "ok",
                "Status": status,
                "ServiceID": f"{service}-{name}",
                "Notes": "n",
                "Output": "<o>",
            },
        ],
    }


ROWS = [
    get("health/service/web"), get("health/checks/web"), get("health/connect/web"), get("health/state/any", unordered=True), get("health/state/critical"), get("health/node/node-1"),
    put("catalog/register", node("n-b", "web", "passing", tags=["v1", "Blue"], meta={"rack": "1"})), put("catalog/register", node("n-a", "web", "warning", tags=["v2"])),
    put("catalog/register", node("n-c", "web", "critical", tags=["v1"], meta={"rack": "1"})), put("catalog/register", node("n-d", "web", "passing", node_status="critical")),
    put("catalog/register", node("n-a", "api", "passing", Meta={"a": "b"})), put("catalog/register", {"Node": "n-a", "Address": "10.0.0.1", "Service": {"ID": "side", "Service": "web-proxy", "Kind": "connect-proxy", "Port": 20000, "Proxy": {"DestinationServiceName": "web"}}}),
    put("catalog/register", {"Node": "bare", "Address": "10.0.0.9", "Service": {"Service": "bare"}}),
    # instances
    get("health/service/web"), get("health/service/WEB"), get("health/service/web?passing", unordered=True), get("health/service/web?passing=1", unordered=True), get("health/service/web?passing=true", unordered=True), get("health/service/web?passing=0", unordered=True),
    get("health/service/web?passing=false", unordered=True), get("health/service/web?passing=x", unordered=True), get("health/service/web?tag=v1"), get("health/service/web?tag=V1"), get("health/service/web?tag=v1&tag=blue"), get("health/service/web?tag=none"),
    get("health/service/web?tag="), get("health/service/web?node-meta=rack:1"), get("health/service/web?node-meta=rack:1&passing", unordered=True), get("health/service/web?node-meta=none:1"), get("health/service/web?stale"), get("health/service/web?consistent"),
    get("health/service/web?cached"), get("health/service/web?cached&consistent"), get("health/service/web?dc=dc9"), get("health/service/bare"), get("health/service/bare?passing"), get("health/service/none"), get("health/service/none?passing"), get("health/service/"),
    # through a sidecar
    get("health/connect/web"), get("health/connect/web?passing"), get("health/connect/none"), get("health/connect/api"), get("health/connect/"), get("health/service/web-proxy"), get("health/ingress/web"), get("health/ingress/"),
    # checks
    get("health/checks/web"), get("health/checks/api"), get("health/checks/none"), get("health/checks/web?node-meta=rack:1"), get("health/checks/"), get("health/node/n-a"), get("health/node/N-A"), get("health/node/none"), get("health/node/"),
    get("health/state/any", unordered=True), get("health/state/passing", unordered=True), get("health/state/warning"), get("health/state/critical", unordered=True), get("health/state/critical?node-meta=rack:1"), get("health/state/bogus"), get("health/state/"), get("health/state/unknown"),
    # changes
    put("catalog/register", {"Node": "n-c", "Address": "10.0.0.1", "Check": {"CheckID": "web-ok", "Name": "ok", "Status": "passing", "ServiceID": "web-n-c"}}), get("health/service/web?passing", unordered=True),
    put("catalog/register", {"Node": "odd", "Address": "10.0.0.1", "Check": {"CheckID": "x", "Name": "x", "Status": "odd"}}), put("catalog/deregister", {"Node": "odd"}), get("health/node/n-c"), put("catalog/deregister", {"Node": "n-d", "CheckID": "alive"}), get("health/service/web?passing", unordered=True),
    put("catalog/deregister", {"Node": "n-a", "ServiceID": "web-n-a"}), get("health/service/web"), get("health/node/n-a"), get("health/connect/web"),
    # methods and parameters
    post("health/service/web"), put("health/state/any"), put("health/node/n-a"), put("health/checks/web"), get("health/service/web?index=-1"), get("health/service/web?wait=x"), get("health/service/web?stale&consistent"), get("health/nothing/web"),
]  # fmt: skip


def test_health_answers_as_consul_does(pair):
    pair.run("health", ROWS)

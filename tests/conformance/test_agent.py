"""The agent: its services and checks with every form of registration, health of its instances, maintenance, itself."""

import pytest

from tests.conformance.both_sides import delete, get, post, put

pytestmark = pytest.mark.conformance

WEB = {"Name": "web", "ID": "web-1", "Tags": ["v1"], "Address": "127.0.0.9", "Port": 80, "Meta": {"k": "<&>"}, "Check": {"TTL": "1h"}, "Connect": {"SidecarService": {"Port": 20999}}}  # fmt: skip
PROXY = {"Name": "px", "Kind": "connect-proxy", "Port": 7777, "Proxy": {"DestinationServiceName": "web", "Upstreams": [{"DestinationName": "db", "LocalBindPort": 9191, "Config": {"a": 1}}], "Config": {"protocol": "http"}, "Expose": {"Checks": True, "Paths": [{"Path": "/h", "ListenerPort": 21500, "LocalPathPort": 80}]}}}  # fmt: skip
LOW = {"name": "low", "enabletagoverride": True, "tagged_addresses": {"wan": {"Address": "h", "Port": 1}}}
MANY = {
    "Name": "many",
    "Port": 9,
    "Checks": [{"TTL": "1h", "Name": "first", "CheckID": "one", "Status": "passing"}, {"TTL": "2h", "Notes": "n"}],
    "Weights": {"Passing": 3, "Warning": 2},
}
TTL = {"Name": "node-ttl", "TTL": "1h", "Status": "passing", "Notes": "n"}

SELF = [
    get("agent/self", only_shape=True), get("agent/members", only_shape=True), get("agent/members?wan=1", only_shape=True), get("agent/services"), get("agent/checks"), get("agent/service/none"),
]  # fmt: skip
SERVICES = [
    put("agent/service/register", WEB), put("agent/service/register", PROXY), put("agent/service/register", LOW), put("agent/service/register", MANY), put("agent/check/register", TTL),
    get("agent/services"), get("agent/service/web-1"), get("agent/service/px"), get("agent/service/low"), get("agent/service/many"), get("agent/service/web-1-sidecar-proxy"), get("agent/service/"), get("agent/checks"),
    get("catalog/service/web", settles=True), get("catalog/service/px", settles=True), get("catalog/service/low", settles=True), get("health/service/many", settles=True), get("health/connect/web", settles=True), get("health/node/node-1", settles=True),
    get("agent/service/web-1?hash=0"), get("agent/service/none?hash=1"), put("agent/service/register", WEB), get("agent/checks"), get("agent/service/web-1?dc=dc9"),
    # ids with a slash, and replaced checks
    put("agent/service/register", {"Name": "sl", "ID": "a/b"}), get("agent/service/a/b"), get("agent/service/a%2Fb"), put("agent/service/deregister/a%2Fb"), get("agent/service/a/b"),
    put("agent/service/register", {"Name": "many", "Port": 10, "Checks": [{"TTL": "1h", "Name": "first", "CheckID": "one"}]}), get("agent/checks"), put("agent/service/register?replace-existing-checks", {"Name": "many", "Check": {"TTL": "3h"}}), get("agent/checks"), get("agent/service/many"),
    # proxies without what they need, and other kinds
    put("agent/service/register", {"Name": "a", "Kind": "connect-proxy"}), put("agent/service/register", {"Name": "a", "Kind": "odd"}), put("agent/service/register", {"Name": "a", "Port": 1, "Connect": {"Native": True}}), get("agent/service/a"),
    put("agent/service/register", {"Name": "nat", "Connect": {"Native": True, "SidecarService": {"Port": 20998}}}), put("agent/service/register", {"Name": "gw", "Kind": "mesh-gateway", "Port": 443}), get("agent/service/gw"),
    put("agent/service/register", {"Name": "sc", "Port": 5, "Connect": {"SidecarService": {"Port": 20333, "Tags": ["t"], "Proxy": {"Upstreams": [{"DestinationName": "x", "LocalBindPort": 1}]}}}}), get("agent/service/sc-sidecar-proxy"), get("agent/service/sc"), put("agent/service/deregister/sc"), put("agent/service/deregister/nat"),
]  # fmt: skip
REFUSED = [
    *[put("agent/service/register", body) for body in (
        {"Nam": "x"}, {"ID": "x"}, b"", b"[]", b"{", b"null", {"Name": "a", "Address": "0.0.0.0"}, {"Name": "a", "Address": "::"}, {"Name": "a", "Meta": {"a b": "c"}}, {"Name": "a", "Meta": {"consul-x": "c"}}, {"Name": "a", "Meta": {"x": "y" * 513}},
        {"Name": "a", "Weights": {"Passing": 0, "Warning": 1}}, {"Name": "a", "Weights": {"Passing": 70000, "Warning": 1}}, {"Name": "a", "Weights": {"Passing": -1, "Warning": 1}}, {"Name": "a", "Check": {"Interval": "10s"}}, {"Name": "a", "Check": {"Interval": "10s", "TTL": "5s"}},
        {"Name": "a", "Check": {"Interval": "xx", "TTL": "5s"}}, {"Name": "a", "Check": {"Status": "bad", "TTL": "5s"}}, {"Name": "a", "Check": {"HTTP": "http://x"}}, {"Name": "a", "Check": {"Args": ["x"], "Interval": "1s"}}, {"Name": "a", "Port": "80"}, {"Name": "a", "Tags": "t"},
        {"Name": "a", "Check": {"TTL": "5s", "Foo": 1}}, {"Name": "a", "Port": -1}, {"Name": "a", "TaggedAddresses": {"lan": {"Address": "0.0.0.0"}}}, {"Name": "a", "Namespace": "x"}, {"Name": "a", "Proxy": {"Foo": 1}},
    )],
    *[put("agent/check/register", body) for body in (
        {"TTL": "10s"}, {"Name": "z"}, {"Name": "z", "TTL": "10s", "Status": "x"}, {"Name": "z", "AliasService": "web", "TTL": "10s"}, {"Name": "z", "TTL": "10s", "OutputMaxSize": -1}, {"Name": "z", "TTL": "10s", "ServiceID": "nope"}, b"", b"{", {"Name": "z", "TTL": "x"},
        {"Name": "z", "Args": ["x"], "Interval": "1s"}, {"Name": "z", "TTL": "10s", "Foo": 1}, {"Name": "z", "HTTP": "http://x"}, {"Name": "z", "TCP": "x:1"}, {"Name": "z", "Interval": "10s"},
    )],
    put("agent/service/deregister/none"), put("agent/service/deregister/"), put("agent/check/deregister/none"), put("agent/check/deregister/"),
]  # fmt: skip
CHECKS = [
    put("agent/check/register", {"Name": "mem", "ID": "mem", "TTL": "1h"}), put("agent/check/register", {"Name": "of web", "TTL": "1h", "ServiceID": "web-1"}), put("agent/check/register", {"name": "lower", "ttl": "1h", "service_id": "web-1"}), get("agent/checks"),
    put("agent/check/pass/mem?note=fine"), get("agent/checks", settles=True), put("agent/check/warn/mem?note=so-so"), get("agent/checks", settles=True), put("agent/check/fail/mem"), get("agent/checks", settles=True),
    put("agent/check/update/mem", {"Status": "passing", "Output": "o"}), get("agent/checks", settles=True), put("agent/check/update/mem", {"Status": "foo"}), put("agent/check/update/mem", b""), put("agent/check/update/mem", {"status": "warning", "Foo": 1}), put("agent/check/update/mem", {"Status": "critical"}),
    put("agent/check/pass/none"), put("agent/check/fail/none"), put("agent/check/update/none", {"Status": "passing"}), put("agent/check/pass/"), put("agent/check/pass/service:web-1"), put("agent/check/pass/one"),
    get("health/checks/web", settles=True), get("health/node/node-1", settles=True), get("health/service/web", settles=True),
    # an alias follows what it names
    put("agent/check/register", {"Name": "al", "AliasService": "web-1"}), get("agent/checks", settles=True), put("agent/check/pass/al"), put("agent/check/deregister/al"), put("agent/check/deregister/mem"), get("agent/checks", settles=True),
]  # fmt: skip
HEALTH = [
    get("agent/health/service/name/web", settles=True, unordered=True), get("agent/health/service/id/web-1", settles=True, unordered=True), get("agent/health/service/id/web-1?format=text", settles=True), get("agent/health/service/name/web?format=text"), get("agent/health/service/id/none"), get("agent/health/service/name/none"),
    get("agent/health/service/id/none?format=text"), get("agent/health/service/name/none?format=text"), get("agent/health/service/id/web-1", headers={"Accept": "text/plain"}), get("agent/health/service/id/"), get("agent/health/service/name/"),
    get("agent/health/service/name/low", settles=True, unordered=True), get("agent/health/service/id/many", settles=True, unordered=True),
]  # fmt: skip
MAINTENANCE = [
    put("agent/maintenance"), put("agent/maintenance?enable=x"), put("agent/maintenance?enable=true&reason=because"), get("agent/checks", settles=True), get("health/service/low?passing", settles=True), get("agent/health/service/id/low", settles=True, unordered=True), get("agent/health/service/id/low?format=text", settles=True),
    put("agent/maintenance?enable=true"), put("agent/maintenance?enable=false"), get("agent/checks", settles=True), put("agent/maintenance?enable=0"),
    put("agent/service/maintenance/web-1"), put("agent/service/maintenance/web-1?enable=x"), put("agent/service/maintenance/none?enable=true"), put("agent/service/maintenance/?enable=true"), put("agent/service/maintenance/web-1?enable=1&reason=why"),
    get("agent/checks", settles=True), get("health/checks/web", settles=True, unordered=True), get("agent/health/service/id/web-1", settles=True, unordered=True), put("agent/service/maintenance/web-1?enable=f"), get("agent/checks", settles=True), put("agent/service/maintenance/web-1?enable=false"), get("agent/maintenance"), post("agent/service/maintenance/web-1?enable=true"),
]  # fmt: skip
REST = [
    put("agent/join/127.0.0.1:1"), put("agent/force-leave/none"), put("agent/force-leave/"), get("agent/join/x"), get("agent/monitor?loglevel=foo"), get("agent/metrics", only_shape=True), get("agent/metrics?format=prometheus"), get("agent/host", only_shape=True),
    put("agent/token/default", {"Token": "x"}), put("agent/token/odd", {"Token": "x"}), get("agent/version", only_shape=True), post("agent/services"), put("agent/checks"), put("agent/self"), delete("agent/service/web-1"), get("agent/service/register"), get("agent/check/register"), post("agent/check/pass/x"), get("agent/leave"), get("agent/reload"), get("agent/force-leave/x"), put("agent/members"),
    get("agent/connect/ca/roots", only_shape=True), get("agent/connect/ca/leaf/web", only_shape=True), get("agent/connect/ca/leaf/"), post("agent/connect/authorize", {"Target": "web"}), post("agent/connect/authorize", {}), post("agent/connect/authorize", b"{"),
    # all of it goes
    put("agent/service/deregister/web-1"), get("agent/services"), get("agent/checks"), get("catalog/service/web", settles=True), get("catalog/service/web-sidecar-proxy", settles=True), put("agent/service/deregister/many"), put("agent/service/deregister/low"), get("agent/services"), put("agent/reload"),
]  # fmt: skip
ROWS = [*SELF, *SERVICES, *REFUSED, *CHECKS, *HEALTH, *MAINTENANCE, *REST]


def test_the_agent_answers_as_consul_does(pair):
    pair.run("agent", ROWS)

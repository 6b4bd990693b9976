"""The catalog: registrations of external nodes, and every list that shows them."""

import pytest

from tests.conformance.both_sides import delete, get, post, put

pytestmark = pytest.mark.conformance

EXTERNAL = {"Node": "ext", "Address": "1.2.3.4", "NodeMeta": {"m": "1"}, "Service": {"Service": "api", "Tags": ["b", "a"]}, "Check": {"Name": "c1", "ServiceID": "api", "Status": "passing", "Definition": {"Interval": "10s", "DeregisterCriticalServiceAfter": "1m"}}}  # fmt: skip
FULL = {"Node": "full", "ID": "40e4a748-2192-161a-0510-9bf59fe950b5", "Address": "10.0.0.1", "TaggedAddresses": {"lan": "10.0.0.1", "wan": "9.9.9.9"}, "NodeMeta": {"rack": "7", "m": "1"}, "Service": {"ID": "db1", "Service": "db", "Tags": ["master", "v1"], "Address": "10.0.0.2", "Port": 5432, "Meta": {"k": "<&>"}, "TaggedAddresses": {"wan": {"Address": "8.8.8.8", "Port": 1}}, "Weights": {"Passing": 5, "Warning": 2}, "EnableTagOverride": True}, "Checks": [{"Name": "node-alive", "Status": "passing", "Notes": "n", "Output": "o"}, {"CheckID": "db-check", "Name": "db", "Status": "warning", "ServiceID": "db1"}]}  # fmt: skip
PROXY = {"Node": "full", "Address": "10.0.0.1", "SkipNodeUpdate": True, "Service": {"ID": "px", "Service": "db-proxy", "Kind": "connect-proxy", "Port": 7777, "Proxy": {"DestinationServiceName": "db", "DestinationServiceID": "db1", "LocalServicePort": 5432, "Config": {"a": 1}, "Upstreams": [{"DestinationName": "api", "LocalBindPort": 9191}]}}}  # fmt: skip
NATIVE = {
    "Node": "full",
    "Address": "10.0.0.1",
    "Service": {"Service": "native", "Connect": {"Native": True}, "Port": 1},
}

ROWS = [
    get("catalog/datacenters"), get("catalog/nodes"), get("catalog/services"), get("catalog/node/node-1"), get("catalog/node-services/node-1"),
    put("catalog/register", EXTERNAL), put("catalog/register", FULL), put("catalog/register", PROXY), put("catalog/register", NATIVE), put("catalog/register", FULL),
    put("catalog/register", {"Node": "a", "Address": "1.1.1.1"}), put("catalog/register", {"node": "low", "address": "1.1.1.2", "service": {"service": "web", "port": 80}}),
    put("catalog/register", {"Node": "full", "SkipNodeUpdate": True, "Service": {"Service": "api", "Port": 1}}),
    # reads
    get("catalog/nodes"), get("catalog/nodes?node-meta=m:1"), get("catalog/nodes?node-meta=m:1&node-meta=rack:7"), get("catalog/nodes?node-meta=m"), get("catalog/nodes?node-meta=none:1"),
    get("catalog/services", unordered=True), get("catalog/services?node-meta=rack:7", unordered=True), get("catalog/services?node-meta=none:1"),
    get("catalog/service/db"), get("catalog/service/DB"), get("catalog/service/api"), get("catalog/service/api?tag=a"), get("catalog/service/api?tag=A"), get("catalog/service/api?tag=a&tag=b"),
    get("catalog/service/api?tag=a&tag=x"), get("catalog/service/api?node-meta=m:1"), get("catalog/service/none"), get("catalog/service/db-proxy"), get("catalog/service/native"),
    get("catalog/connect/db"), get("catalog/connect/native"), get("catalog/connect/none"), get("catalog/connect/api"),
    get("catalog/node/ext"), get("catalog/node/full"), get("catalog/node/FULL"), get("catalog/node/none"), get("catalog/node/40e4a748-2192-161a-0510-9bf59fe950b5"), get("catalog/node/40e4a748"),
    get("catalog/node-services/full"), get("catalog/node-services/none"), get("catalog/node-services/a"), get("catalog/node/a"),
    get("catalog/service/web"), get("catalog/service/"), get("catalog/connect/"), get("catalog/node/"), get("catalog/node-services/"),
    get("catalog/nodes?dc=dc1"), get("catalog/nodes?dc=dc9"), get("catalog/services?dc=dc9"), get("catalog/service/db?dc=dc9"), get("catalog/service/api?cached"), get("catalog/services?cached", unordered=True),
    get("catalog/nodes?stale"), get("catalog/nodes?consistent"), get("catalog/services?stale", unordered=True), get("catalog/gateway-services/none"),
    # refused
    put("catalog/register", {"Node": "a"}), put("catalog/register", {"Address": "a"}), put("catalog/register", {}), put("catalog/register", {"Node": "a", "Address": "b", "Foo": 1}),
    put("catalog/register", {"Node": "a", "Address": "b", "Datacenter": "dc9"}), put("catalog/register", {"Node": "a", "Address": "b", "ID": "x"}), put("catalog/register", b""), put("catalog/register", b"[]"),
    put("catalog/register", b"{"), put("catalog/register", b"null"), put("catalog/register", {"Node": 5, "Address": "x"}), put("catalog/register", {"Node": "a", "SkipNodeUpdate": True}),
    put("catalog/register", {"Node": "nobody", "SkipNodeUpdate": True}), put("catalog/register", {"Node": "a", "Address": "b", "Service": {"ID": "x"}}), put("catalog/register", {"Node": "a", "Address": "b", "Service": {}}),
    put("catalog/register", {"Node": "a", "Address": "b", "Check": {"Name": "c", "ServiceID": "nope"}}), put("catalog/register", {"Node": "a", "Address": "b", "Check": {"Name": "c", "Node": "other"}}),
    put("catalog/register", {"Node": "thief", "Address": "b", "ID": "40e4a748-2192-161a-0510-9bf59fe950b5"}), get("catalog/node/thief"), get("catalog/node/full"),
    put("catalog/register", {"Node": "ext", "Address": "1.2.3.4", "ID": "40e4a748-2192-161a-0510-9bf59fe950b5"}),
    put("catalog/register", {"Node": "a", "Address": "b", "Service": {"Service": "p", "Kind": "connect-proxy"}}), put("catalog/register", {"Node": "gone", "Address": "b", "Service": {"Service": "p", "Kind": "odd"}}),
    put("catalog/register", {"Node": "gone", "Address": "b", "Service": {"Service": "p", "Kind": "connect-proxy", "Port": 1, "Proxy": {"DestinationServiceName": "*"}}}),
    *[put("catalog/register", {"Node": "a", "Address": "b", "Service": {"ID": "m", "Service": "m", "Meta": meta}}) for meta in ({"a b": "c"}, {"": "c"}, {"consul-x": "c"}, {"a": "v" * 513}, {"k" * 129: "c"}, {str(number): "" for number in range(65)})], get("catalog/service/m"),
    # conditions on what is there
    put("catalog/register", {"Node": "a", "Address": "1.1.1.1", "Check": {"Name": "plain"}}), get("health/node/a"), put("catalog/register", {"Node": "a", "Address": "1.1.1.9"}), get("catalog/node/a"),
    # deregistrations
    put("catalog/deregister", {"Node": "gone"}),
    put("catalog/deregister", {}), put("catalog/deregister", {"Node": "zzz"}), put("catalog/deregister", {"Node": "ext", "ServiceID": "nope"}), put("catalog/deregister", {"Node": "ext", "CheckID": "nope"}),
    put("catalog/deregister", b""), put("catalog/deregister", {"Node": "ext", "Foo": 1}), put("catalog/deregister", {"Node": "ext", "CheckID": "c1"}), get("health/node/ext"),
    put("catalog/deregister", {"Node": "ext", "ServiceID": "api", "Datacenter": "dc9"}), put("catalog/deregister", {"Node": "ext", "ServiceID": "api"}), get("catalog/node/ext"), put("catalog/deregister", {"Node": "ext", "Address": "x"}), get("catalog/node/ext"),
    put("catalog/deregister", {"Node": "thief"}), put("catalog/deregister", {"Node": "full"}), get("catalog/service/db"), get("catalog/connect/db"), get("catalog/services"),
    # methods
    get("catalog/register"), delete("catalog/register"), post("catalog/nodes"), put("catalog/services"), get("catalog/deregister"), delete("catalog/node/a"), put("catalog/datacenters"),
]  # fmt: skip


def test_the_catalog_answers_as_consul_does(pair):
    pair.run("catalog", ROWS)

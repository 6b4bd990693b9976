"""What both sides have registered when DNS is compared: every shape of instance, node and prepared query."""

from itertools import product

LONG = "abcdefghijklmnopqrstuvwxyz"


def service(name, service_id, **more):
    """The part of a registration that is an instance."""
    return {"Service": name, "ID": service_id, **more}


def node(name, address, instance=None, status=None, meta=None):
    """A registration."""
    body = {"Node": name, "Address": address}
    if meta:
        body["NodeMeta"] = meta
    if instance:
        body["Service"] = instance
    if status:
        check = f"check-{instance['ID']}"
        body["Checks"] = [{"CheckID": check, "Name": check, "Status": status, "ServiceID": instance["ID"]}]
    return body


def _plain():
    for one in range(1, 11):
        tags = ["v1"] if one % 2 else ["V2", "a.b"]
        yield node(
            f"n{one}",
            f"10.1.0.{one}",
            service("web", f"web-{one}", Address=f"10.0.0.{one}", Port=8000 + one, Tags=tags),
        )
    for one in range(1, 61):
        name = f"many{one:03}"
        yield node(name, f"10.2.0.{one}", service("many", f"many-{one}", Port=9000))
        yield node(name, f"10.2.0.{one}", service("manyip", f"manyip-{one}", Port=9000, Address=f"10.3.0.{one}"))
    weights = {"Passing": 7, "Warning": 2}
    for one, status in enumerate(("passing", "warning", "critical"), 1):
        mixed = service("mixed", f"m{one}", Port=one, Address=f"10.4.0.{one}", Weights=weights)
        yield node(f"n{one}", f"10.1.0.{one}", mixed, status)
    yield node("n1", "10.1.0.1", service("dead", "d1", Port=1), "critical")
    for one in (1, 2, 3):
        yield node(f"n{one}", f"10.1.0.{one}", service("same", f"same-{one}", Address="10.9.0.1", Port=1))
    yield node("n1", "10.1.0.1", service("same", "same-4", Address="10.9.0.1", Port=2))


def _texts_and_families():
    meta = {"plain": "value", "k=ey": "va=lue", " lead ": "x`y", "rfc1035-raw": "raw;text", "RFC1035-Other": "caps"}
    yield node("meta1", "10.5.0.1", service("meta", "meta-1", Port=80), meta=meta)
    yield node("meta1", "10.5.0.1", service("metaip", "metaip-1", Port=81, Address="10.5.0.2"), meta=meta)
    for one in range(1, 6):
        long_meta = {f"key{key:02}": "v" * 60 for key in range(4)}
        yield node(f"lm{one}", f"10.12.1.{one}", service("longmetas", f"lms-{one}", Port=80), meta=long_meta)
    yield node(
        "longmeta", "10.12.0.1", service("longmeta", "lm", Port=80), meta={f"k{one:02}": "v" * 60 for one in range(20)}
    )
    yield node("six", "2001:db8::6", service("six", "six-1", Port=66))
    yield node("six", "2001:db8::6", service("sixip", "sixip-1", Port=66, Address="2001:db8::77"))
    yield node("n1", "10.1.0.1", service("dual", "dual-1", Port=1, Address="10.6.0.1"))
    yield node("six", "2001:db8::6", service("dual", "dual-2", Port=2, Address="2001:db8::78"))
    yield node("dotted.node", "10.7.0.1", service("dotted", "dotted-1", Port=1))
    yield node("under_score", "10.7.0.2", service("under", "under-1", Port=1))
    yield node("UPPER", "10.7.0.3", service("Upper", "upper-1", Port=1))
    for one in range(1, 7):
        name = f"a-node-with-a-rather-long-name-{one}-{LONG}"
        yield node(name, f"10.13.0.{one}", service(f"a-rather-long-service-name-{LONG}", f"long-{one}", Port=80))


def _hosts():
    yield node("hostnode", "host.example.com", service("hostnodesvc", "hns-1", Port=1))
    yield node("n1", "10.1.0.1", service("hosted", "hosted-1", Port=1, Address="db.example.com"))
    yield node("n1", "10.1.0.1", service("twohosted", "hosted-2", Port=1, Address="db1.example.com"))
    yield node("n2", "10.1.0.2", service("twohosted", "hosted-3", Port=2, Address="db2.example.com"))
    yield node("n1", "10.1.0.1", service("halfhost", "hh-1", Port=1, Address="db.example.com"))
    yield node("n2", "10.1.0.2", service("halfhost", "hh-2", Port=2, Address="10.8.0.2"))
    for name, target in [
        ("aliasfew", "dual.service.consul"),
        ("aliasmany", "web.service.consul"),
        ("aliasnode", "n1.node.consul"),
        ("aliasalias", "aliasnode.service.consul"),
        ("aliasnone", "nothing.service.consul"),
        ("aliasquery", "q-one.query.consul"),
        ("loopa", "loopb.service.consul"),
        ("loopb", "loopa.service.consul"),
        ("self", "self.service.consul"),
    ]:
        yield node("n1", "10.1.0.1", service(name, f"{name}-1", Port=1, Address=target))
    yield node("aliasn", "n1.node.consul", service("onaliasn", "oan-1", Port=1))


def _mesh():
    yield node("n1", "10.1.0.1", service("backend", "be-1", Port=1, Address="10.10.0.1"))
    proxy = {"Kind": "connect-proxy", "Proxy": {"DestinationServiceName": "backend"}}
    yield node("n1", "10.1.0.1", service("backend-proxy", "be-p", Port=20001, Address="10.10.0.9", **proxy))
    yield node("n2", "10.1.0.2", service("native", "nat-1", Port=5, Address="10.10.0.5", Connect={"Native": True}))


REGISTRATIONS = [*_plain(), *_texts_and_families(), *_hosts(), *_mesh()]
QUERIES = [
    {"Name": "q-web", "Service": {"Service": "web"}},
    {"Name": "q-one", "Service": {"Service": "metaip"}},
    {"Name": "q-ttl", "Service": {"Service": "web"}, "DNS": {"TTL": "1m7s"}},
    {"Name": "q.dotted", "Service": {"Service": "web", "Tags": ["v1"]}},
    {"Name": "q-near", "Service": {"Service": "web", "Near": "_agent"}},
    {"Name": "q-mixed", "Service": {"Service": "mixed"}},
    {"Name": "q-passing", "Service": {"Service": "mixed", "OnlyPassing": True}},
    {"Name": "q-ignoring", "Service": {"Service": "mixed", "IgnoreCheckIDs": ["check-m3"]}},
    {"Name": "q-none", "Service": {"Service": "nothing"}},
    {"Name": "q-host", "Service": {"Service": "hosted"}},
    {"Name": "q-connect", "Service": {"Service": "backend", "Connect": True}},
    {"Name": "geo-", "Template": {"Type": "name_prefix_match"}, "Service": {"Service": "${name.suffix}"}},
]

LONG_SERVICE = f"a-rather-long-service-name-{LONG}"
SIX_NODE = "6" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa."
SIX_SERVICE = "7.7" + ".0" * 22 + ".8.b.d.0.1.0.0.2.ip6.arpa."

NAMES_AND_TYPES = [
    *product(["web.service.consul."], ["A", "AAAA", "SRV", "MX", "TXT", "SOA", "NS", "ANY", "CNAME"]),
    *product(["WeB.SerVice.consul.", "v1.web.service.consul.", "V2.web.service.consul."], ["A", "SRV"]),
    *product(["a.b.web.service.consul.", "b.web.service.consul.", "a.web.service.consul."], ["A"]),
    *product(["_web._tcp.service.consul.", "_web._v1.service.consul.", "_web._udp.service.consul."], ["A", "SRV"]),
    *product(["_web._tcp.consul.", "_web._v1.dc1.consul."], ["SRV", "A"]),
    *product(["web.service.dc1.consul.", "web.service.dc2.consul.", "web.service.dc1.dc1.consul."], ["A", "SRV"]),
    *product(["service.consul.", "node.consul.", "query.consul.", "addr.consul.", "x.consul.", "a.b.c.consul."], ["A"]),
    *product(["nothing.service.consul.", "NOTHING.service.consul.", "dead.service.consul."], ["A", "SRV", "MX"]),
    *product(["mixed.service.consul.", "same.service.consul."], ["A", "SRV"]),
    *product(["meta.service.consul.", "metaip.service.consul."], ["A", "SRV", "TXT", "ANY"]),
    *product(["meta1.node.consul."], ["A", "AAAA", "TXT", "ANY", "SRV", "MX", "CNAME"]),
    *product(["nowhere.node.consul."], ["A", "TXT"]),
    *product(["n1.node.dc1.consul.", "n1.node.dc2.consul.", "N1.Node.Consul.", "UPPER.node.consul."], ["A"]),
    *product(["six.service.consul.", "sixip.service.consul.", "dual.service.consul."], ["A", "AAAA", "SRV", "ANY"]),
    *product(["dotted.node.node.consul.", "under_score.node.consul."], ["A"]),
    *product(["dotted.service.consul.", "under.service.consul.", "upper.service.consul."], ["SRV"]),
    *product(["hostnode.node.consul."], ["A", "AAAA", "ANY", "TXT", "CNAME"]),
    *product(["hostnodesvc.service.consul.", "hosted.service.consul."], ["A", "AAAA", "SRV", "MX"]),
    *product(["twohosted.service.consul."], ["A", "SRV"]),
    *product(["halfhost.service.consul."], ["A", "AAAA", "SRV"]),
    *product(
        ["aliasfew.service.consul.", "aliasnode.service.consul.", "aliasnone.service.consul."], ["A", "AAAA", "SRV"]
    ),
    *product(["aliasalias.service.consul.", "aliasquery.service.consul.", "loopa.service.consul."], ["A"]),
    *product(["aliasmany.service.consul.", "self.service.consul.", "onaliasn.service.consul."], ["A", "SRV"]),
    *product(["aliasn.node.consul."], ["A", "AAAA"]),
    *product(["backend.connect.consul.", "native.connect.consul.", "web.connect.consul."], ["A", "SRV"]),
    *product(["x.backend.connect.consul."], ["A"]),
    *product(["q-web.query.consul."], ["A", "SRV", "AAAA", "MX"]),
    *product(
        ["q-ttl.query.consul.", "q-web.query.dc1.consul.", "q-web.query.dc2.consul.", "q.dotted.query.consul."], ["A"]
    ),
    *product(["q-near.query.consul.", "q-mixed.query.consul.", "q-none.query.consul.", "nope.query.consul."], ["A"]),
    *product(["q-passing.query.consul.", "q-ignoring.query.consul.", "q-connect.query.consul."], ["A", "SRV"]),
    *product(
        ["q-host.query.consul.", "geo-web.query.consul.", "geo-nothing.query.consul.", "geo-.query.consul."], ["A"]
    ),
    *product(["0a000001.addr.consul.", "0a000001.addr.dc1.consul.", "0a000001.addr.dc2.consul."], ["A", "ANY"]),
    *product(["20010db8000000000000000000000077.addr.consul."], ["AAAA"]),
    *product(["zzzzzzzz.addr.consul.", "0a0000011.addr.consul.", "x.0a000001.addr.consul."], ["A"]),
    *product(["1.0.1.10.in-addr.arpa.", "1.0.0.10.in-addr.arpa.", "1.0.9.10.IN-ADDR.arpa."], ["PTR", "A"]),
    *product(["1.0.1.10.in-addr.arpa."], ["SOA"]),
    *product([SIX_NODE, SIX_SERVICE], ["PTR"]),
    *product(["consul."], ["SOA", "NS"]),
    *product(["x.y.consul."], ["SOA", "NS"]),
    *product(["consul.service.consul.", "server-1.node.consul."], ["A"]),
    *product(["example.com.", "."], ["A", "NS"]),
    *product(["web.service.alt.example."], ["A"]),
    *product(["many.service.consul.", "manyip.service.consul."], ["A", "SRV"]),
    *product(["longmetas.service.consul.", f"{LONG_SERVICE}.service.consul."], ["SRV", "A"]),
]

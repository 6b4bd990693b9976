"""What DNS names ask for, as a table."""

import pytest

from lictor_state.queries.dns_name import (
    AddressLookup,
    DomainLookup,
    Foreign,
    Lookup,
    NodeLookup,
    QueryLookup,
    ReverseLookup,
    ServiceLookup,
    Unknown,
    VirtualLookup,
    read_name,
    read_reverse_name,
)

WEB = ServiceLookup("web")


def labels(text: str) -> tuple[bytes, ...]:
    return tuple(label.encode() for label in text.split(".")) if text else ()


@pytest.mark.parametrize(
    ("name", "lookup"),
    [
        ("", DomainLookup()),
        ("web.service", WEB),
        ("web.service.dc1", WEB),
        ("web.service.dc1.dc", WEB),
        ("web.service.dc1.dc.dc1.dc", WEB),
        ("v1.web.service", ServiceLookup("web", "v1")),
        ("a.b.c.web.service.dc1", ServiceLookup("web", "a.b.c")),
        ("service.service", ServiceLookup("service")),
        ("node.service", ServiceLookup("node")),
        ("_web._tcp.service", WEB),
        ("_web._v1.service.dc1", ServiceLookup("web", "v1")),
        ("_web._udp.service", ServiceLookup("web", "udp")),
        ("_web._tcp", WEB),
        ("_web._v1.dc1", ServiceLookup("web", "v1")),
        ("x._web._tcp.service", ServiceLookup("_tcp", "x._web")),
        ("web.connect", ServiceLookup("web", connect=True)),
        ("x.web.connect.dc1", ServiceLookup("web", connect=True)),
        ("web.ingress", ServiceLookup("web", ingress=True)),
        ("web.virtual", VirtualLookup("web")),
        ("web.virtual.east", VirtualLookup("web", "east")),
        ("web.virtual.east.peer", VirtualLookup("web", "east")),
        ("web.virtual.dc9.dc", VirtualLookup("web")),
        ("n1.node", NodeLookup("n1")),
        ("n1.rack.2.node.dc1", NodeLookup("n1.rack.2")),
        ("q.query", QueryLookup("q")),
        ("a.b.query.dc1", QueryLookup("a.b")),
        ("_a.b._tcp.query", QueryLookup("a.b")),
        ("_a.query", QueryLookup("_a")),
        ("0a000001.addr", AddressLookup(bytes((10, 0, 0, 1)))),
        ("0a000001.addr.dc9", AddressLookup(bytes((10, 0, 0, 1)))),
        ("20010db8000000000000000000000001.addr", AddressLookup(b"\x20\x01\x0d\xb8" + bytes(11) + b"\1")),
    ],
)
def test_a_name_has_one_meaning(name: str, lookup: Lookup) -> None:
    assert read_name((*labels(name), b"consul"), (b"consul",), b"dc1") == lookup


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "service",
        "node",
        "query.dc1",
        "addr",
        "web.service.dc2",
        "web.service.dc2.dc",
        "web.service.east.peer",
        "web.service.dc1.dc.east.peer",
        "web.service.team.ns",
        "web.service.dc1.dc.default.ap",
        "web.service.a.b.c",
        "n1.node.dc2",
        "q.query.dc2",
        "web.virtual.a.b",
        "0a0000.addr",
        "zzzzzzzz.addr",
        "0a 00 1.addr",
        "x.0a000001.addr",
    ],
)
def test_what_has_no_form_or_lies_elsewhere_does_not_exist(name: str) -> None:
    assert read_name((*labels(name), b"consul"), (b"consul",), b"dc1") == Unknown()


def test_only_srv_may_leave_the_word_service_out() -> None:
    name = labels("_web._tcp.consul")
    assert read_name(name, (b"consul",), b"dc1", srv=False) == Unknown()
    assert read_name(name, (b"consul",), b"dc1", srv=True) == WEB


@pytest.mark.parametrize("name", ["example.com", "xconsul", "com", ""])
def test_other_domains_are_foreign(name: str) -> None:
    assert read_name(labels(name), (b"consul",), b"dc1") == Foreign()


def test_a_domain_of_several_labels_is_cut_off_whole() -> None:
    assert read_name(labels("web.service.sd.example.com"), labels("sd.example.com"), b"dc1") == WEB
    assert read_name(labels("web.service.example.com"), labels("sd.example.com"), b"dc1") == Foreign()


@pytest.mark.parametrize(
    ("name", "lookup"),
    [
        ("1.2.0.10.in-addr.arpa", ReverseLookup(bytes((10, 0, 2, 1)))),
        (
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            ReverseLookup(b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"),
        ),
        ("0.10.in-addr.arpa", ReverseLookup(None)),
        ("256.0.0.10.in-addr.arpa", ReverseLookup(None)),
        ("x.0.0.10.in-addr.arpa", ReverseLookup(None)),
        ("8.b.d.0.1.0.0.2.ip6.arpa", ReverseLookup(None)),
        ("g" + ".0" * 31 + ".ip6.arpa", ReverseLookup(None)),
        ("home.arpa", ReverseLookup(None)),
        ("example.com", None),
    ],
)
def test_reverse_names_tell_addresses(name: str, lookup: ReverseLookup | None) -> None:
    assert read_reverse_name(labels(name)) == lookup

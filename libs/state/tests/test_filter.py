"""The filter language: tables of what is taken, what it means, and what is refused where."""

import pytest

from lictor_state.coordinate_rows import CoordinateRow
from lictor_state.filter import FilterError, FilterKind, compile_filter, kinds
from lictor_state.filter.syntax import CHARS_MAX, DEPTH_MAX, MATCHES_MAX
from lictor_state.queries import Instance
from lictor_state.rows import CheckRow, NodeRow, ProxyDefinition, ServiceRow, TaggedAddress, Upstream

NODE = NodeRow("n1", "0000-1", "10.0.0.1", "dc1", tagged_addresses={"lan": "10.0.0.1"}, meta={"k": "v", "a b": "c"})
SERVICE = ServiceRow(
    "n1",
    "web-1",
    "web",
    tags=("v1", "prod"),
    port=80,
    meta={"k": "v", "n": "1"},
    tagged_addresses={"wan": TaggedAddress("1.1.1.1", 443)},
)
CHECKS = (
    CheckRow("n1", "serfHealth", "Serf Health Status", "passing", output="Agent alive and reachable"),
    CheckRow("n1", "c1", "one", "warning", output="12% left\n", service_id="web-1", service_tags=("v1", "prod")),
)
HEALTH = Instance(NODE, SERVICE, CHECKS)
BARE = Instance(NODE, ServiceRow("n1", "x", "x"), ())

MEANS = [
    ("Service.Service == web", True),
    ("Service.Service==web", True),
    ("  Service.Service == web\t\r\n", True),
    ('Service.Service != "web"', False),
    ("Service.Service == `web`", True),
    ("Service.Port == 80", True),
    ("Service.Port != 80", False),
    ('Service.Port == "0x50"', True),
    ('Service.Port == "0b1010000"', True),
    ('Service.Port == "0120"', True),
    ('Service.Port == "0o120"', True),
    ('Service.Port == "8_0"', True),
    ("Service.Port == -80", False),
    ("Service.EnableTagOverride == false", True),
    ("Service.EnableTagOverride == 0", True),
    ("Service.EnableTagOverride != F", False),
    ("Service.Tags contains v1", True),
    ("v1 in Service.Tags", True),
    ("v2 in Service.Tags", False),
    ("v2 not in Service.Tags", True),
    ("Service.Tags not contains v2", True),
    ("Service.Tags is empty", False),
    ("Service.Tags is not empty", True),
    ("we in Service.Service", True),
    ("Service.Service contains eb", True),
    ("Service.Service not contains eb", False),
    ("Service.Address is empty", True),
    ("Service.Service is not empty", True),
    ('Service.Service matches "^w.b$"', True),
    ('Service.Service matches "e"', True),
    ('Service.Service not matches "^e"', True),
    ("Service.Meta.k == v", True),
    ('Service.Meta["k"] == v', True),
    ("Service.Meta[ `k` ] == v", True),
    ('Node.Meta["a b"] == c', True),
    ("k in Service.Meta", True),
    ("Service.Meta contains z", False),
    ("Service.Meta is not empty", True),
    ("Service.Meta.n == 1", True),
    ("Service.Meta.z == v", False),
    ("v in Service.Meta.z", False),
    ("Service.Meta.z is not empty", False),
    ("Service.Meta.z != v", True),
    ("v not in Service.Meta.z", True),
    ("Service.Meta.z is empty", True),
    ("Service.Meta.z matches v", True),
    ("Service.Meta.z not matches v", True),
    ("Service.TaggedAddresses.wan.Port == 443", True),
    ("Service.TaggedAddresses.lan.Port == 443", False),
    ("Service.TaggedAddresses.lan.Port != 443", True),
    ("Service.TaggedAddresses contains wan", True),
    ("Checks.Status == warning", True),
    ("Checks.Status != warning", True),
    ("Checks.Status == critical", False),
    ("Checks.Status != critical", True),
    ("Checks.ServiceTags contains prod", True),
    ("prod not in Checks.ServiceTags", True),
    ('Checks["Status"] == passing', True),
    ("Checks is empty", False),
    ('Checks.Output matches "left$"', False),
    ('Checks.Output matches "(?m)left$"', True),
    ("Checks.Output contains `12%`", True),
    ("Service.Proxy.Upstreams is empty", True),
    ("Service.Proxy.Upstreams.DestinationName == db", False),
    ("Service.Proxy.MeshGateway.Mode == ``", True),
    ("Service.Connect.Native == true", False),
    ("Service.Weights.Passing == 1", True),
    ("Service.Kind != `connect-proxy`", True),
    ("not Service.Service == web", False),
    ("not not Service.Service == web", True),
    ("not Service.Service == db and Service.Port == 80", True),
    ("not (Service.Service == db or Service.Port == 80)", False),
    ("Service.Service == web or Service.Service == db and Service.Port == 1", True),
    ("(Service.Service == web or Service.Service == db) and Service.Port == 1", False),
    ("( ( Service.Port==80 ) )", True),
    ("Service.Service == a or Service.Service == b or Service.Service == web", True),
    ("Service.Service == web and Service.Port == 80 and Service.Port == 81", False),
    ("Service.Service == not", False),
    ("not in Service.Tags", False),
    ("not not in Service.Tags", True),
    ("or not in Service.Tags or and in Service.Tags", True),
    ("Service.Service == web.x", False),
    ('Service.Service != "w\\145b"', False),
    ('Service.Service == "\\x77\\u0065b"', True),
]


@pytest.mark.parametrize(("text", "holds"), MEANS)
def test_what_a_filter_means(text: str, holds: bool) -> None:
    assert compile_filter(text, kinds.HEALTH)(HEALTH) is holds


@pytest.mark.parametrize(
    "text", ["Checks.Status == passing", "Checks.Status != passing", "x not in Checks.ServiceTags"]
)
def test_through_an_empty_list_nothing_holds(text: str) -> None:
    assert compile_filter(text, kinds.HEALTH)(BARE) is False


REFUSED = [
    ("", "1:1 (0): no match found"),
    ("  ", "1:3 (2): no match found"),
    ("Service.Service", "1:16 (15): no match found"),
    ("Service.Service ==", "1:19 (18): no match found"),
    ("Service.Service = web", "1:17 (16): no match found"),
    ("Service.Service == 'web'", "1:20 (19): no match found"),
    ("not(Service.Service == web)", "1:4 (3): no match found"),
    ("Service.Port == 80and Service.Port == 80", '1:19 (18): rule "number": Invalid number literal'),
    ("Service.Port == 080", '1:18 (17): rule "number": Invalid number literal'),
    ("Service.Service == 10.0.0.1", '1:24 (23): rule "number": Invalid number literal'),
    ("Service.Service == web)", "1:23 (22): no match found"),
    ("(Service.Service == web", '1:24 (23): rule "grouping": Unmatched parentheses'),
    ("Service.Service == web and", "1:24 (23): no match found"),
    ("Service.Service == web\nand Service.Port == x y", "2:23 (45): no match found"),
    ("Service.Service == `a`and Service.Port == 80", "1:23 (22): no match found"),
    ("(Service.Port == 80)and (Service.Port == 80)", "1:21 (20): no match found"),
    ('"web"in Service.Service', "1:6 (5): no match found"),
    ('Service.Service matches"x"', "1:24 (23): no match found"),
    ("Service.Service == `web", '1:24 (23): rule "string": Unterminated string literal'),
    ('Service.Service == "a\\"b"', '1:20 (19): rule "string": invalid syntax'),
    ('Service.Service == "a\nb"', '1:20 (19): rule "string": invalid syntax'),
    ('Service.Service == "\\400"', '1:20 (19): rule "string": invalid syntax'),
    ('Service.Service == "\\ud800"', '1:20 (19): rule "string": invalid syntax'),
    ("Service[Port] == 1", '1:9 (8): rule "index": Invalid index'),
    ('Service["Port" == 1', '1:16 (15): rule "index": Unclosed index expression'),
    ("Service.Port in 80", '1:17 (16): rule "match": Invalid selector'),
    ("80 == Service.Port", "1:4 (3): no match found"),
    ("Bogus == 1", 'Selector "Bogus" is not valid, at 1:1 (0)'),
    ("Service.Bogus.More == 1", 'Selector "Service.Bogus" is not valid, at 1:1 (0)'),
    ("Service.Port == 80 and Checks.Bogus == 1", 'Selector "Checks.Bogus" is not valid, at 1:24 (23)'),
    ("x in Node.Meta.a.b", 'Selector "Node.Meta.a.b" is not valid, at 1:6 (5)'),
    ("Service.CreateIndex == 1", 'Selector "Service.CreateIndex" is not valid'),
    ("Service.Proxy.Config.x == 1", 'Selector "Service.Proxy.Config" is not valid'),
    ("Service == 1", 'Invalid match operator "Equal" for selector "Service"'),
    ("Service.Meta == 1", 'Invalid match operator "Equal" for selector "Service.Meta"'),
    ("Service.Tags != 1", 'Invalid match operator "Not Equal" for selector "Service.Tags"'),
    ("Service.Tags matches x", 'Invalid match operator "Matches" for selector "Service.Tags"'),
    ("80 in Service.Port", 'Invalid match operator "In" for selector "Service.Port"'),
    ("Service.Port not matches x", 'Invalid match operator "Not Matches" for selector "Service.Port"'),
    ("Service.Port is empty", 'Invalid match operator "Is Empty" for selector "Service.Port"'),
    ("Service.Port is not empty", 'Invalid match operator "Is Not Empty" for selector "Service.Port"'),
    ("x not in Checks", 'Invalid match operator "Not In" for selector "Checks"'),
    ("Service.Port == x", 'Failed to coerce value "x" for selector "Service.Port": strconv.ParseInt: parsing "x": invalid syntax, at 1:17 (16)'),
    ("Service.Port == 80.0", 'strconv.ParseInt: parsing "80.0": invalid syntax'),
    ("Service.Port == 99999999999999999999", "value out of range"),
    (f'Service.Port == "{"9" * 5000}"', "value out of range"),
    ("Service.EnableTagOverride == no", 'strconv.ParseBool: parsing "no": invalid syntax'),
    ('Service.Service matches "("', 'Failed to compile regular expression "(": error parsing regexp: missing closing ): `(`, at 1:25 (24)'),
    ('Service.Service matches "(?=a)"', "invalid or unsupported Perl syntax: `(?=`"),
    (f"Node.ID == `{'x' * CHARS_MAX}`", f"the expression is longer than {CHARS_MAX} characters"),
    (" or ".join(["Node.ID == x"] * (MATCHES_MAX + 1)), f"more than {MATCHES_MAX} comparisons"),
    ("(" * (DEPTH_MAX + 2) + "Node.ID == x" + ")" * (DEPTH_MAX + 2), f"nested deeper than {DEPTH_MAX}"),
    ("not " * (DEPTH_MAX + 2) + "Node.ID == x", f"nested deeper than {DEPTH_MAX}"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_refused_and_where(text: str, reason: str) -> None:
    with pytest.raises(FilterError) as raised:
        compile_filter(text, kinds.HEALTH)
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "(" * DEPTH_MAX + "Node.ID == x" + ")" * DEPTH_MAX,
        "not " * DEPTH_MAX + "Node.ID == x",
        " and ".join(["Node.ID != x"] * MATCHES_MAX),
    ],
)
def test_up_to_the_limits_everything_is_taken(text: str) -> None:
    assert compile_filter(text, kinds.HEALTH)(HEALTH) in {True, False}


def test_a_proxys_parts_are_selected_whether_or_not_there_is_a_proxy() -> None:
    proxy = ProxyDefinition(
        "web",
        upstreams=(Upstream("db", 9191), Upstream("cache", 9192, mesh_gateway_mode="local")),
        expose={"Checks": True, "Paths": [{"Path": "/h", "ListenerPort": 21500}]},
        transparent_proxy={"OutboundListenerPort": 15001},
        mode="transparent",
    )
    row = ServiceRow("n1", "p", "p", kind="connect-proxy", proxy=proxy)
    for text, with_proxy, without in [
        ("Proxy.DestinationServiceName == web", True, False),
        ("Proxy.Upstreams.DestinationName == cache", True, False),
        ("Proxy.Upstreams.LocalBindPort == 9191", True, False),
        ("Proxy.Upstreams.MeshGateway.Mode == local", True, False),
        ("Proxy.Expose.Checks == true", True, False),
        ("Proxy.Expose.Paths.Path == `/h`", True, False),
        ("Proxy.TransparentProxy.OutboundListenerPort == 15001", True, False),
        ("Proxy.TransparentProxy.DialedDirectly == false", True, True),
        ("Proxy.Mode == transparent", True, False),
        ("Proxy.MeshGateway.Mode == ``", True, True),
    ]:
        holds = compile_filter(text, kinds.SERVICE)
        assert (holds(row), holds(SERVICE)) == (with_proxy, without), text


def test_numbers_with_fractions_are_compared_as_numbers() -> None:
    row = CoordinateRow("n1", "", (0.5, 1.0), 1.5, 0.0, 1e-05)
    for text, holds in [
        ("Coord.Error == 1.5", True),
        ("Coord.Error == 1.50", True),
        ('Coord.Height == "1e-5"', True),
        ('Coord.Error == "0x1.8p0"', True),
        ("1 in Coord.Vec", True),
        ("0.25 in Coord.Vec", False),
        ("Coord.Vec is not empty", True),
    ]:
        assert compile_filter(text, kinds.COORDINATE)(row) is holds, text
    for text in ("Coord.Error == x", 'Coord.Error == "1_0"', 'Coord.Error == " 1"', "x in Coord.Vec"):
        with pytest.raises(FilterError, match="ParseFloat"):
            compile_filter(text, kinds.COORDINATE)


SELECTORS = {
    kinds.NODE: "ID Node Address Datacenter TaggedAddresses Meta PeerName",
    kinds.CHECK: "Node CheckID Name Status Notes Output ServiceID ServiceName ServiceTags Type Interval Timeout ExposedPort PeerName",
    kinds.MEMBER: "Name Addr Port Tags Status ProtocolMin ProtocolMax ProtocolCur DelegateMin DelegateMax DelegateCur",
    kinds.INTENTION: "ID Description SourceNS SourceName SourcePeer DestinationNS DestinationName SourceType Action Meta Precedence",
    kinds.HEALTH: "Node Service Checks",
}  # fmt: skip


@pytest.mark.parametrize("kind", list(SELECTORS), ids=lambda kind: kind.name)
def test_what_can_be_selected(kind: FilterKind) -> None:
    assert set(kind.fields.fields) == set(SELECTORS[kind].split())


def test_a_filter_is_compiled_once_for_each_kind() -> None:
    text = "Node == once"
    assert compile_filter(text, kinds.NODE) is compile_filter(text, kinds.NODE)
    assert compile_filter(text, kinds.NODE) is not compile_filter(text, kinds.CHECK)

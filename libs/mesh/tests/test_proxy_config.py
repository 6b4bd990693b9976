"""A proxy's desired configuration, built from a store that real commands have filled."""

from collections.abc import Callable
from typing import Any

import pytest

from lictor_mesh.bootstrap import bootstrap
from lictor_mesh.destinations import Destinations, Endpoint, endpoint_health
from lictor_mesh.proxy_config import Desired, desired_config
from lictor_mesh.rbac import DENY_ALL, AccessRules
from lictor_state import Command, Envelope, Store, apply
from lictor_state.commands import (
    CARootSet,
    CatalogDeregister,
    CatalogRegister,
    CheckSpec,
    ConfigEntrySet,
    ServiceSpec,
)
from lictor_state.rows import CARootRow, CheckRow, ProxyDefinition, ServiceRow, Upstream, Weights

CLUSTER = "11111111-2222-3333-4444-555555555555"
TD = f"{CLUSTER}.consul"
ROOT = CARootRow("aa:bb", "root", 1, "cc", CLUSTER, "2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z", "PEM")


class World:
    """A store and the commands that fill it."""

    def __init__(self) -> None:
        self.store = Store(CLUSTER)
        self.raft_index = 0
        self.woken = 0

    def do(self, command: Command) -> None:
        self.raft_index += 1
        applied = apply(self.store, self.raft_index, Envelope(0, 0, 0, command))
        assert not applied.result.error, applied.result

    def root(self) -> None:
        self.do(CARootSet(ROOT, "key", 0))

    def service(self, spec: ServiceSpec, *, node: str = "n1", address: str = "10.0.0.1", status: str = "") -> None:
        checks = (CheckSpec(f"c-{spec.service_id}", "c", status, service_id=spec.service_id),) if status else ()
        self.do(CatalogRegister(node, address, "dc1", service=spec, checks=checks))

    def sidecar(self, name: str, port: int = 21000, **proxy: Any) -> None:
        definition = ProxyDefinition(
            **{"destination_service_name": name, "destination_service_id": name, "local_service_port": 8080, **proxy}
        )
        self.service(ServiceSpec(f"{name}-proxy", f"{name}-proxy", "connect-proxy", port=port, proxy=definition))

    def entry(self, kind: str, name: str, **body: Any) -> None:
        self.do(ConfigEntrySet(kind, name, body))

    def build(self, proxy_id: str, node: str = "n1", *, default_allow: bool = True) -> Desired:
        return desired_config(
            Destinations(self.store),
            self.store,
            proxy_id=proxy_id,
            node=node,
            datacenter="dc1",
            default_allow=default_allow,
        )

    def watch(self, desired: Desired) -> None:
        def wake() -> None:
            self.woken += 1

        self.store.watches.add(desired.tokens, wake)


@pytest.fixture
def world() -> World:
    return World()


def upstream(name: str, port: int = 9191, **fields: Any) -> Upstream:
    return Upstream(name, port, **fields)


def test_a_proxy_that_is_not_registered_waits_and_its_registration_wakes_the_waiter(world: World) -> None:
    world.root()
    for node in ("n1", ""):
        desired = world.build("web-proxy", node)
        assert desired.status == "waiting"
        assert "not registered" in desired.reason
        world.watch(desired)
    world.sidecar("web")
    assert world.woken == 2
    assert world.build("web-proxy").status == world.build("web-proxy", "").status == "ready"


def test_a_proxy_waits_for_the_first_root(world: World) -> None:
    world.sidecar("web")
    desired = world.build("web-proxy")
    assert (desired.status, "no root" in desired.reason) == ("waiting", True)
    world.watch(desired)
    world.root()
    assert world.woken == 1


def test_a_service_that_is_no_proxy_and_an_id_on_two_nodes_wait_with_their_reason(world: World) -> None:
    world.root()
    world.service(ServiceSpec("web", "web", port=80))
    assert "not connect-proxy" in world.build("web").reason
    proxy = ServiceSpec("p", "p", "connect-proxy", port=1, proxy=ProxyDefinition("web", local_service_port=80))
    for node in ("a", "b"):
        world.service(proxy, node=node)
    assert "registered on a, b" in world.build("p", "").reason


def test_names_ports_and_identity_come_from_the_registration(world: World) -> None:
    world.root()
    world.sidecar("web", upstreams=(upstream("db"),))
    config = world.build("web-proxy").config
    assert config is not None
    assert config.identity.uri == f"spiffe://{TD}/ns/default/dc/dc1/svc/web"
    assert (config.inbound.address, config.inbound.port) == ("0.0.0.0", 21000)
    assert (config.inbound.local_address, config.inbound.local_port, config.inbound.protocol) == (
        "127.0.0.1",
        8080,
        "tcp",
    )
    (db,) = config.upstreams
    assert (db.cluster, db.bind_address, db.bind_port) == (f"db.default.dc1.internal.{TD}", "127.0.0.1", 9191)
    assert db.spiffe_uri == f"spiffe://{TD}/ns/default/dc/dc1/svc/db"
    assert db.endpoints == ()
    assert config.problems == ()


def test_the_protocol_is_the_registrations_then_the_services_then_the_shared_default(world: World) -> None:
    world.root()
    world.sidecar("web", upstreams=(upstream("db"),))
    found = []
    changes: list[Callable[[], None]] = [
        lambda: None,
        lambda: world.entry("proxy-defaults", "global", Config={"protocol": "HTTP"}),
        lambda: world.entry("service-defaults", "db", Protocol="grpc"),
        lambda: world.entry("service-defaults", "web", Protocol="http2"),
        lambda: world.sidecar(
            "web", upstreams=(upstream("db", config={"protocol": "tcp"}),), config={"protocol": "http"}
        ),
    ]
    for change in changes:
        before = world.woken
        world.watch(world.build("web-proxy"))
        change()
        config = world.build("web-proxy").config
        assert config is not None
        found.append((config.inbound.protocol, config.upstreams[0].protocol, world.woken - before))
    assert [one[:2] for one in found] == [
        ("tcp", "tcp"),
        ("http", "http"),
        ("http", "grpc"),
        ("http2", "grpc"),
        ("http", "tcp"),
    ]
    assert [one[2] > 0 for one in found] == [False, True, True, True, True]


def test_intentions_become_rules_and_their_change_wakes_the_destination_only(world: World) -> None:
    world.root()
    world.sidecar("web", 21001, upstreams=(upstream("db"),))
    world.sidecar("db", 21002)
    web, db = world.build("web-proxy"), world.build("db-proxy")
    assert db.config is not None
    assert db.config.inbound.rules == AccessRules("deny")
    world.watch(web)
    world.entry("service-intentions", "db", Sources=[{"Name": "web", "Action": "deny"}])
    assert world.woken == 0
    world.watch(db)
    world.entry("service-intentions", "*", Sources=[{"Name": "*", "Action": "deny"}])
    assert world.woken == 2  # `*` is everybody's destination
    closed = world.build("db-proxy", default_allow=False).config
    assert closed is not None
    assert closed.inbound.rules == DENY_ALL


def test_endpoints_are_the_destinations_proxies_with_health_and_weight(world: World) -> None:
    world.root()
    world.sidecar("web", upstreams=(upstream("db"),))
    for number, status, weights in [
        (1, "passing", Weights(3, 1)),
        (2, "critical", Weights()),
        (3, "warning", Weights(9, 5)),
        (4, "", Weights(500, 1)),
    ]:
        spec = ServiceSpec(
            f"db{number}",
            "db-sidecar",
            "connect-proxy",
            address=f"10.0.0.{number}",
            port=2000,
            weights=weights,
            proxy=ProxyDefinition("db", local_service_port=1),
        )
        world.service(spec, status=status)
    world.service(
        ServiceSpec(
            "named",
            "db-sidecar",
            "connect-proxy",
            address="db.example",
            port=2000,
            proxy=ProxyDefinition("db", local_service_port=1),
        )
    )
    desired = world.build("web-proxy")
    assert desired.config is not None
    assert desired.config.upstreams[0].endpoints == (
        Endpoint("10.0.0.1", 2000, True, 3),
        Endpoint("10.0.0.2", 2000, False, 1),
        Endpoint("10.0.0.3", 2000, True, 5),
        Endpoint("10.0.0.4", 2000, True, 128),
    )
    assert any("db.example" in problem for problem in desired.config.problems)
    world.watch(desired)
    world.do(CatalogDeregister("n1", "db1"))
    assert world.woken == 1
    after = world.build("web-proxy").config
    assert after is not None
    assert len(after.upstreams[0].endpoints) == 3


@pytest.mark.parametrize(
    ("statuses", "weights", "outcome"),
    [
        ((), Weights(), (True, 1)),
        (("passing", "passing"), Weights(2, 1), (True, 2)),
        (("passing", "warning"), Weights(2, 1), (True, 1)),
        (("warning",), Weights(2, 0), (False, 1)),
        (("warning", "critical"), Weights(), (False, 1)),
        (("maintenance",), Weights(), (False, 1)),
    ],
)
def test_health_and_weight_of_an_endpoint(
    statuses: tuple[str, ...], weights: Weights, outcome: tuple[bool, int]
) -> None:
    checks = [CheckRow("n", f"c{number}", "c", status) for number, status in enumerate(statuses)]
    assert endpoint_health(checks, weights) == outcome


INVALID = [
    ("no local port", {"local_service_port": 0}, "LocalServicePort"),
    ("a port out of range", {"config": {"bind_port": 70000}}, "no port from 1 to 65535"),
    ("two upstreams on one port", {"upstreams": (upstream("a"), upstream("b"))}, "already taken by upstream a"),
    (
        "an upstream on the public port",
        {"config": {"bind_address": "127.0.0.1"}, "upstreams": (upstream("a", 21000),)},
        "the public listener",
    ),
    ("a bind address that is none", {"upstreams": (upstream("a", local_bind_address="nowhere"),)}, "no IP address"),
    (
        "one destination in two ways",
        {"upstreams": (upstream("a", 1), upstream("a", 2, config={"protocol": "http"}))},
        "differ",
    ),
]


@pytest.mark.parametrize(("proxy", "message"), [row[1:] for row in INVALID], ids=[row[0] for row in INVALID])
def test_what_cannot_be_told_to_envoy_is_invalid_with_its_field(
    proxy: dict[str, Any], message: str, world: World
) -> None:
    world.root()
    world.sidecar("web", **proxy)
    desired = world.build("web-proxy")
    assert desired.status == "invalid"
    assert message in desired.reason


def test_what_is_not_supported_is_left_out_and_named(world: World) -> None:
    world.root()
    world.entry("service-defaults", "db", Protocol="http")
    world.entry("service-resolver", "db", ConnectTimeout="3s")
    world.sidecar(
        "web",
        mode="transparent",
        config={"local_connect_timeout_ms": "soon"},
        upstreams=(
            upstream("db"),
            upstream("q", 2, destination_type="prepared_query"),
            upstream("far", 3, datacenter="dc2"),
        ),
    )
    config = world.build("web-proxy").config
    assert config is not None
    assert [one.service for one in config.upstreams] == ["db"]
    assert config.inbound.connect_timeout_ms == 5000
    text = "\n".join(config.problems)
    for word in ("transparent", "local_connect_timeout_ms", "service-resolver", "prepared_query", "dc2"):
        assert word in text


def test_a_bootstrap_names_the_proxy_and_its_control_plane() -> None:
    row = ServiceRow("n1", "web-proxy", "web-proxy", "connect-proxy", proxy=ProxyDefinition("web"))
    made = bootstrap(
        row,
        xds_host="127.0.0.1",
        xds_port=8502,
        admin_host="127.0.0.1",
        admin_port=19000,
        node_name="n1",
        datacenter="dc1",
        more_xds=[("127.0.0.2", 8502)],
    )
    assert (made["node"]["id"], made["node"]["cluster"], made["node"]["metadata"]["node_name"]) == (
        "web-proxy",
        "web",
        "n1",
    )
    assert made["dynamic_resources"]["ads_config"]["set_node_on_first_message_only"] is True
    assert len(made["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]) == 2
    with pytest.raises(ValueError, match="not a connect-proxy"):
        bootstrap(
            ServiceRow("n1", "web", "web"),
            xds_host="h",
            xds_port=1,
            admin_host="h",
            admin_port=1,
            node_name="n",
            datacenter="d",
        )

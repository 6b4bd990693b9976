"""What `lictor dev` starts, as values: every process with its command, environment and ports. Pure.

Nothing here starts anything or looks at the machine; `supervisor` does. The ports are Consul's own, moved by the
offset; an option names each, so that a taken port can be told with the option that moves it.
"""

import sys
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

NODE = "node-1"
HOST = "127.0.0.1"
SERVER_PORT_STEP = 10
"""Servers on one machine are told apart by the port that they show; nothing listens there."""


class Kind(Enum):
    """What happens when a process ends by itself."""

    ROLE = "role"  # restarted
    DEMO = "demo"  # stays down until asked for


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of the suite, after options and offset."""

    http: int = 8500
    grpc: int = 8502
    dns: int = 8600
    serf: int = 8301
    server: int = 8300
    nats: int = 4222
    operations: int = 8571
    envoy_admin: int = 19000
    sidecar_min: int = 21000
    sidecar_max: int = 21255
    frontend: int = 9090
    backend: int = 9091
    upstream: int = 9190

    def moved(self, offset: int) -> "Ports":
        """All ports, moved by `offset`."""
        return Ports(**{name: getattr(self, name) + offset for name in self.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for; `None` keeps the default, moved by the offset."""

    servers: int = 3
    demo: bool = True
    direct: bool = False
    data_dir: Path = Path(".lictor")
    port_offset: int = 0
    http_port: int | None = None
    dns_port: int | None = None
    grpc_port: int | None = None
    serf_port: int | None = None
    nats_port: int | None = None

    def ports(self) -> Ports:
        """The ports that follow from the options."""
        moved = Ports().moved(self.port_offset)
        given = {
            "http": self.http_port,
            "dns": self.dns_port,
            "grpc": self.grpc_port,
            "serf": self.serf_port,
            "nats": self.nats_port,
        }
        values = {name: getattr(moved, name) for name in moved.__dataclass_fields__}
        return Ports(**{**values, **{name: port for name, port in given.items() if port is not None}})


@dataclass(frozen=True, slots=True)
class Listen:
    """A port that a process will bind, and the option that moves it."""

    port: int
    option: str
    udp: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """One process to supervise; `ready_url` answers 200 once it is ready."""

    name: str
    command: tuple[str, ...]
    kind: Kind = Kind.ROLE
    environment: dict[str, str] = field(default_factory=dict)
    listens: tuple[Listen, ...] = ()
    ready_url: str = ""


def nats(ports: Ports) -> Process:
    """The NATS server, from its wheel."""
    return Process(
        "nats",
        (_beside_python("nats-server"), "--addr", HOST, "--port", str(ports.nats)),
        listens=(Listen(ports.nats, "--nats-port"),),
    )


def roles(options: Options) -> list[Process]:
    """The control plane, one process per role."""
    ports = options.ports()
    common = {
        "LICTOR_NODE": NODE,
        "LICTOR_NATS_URL": f"nats://{HOST}:{ports.nats}",
        "LICTOR_BIND": HOST,
        "LICTOR_LOG_FORMAT": "console",
        "LICTOR_BOOTSTRAP_EXPECT": str(options.servers),
        "LICTOR_DIRECT": "on" if options.direct else "off",
    }
    operations = iter(range(ports.operations, ports.operations + 7 + options.servers))

    def role(name: str, module: str, listens: tuple[Listen, ...] = (), **settings: str) -> Process:
        port = next(operations)
        environment = {f"LICTOR_{key.upper()}": value for key, value in settings.items()}
        return Process(
            name,
            (sys.executable, "-m", module),
            environment={**common, **environment, "LICTOR_OPERATIONS_PORT": str(port)},
            listens=(*listens, Listen(port, "--port-offset")),
            ready_url=f"http://{HOST}:{port}/readyz",
        )

    catalog = role(
        "catalog",
        "lictor_catalog",
        (Listen(ports.http, "--http-port"),),
        catalog_http_port=str(ports.http),
        catalog_grpc_port=str(ports.grpc),
        catalog_dns_port=str(ports.dns),
        catalog_sidecar_port_min=str(ports.sidecar_min),
        catalog_sidecar_port_max=str(ports.sidecar_max),
    )
    stores = [
        role(
            f"raft-store-{number + 1}" if options.servers > 1 else "raft-store",
            "lictor_raft_store",
            data_dir=str(options.data_dir / "raft-store"),
            raft_store_port=str(ports.server + SERVER_PORT_STEP * number),
        )
        for number in range(options.servers)
    ]
    serf = (Listen(ports.serf, "--serf-port"), Listen(ports.serf, "--serf-port", udp=True))
    dns = (Listen(ports.dns, "--dns-port"), Listen(ports.dns, "--dns-port", udp=True))
    return [
        *stores,
        catalog,
        role(
            "gossip",
            "lictor_gossip",
            serf,
            gossip_port=str(ports.serf),
            data_dir=str(options.data_dir / "gossip"),
        ),
        role("healthcheck", "lictor_healthcheck"),
        role("dns", "lictor_dns", dns, dns_port=str(ports.dns)),
        role("xds", "lictor_xds", (Listen(ports.grpc, "--grpc-port"),), xds_grpc_port=str(ports.grpc)),
    ]


def demo_applications(ports: Ports) -> list[Process]:
    """Frontend and two backends."""

    def application(name: str, module: str, port: int, *arguments: str) -> Process:
        return Process(
            name,
            (sys.executable, "-m", f"lictor_cli.demo.{module}", "--port", str(port), *arguments),
            kind=Kind.DEMO,
            listens=(Listen(port, "--port-offset"),),
            ready_url=f"http://{HOST}:{port}/health",
        )

    return [
        application("frontend", "frontend", ports.frontend, "--upstream", f"{HOST}:{ports.upstream}"),
        application("backend-1", "backend", ports.backend, "--name", "backend-1"),
        application("backend-2", "backend", ports.backend + 1, "--name", "backend-2"),
    ]


def sidecar(proxied: str, admin_port: int, bootstrap: Path, public_port: int) -> Process:
    """The Envoy beside one application, from its wheel."""
    return Process(
        f"{proxied}-envoy",
        (
            _beside_python("envoy"),
            "--config-path",
            str(bootstrap),
            "--disable-hot-restart",
            "--drain-time-s",
            "5",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
        ),
        listens=(Listen(admin_port, "--port-offset"), Listen(public_port, "--port-offset")),
        ready_url=f"http://{HOST}:{admin_port}/ready",
    )


def _beside_python(name: str) -> str:
    """A program installed in the same environment as this one."""
    return str(Path(sys.executable).parent / name)

"""What a proxy must know of a service it calls: its protocol, and where its own proxies can be reached.

Protocols come from config entries (`service-defaults` of the service, then `proxy-defaults`), endpoints from the
catalog's mesh instances of the service. Health follows Consul's rules for Envoy: any critical check makes an endpoint
unhealthy, a warning gives it its warning weight, and a weight outside 1 to 128 is brought inside.
"""

import ipaddress
from collections.abc import Iterable
from typing import Any

import msgspec

from lictor_state import Store
from lictor_state.queries import health
from lictor_state.rows import CheckRow, Table, Weights, config_key
from lictor_state.watches import Token

TCP = "tcp"
HTTP_PROTOCOLS = frozenset({"http", "http2", "grpc"})
HTTP2_PROTOCOLS = frozenset({"http2", "grpc"})
WEIGHT_MAX = 128  # Envoy's limit for load-balancing weights


class Endpoint(msgspec.Struct, frozen=True):
    """One proxy of a destination."""

    address: str
    port: int
    healthy: bool
    weight: int


class Destination(msgspec.Struct, frozen=True):
    """A service as its callers see it; `tokens` are what this depends on."""

    service: str
    protocol: str
    endpoints: tuple[Endpoint, ...]
    tokens: tuple[Token, ...]
    problems: tuple[str, ...] = ()


class Destinations:
    """The destinations of one moment: each is read from the store once, for however many proxies ask.

    Make a new one whenever the store has moved; nothing here notices that by itself.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Destination] = {}

    def destination(self, service: str) -> Destination:
        """The destination named `service`; without instances it has no endpoints."""
        known = self._known.get(service)
        if known is None:
            known = self._known[service] = self._read(service)
        return known

    def _read(self, service: str) -> Destination:
        protocol, tokens = service_protocol(self._store, service)
        answer = health.connect(self._store, service)
        endpoints, problems = set(), []
        for instance in answer.value:
            row = instance.service
            address = row.address or instance.node.address
            if not is_ip(address) or not 0 < row.port < 65536:
                problems.append(
                    f"endpoint {row.service_id} of {service}: {address}:{row.port} is no IP address and port"
                )
                continue
            healthy, weight = endpoint_health(instance.checks, row.weights)
            endpoints.add(Endpoint(address, row.port, healthy, weight))
        ordered = sorted(endpoints, key=lambda one: (one.address, one.port, one.healthy, one.weight))
        return Destination(service, protocol, _one_per_address(ordered), (*tokens, *answer.tokens), tuple(problems))


def endpoint_health(checks: Iterable[CheckRow], weights: Weights) -> tuple[bool, int]:
    """Whether an instance gets traffic, and its weight."""
    statuses = {check.status for check in checks}
    weight = weights.warning if "warning" in statuses else weights.passing
    if weight < 1:
        return False, 1
    return statuses <= {"passing", "warning"}, min(weight, WEIGHT_MAX)


def service_protocol(store: Store, service: str) -> tuple[str, tuple[Token, ...]]:
    """The protocol that config entries give a service (`tcp` without any), and what the answer depends on."""
    own = ("service-defaults", service)
    shared = ("proxy-defaults", "global")
    tokens: tuple[Token, ...] = (
        ("row", Table.CONFIG_ENTRIES, config_key(*own)),
        ("row", Table.CONFIG_ENTRIES, config_key(*shared)),
    )
    protocol = config_body(store, *own).get("Protocol")
    if not protocol:
        protocol = (config_body(store, *shared).get("Config") or {}).get("protocol")
    return known_protocol(protocol), tokens


def known_protocol(name: object) -> str:
    """A protocol's name in lower case; anything that is not known is treated as tcp."""
    lowered = str(name or "").lower()
    return lowered if lowered in HTTP_PROTOCOLS else TCP


def config_body(store: Store, kind: str, name: str) -> dict[str, Any]:
    """The body of a config entry, empty when there is none."""
    row = store.config_entry(kind, name)
    return row.body if row is not None else {}


def is_ip(address: str) -> bool:
    """Whether `address` is an IPv4 or IPv6 address, the only thing Envoy takes for an endpoint."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _one_per_address(endpoints: list[Endpoint]) -> tuple[Endpoint, ...]:
    # Two instances behind one proxy address are one endpoint for Envoy; the healthier one speaks for it.
    best: dict[tuple[str, int], Endpoint] = {}
    for endpoint in endpoints:
        held = best.get((endpoint.address, endpoint.port))
        if held is None or (held.healthy, held.weight) < (endpoint.healthy, endpoint.weight):
            best[endpoint.address, endpoint.port] = endpoint
    return tuple(best.values())

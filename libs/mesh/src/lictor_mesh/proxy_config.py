"""One sidecar proxy's desired configuration, as an immutable value built from the state.

It follows Consul's sidecars: a public listener in front of the local application, guarded by mutual TLS and
intentions, and one listener per explicit upstream. The value says what should be true; Envoy's messages, certificates
and streams are made elsewhere. What is asked for and not supported (prepared queries and other datacenters as
upstreams, transparent mode, routers, splitters and resolvers) is left out and named in `problems`.
"""

from typing import Any, Literal, cast

import msgspec

from lictor_mesh import intentions, rbac
from lictor_mesh.destinations import (
    HTTP_PROTOCOLS,
    Destinations,
    Endpoint,
    config_body,
    is_ip,
    known_protocol,
    service_protocol,
)
from lictor_mesh.identity import ServiceIdentity, service_sni, trust_domain, upstream_id
from lictor_state import Store
from lictor_state.apply_agent import SIDECAR_SUFFIX
from lictor_state.rows import CARootRow, ServiceRow, Table, Upstream, config_key
from lictor_state.watches import Token

PROXY_KIND = "connect-proxy"
CONNECT_TIMEOUT_MS = 5000
UPSTREAM_BIND_ADDRESS = "127.0.0.1"
INBOUND_BIND_ADDRESS = "0.0.0.0"  # the proxy is what other hosts reach; mutual TLS guards it
LOCAL_ADDRESS = "127.0.0.1"
_CHAIN_KINDS = ("service-router", "service-splitter", "service-resolver")


class Inbound(msgspec.Struct, frozen=True):
    """The public listener and the application behind it; `local_path` is a socket's path instead of a port."""

    address: str
    port: int
    protocol: str
    local_address: str
    local_port: int
    local_path: str
    connect_timeout_ms: int
    rules: rbac.AccessRules


class UpstreamConfig(msgspec.Struct, frozen=True):
    """A listener for the application's own calls, and the cluster behind it.

    `cluster` is also the TLS server name; `spiffe_uri` is the only identity accepted from the other side.
    """

    upstream_id: str
    service: str
    datacenter: str
    protocol: str
    cluster: str
    spiffe_uri: str
    bind_address: str
    bind_port: int
    bind_path: str
    connect_timeout_ms: int
    endpoints: tuple[Endpoint, ...]


class ProxyConfig(msgspec.Struct, frozen=True):
    """Everything that one proxy should be told, except its certificate."""

    proxy_id: str
    node: str
    identity: ServiceIdentity
    inbound: Inbound
    upstreams: tuple[UpstreamConfig, ...]
    problems: tuple[str, ...] = ()


class Desired(msgspec.Struct, frozen=True):
    """The outcome of a build: a configuration, or why there is none yet (`waiting`) or none possible (`invalid`).

    `tokens` are what the outcome depends on: it holds until one of them fires.
    """

    status: Literal["ready", "waiting", "invalid"]
    tokens: tuple[Token, ...]
    config: ProxyConfig | None = None
    reason: str = ""


class InvalidConfigurationError(ValueError):
    """What is registered cannot be told to Envoy; the message names the field and the rule."""


class _Parts:
    """What a build gathers on its way."""

    def __init__(self) -> None:
        self.tokens: dict[Token, None] = {}
        self.problems: list[str] = []

    def depends_on(self, *tokens: Token) -> None:
        self.tokens.update(dict.fromkeys(tokens))

    def depends_on_entry(self, kind: str, name: str) -> None:
        self.depends_on(("row", Table.CONFIG_ENTRIES, config_key(kind, name)))


def desired_config(
    destinations: Destinations,
    store: Store,
    *,
    proxy_id: str,
    node: str,
    datacenter: str,
    default_allow: bool,
) -> Desired:
    """Build what the proxy `proxy_id` should be told.

    Args:
        destinations: what has been read of `store` at this moment.
        store: the state.
        proxy_id: the service id of the proxy, as in Envoy's node id.
        node: its catalog node; empty when Envoy does not say, and then the id must be unique.
        datacenter: the datacenter of this control plane.
        default_allow: what happens to callers that no intention names.
    """
    parts = _Parts()
    row, reason = _find_proxy(store, proxy_id, node, parts)
    if row is None:
        return Desired("waiting", tuple(parts.tokens), reason=reason)
    parts.depends_on(("table", Table.CA_ROOTS))
    root = next((cast("CARootRow", root) for _, root in store.rows(Table.CA_ROOTS)), None)
    if root is None:
        return Desired("waiting", tuple(parts.tokens), reason="the certificate authority has no root yet")
    domain = trust_domain(root.external_trust_domain)
    assert row.proxy is not None, "a proxy was looked for"
    identity = ServiceIdentity(domain, datacenter, row.proxy.destination_service_name)
    try:
        inbound = _inbound(store, row, parts, default_allow=default_allow)
        upstreams = _upstreams(destinations, store, row, identity, parts)
        _check_binds(inbound, upstreams)
    except InvalidConfigurationError as error:
        return Desired("invalid", tuple(parts.tokens), reason=str(error))
    config = ProxyConfig(row.service_id, row.node, identity, inbound, upstreams, tuple(parts.problems))
    return Desired("ready", tuple(parts.tokens), config)


def _find_proxy(store: Store, proxy_id: str, node: str, parts: _Parts) -> tuple[ServiceRow | None, str]:
    if node:
        key = (node.lower(), proxy_id)
        parts.depends_on(("row", Table.SERVICES, key))
        row = cast("ServiceRow | None", store.get(Table.SERVICES, key))
        found = [row] if row is not None else []
    else:
        named = [cast("ServiceRow", row) for key, row in store.rows(Table.SERVICES) if key[1] == proxy_id]
        found = [row for row in named if row.kind == PROXY_KIND] or named
        if len(found) == 1:
            parts.depends_on(("row", Table.SERVICES, (found[0].node.lower(), proxy_id)))
        else:
            parts.depends_on(("table", Table.SERVICES))
    where = f" on node {node!r}" if node else ""
    if not found:
        # whoever reads the state may have left out what is no proxy, so this is said of an application's id too
        own = f"; a sidecar's id is its own, often {proxy_id}{SIDECAR_SUFFIX}"
        hint = "" if proxy_id.endswith(SIDECAR_SUFFIX) else own
        return None, f"proxy {proxy_id!r} is not registered{where}{hint}"
    if len(found) > 1:
        nodes = ", ".join(sorted(row.node for row in found))
        return None, f"proxy {proxy_id!r} is registered on {nodes}; node metadata must say node_name"
    if found[0].kind != PROXY_KIND or found[0].proxy is None:
        return None, f"service {proxy_id!r}{where} is of kind {found[0].kind!r}, not {PROXY_KIND}"
    return found[0], ""


def _inbound(store: Store, row: ServiceRow, parts: _Parts, *, default_allow: bool) -> Inbound:
    proxy = row.proxy
    assert proxy is not None, "a proxy was looked for"
    service = proxy.destination_service_name
    protocol, tokens = service_protocol(store, service)
    parts.depends_on(*tokens)
    if "protocol" in proxy.config:
        protocol = known_protocol(proxy.config["protocol"])
    if proxy.mode == "transparent":
        parts.problems.append("transparent mode is not supported; only explicit upstreams get listeners")
    entries = []
    for name in (service, intentions.WILDCARD):
        parts.depends_on_entry(intentions.KIND, name)
        entries.append(store.config_entry(intentions.KIND, name))
    applying = intentions.intentions_for(service, entries)
    parts.problems += [intention.problem for intention in applying if intention.problem]
    address = str(proxy.config.get("bind_address") or row.address or INBOUND_BIND_ADDRESS)
    if not is_ip(address):
        # A host name is how others find the proxy; the proxy itself binds addresses only.
        address = INBOUND_BIND_ADDRESS
    return Inbound(
        address=address,
        port=_port(proxy.config.get("bind_port") or row.port, f"port of proxy {row.service_id!r}"),
        protocol=protocol,
        local_address=_local_address(proxy.local_service_address),
        local_port=0
        if proxy.local_service_socket_path
        else _port(proxy.local_service_port, f"LocalServicePort of proxy {row.service_id!r}"),
        local_path=proxy.local_service_socket_path,
        connect_timeout_ms=_milliseconds(proxy.config, "local_connect_timeout_ms", parts),
        rules=rbac.reduce(applying, default_allow=default_allow, http=protocol in HTTP_PROTOCOLS),
    )


def _upstreams(
    destinations: Destinations,
    store: Store,
    row: ServiceRow,
    identity: ServiceIdentity,
    parts: _Parts,
) -> tuple[UpstreamConfig, ...]:
    assert row.proxy is not None, "a proxy was looked for"
    made = []
    for upstream in row.proxy.upstreams:
        name = upstream.destination_name
        if upstream.destination_type not in {"", "service"}:
            parts.problems.append(
                f"upstream {name}: destinations of type {upstream.destination_type} are not supported"
            )
        elif upstream.datacenter not in {"", identity.datacenter}:
            parts.problems.append(f"upstream {name}: datacenter {upstream.datacenter} is not reachable from here")
        else:
            made.append(_upstream(destinations, store, upstream, identity, parts))
    return tuple(sorted(made, key=lambda one: (one.upstream_id, one.bind_address, one.bind_port, one.bind_path)))


def _upstream(
    destinations: Destinations,
    store: Store,
    upstream: Upstream,
    identity: ServiceIdentity,
    parts: _Parts,
) -> UpstreamConfig:
    name = upstream.destination_name
    for kind in _CHAIN_KINDS:
        parts.depends_on_entry(kind, name)
        if config_body(store, kind, name):
            parts.problems.append(f"upstream {name}: its {kind} is not applied")
    destination = destinations.destination(name)
    parts.depends_on(*destination.tokens)
    parts.problems += destination.problems
    protocol = destination.protocol
    if "protocol" in upstream.config:
        protocol = known_protocol(upstream.config["protocol"])
    address = upstream.local_bind_address or UPSTREAM_BIND_ADDRESS
    path = upstream.local_bind_socket_path
    if not path and not is_ip(address):
        raise InvalidConfigurationError(f"upstream {name}: LocalBindAddress {address!r} is no IP address")
    return UpstreamConfig(
        upstream_id=upstream_id(name),
        service=name,
        datacenter=identity.datacenter,
        protocol=protocol,
        cluster=service_sni(name, identity.datacenter, identity.trust_domain),
        spiffe_uri=ServiceIdentity(identity.trust_domain, identity.datacenter, name).uri,
        bind_address="" if path else address,
        bind_port=0 if path else _port(upstream.local_bind_port, f"LocalBindPort of upstream {name}"),
        bind_path=path,
        connect_timeout_ms=_milliseconds(upstream.config, "connect_timeout_ms", parts),
        endpoints=destination.endpoints,
    )


def _check_binds(inbound: Inbound, upstreams: tuple[UpstreamConfig, ...]) -> None:
    held: dict[tuple[str, int, str], str] = {(inbound.address, inbound.port, ""): "the public listener"}
    for upstream in upstreams:
        bind = (upstream.bind_address, upstream.bind_port, upstream.bind_path)
        where = upstream.bind_path or f"{upstream.bind_address}:{upstream.bind_port}"
        if bind in held:
            raise InvalidConfigurationError(f"upstream {upstream.service}: {where} is already taken by {held[bind]}")
        held[bind] = f"upstream {upstream.service}"
    clusters: dict[str, tuple[str, int]] = {}
    for upstream in upstreams:
        settings = (upstream.protocol, upstream.connect_timeout_ms)
        if clusters.setdefault(upstream.cluster, settings) != settings:
            raise InvalidConfigurationError(
                f"upstream {upstream.service}: two upstreams to it differ in protocol or timeout"
            )


def _local_address(address: str) -> str:
    return LOCAL_ADDRESS if address in {"", "localhost"} else address


def _port(value: Any, field: str) -> int:
    try:
        port = int(value)
    except (TypeError, ValueError):
        port = 0
    if not 0 < port < 65536:
        raise InvalidConfigurationError(f"{field}: {value!r} is no port from 1 to 65535")
    return port


def _milliseconds(config: dict[str, Any], field: str, parts: _Parts) -> int:
    value = config.get(field, CONNECT_TIMEOUT_MS)
    # Opaque configuration comes from many writers: numbers may be floats or text, and a wrong one never stops a proxy.
    try:
        milliseconds = int(float(value))
    except (TypeError, ValueError, OverflowError):
        milliseconds = 0
    if milliseconds > 0:
        return milliseconds
    parts.problems.append(f"{field}: {value!r} is no positive number of milliseconds; {CONNECT_TIMEOUT_MS} is used")
    return CONNECT_TIMEOUT_MS

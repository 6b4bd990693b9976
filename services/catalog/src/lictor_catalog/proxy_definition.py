"""The `Proxy` block of a service: decoding, canonical form and the rules that the block alone shows.

Field names, aliases and refusals follow Consul's proxy registration. What only Consul Enterprise or cluster peering
understands is refused by name rather than ignored. Rules across services and config entries are judged in apply.
"""

from typing import Any

from lictor_catalog.body_decoding import ListOf, Shape, flag, integer, opaque, opaque_object, text
from lictor_catalog.errors import ApiError
from lictor_state.rows import ProxyDefinition, Upstream

_MESH_GATEWAY = Shape({"Mode": text})
_UPSTREAM = Shape(
    {
        "DestinationType": text,
        "DestinationNamespace": text,
        "DestinationPartition": text,
        "DestinationPeer": text,
        "DestinationName": text,
        "Datacenter": text,
        "LocalBindAddress": text,
        "LocalBindPort": integer,
        "LocalBindSocketPath": text,
        "LocalBindSocketMode": text,
        "Config": opaque_object,
        "MeshGateway": _MESH_GATEWAY,
        "CentrallyConfigured": flag,
    },
    {
        "destination_type": "DestinationType",
        "destination_name": "DestinationName",
        "destination_namespace": "DestinationNamespace",
        "destination_partition": "DestinationPartition",
        "destination_peer": "DestinationPeer",
        "local_bind_address": "LocalBindAddress",
        "local_bind_port": "LocalBindPort",
        "local_bind_socket_path": "LocalBindSocketPath",
        "local_bind_socket_mode": "LocalBindSocketMode",
        "mesh_gateway": "MeshGateway",
    },
)
_EXPOSE_PATH = Shape(
    {
        "ListenerPort": integer,
        "Path": text,
        "LocalPathPort": integer,
        "Protocol": text,
        "ParsedFromCheck": flag,
    },
    {
        "listener_port": "ListenerPort",
        "local_path_port": "LocalPathPort",
        "parsed_from_check": "ParsedFromCheck",
    },
)
PROXY = Shape(
    {
        "DestinationServiceName": text,
        "DestinationServiceID": text,
        "LocalServiceAddress": text,
        "LocalServicePort": integer,
        "LocalServiceSocketPath": text,
        "Mode": text,
        "TransparentProxy": Shape(
            {"OutboundListenerPort": integer, "DialedDirectly": flag},
            {"outbound_listener_port": "OutboundListenerPort", "dialed_directly": "DialedDirectly"},
        ),
        "Config": opaque_object,
        "Upstreams": ListOf(_UPSTREAM),
        "MeshGateway": _MESH_GATEWAY,
        "Expose": Shape({"Checks": flag, "Paths": ListOf(_EXPOSE_PATH)}),
        "AccessLogs": opaque_object,
        "EnvoyExtensions": opaque,
        "MutualTLSMode": text,
    },
    {
        "destination_service_name": "DestinationServiceName",
        "destination_service_id": "DestinationServiceID",
        "local_service_address": "LocalServiceAddress",
        "local_service_port": "LocalServicePort",
        "local_service_socket_path": "LocalServiceSocketPath",
        "mesh_gateway": "MeshGateway",
        "transparent_proxy": "TransparentProxy",
        "access_logs": "AccessLogs",
        "envoy_extensions": "EnvoyExtensions",
        "mutual_tls_mode": "MutualTLSMode",
    },
)
GATEWAYS = frozenset({"mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"})
KINDS = GATEWAYS | {"", "typical", "connect-proxy"}
UPSTREAM_TYPES = frozenset({"service", "prepared_query"})
_EXPOSE_PROTOCOLS = frozenset({"http", "http2"})


def proxy_definition(given: dict[str, Any]) -> ProxyDefinition:
    """The decoded block as a row's value; raises `ApiError` for what this version cannot honour."""
    for name in ("AccessLogs", "EnvoyExtensions", "MutualTLSMode"):
        if given.get(name):
            raise ApiError(400, f"Validation failed: Proxy.{name} is not supported by this version")
    mode = given.get("Mode", "")
    if mode not in {"", "direct", "transparent"}:
        raise ApiError(400, f'Validation failed: Proxy.Mode "{mode}" must be empty, "direct" or "transparent"')
    expose = given.get("Expose", {})
    canonical_expose: dict[str, Any] = {}
    if expose.get("Checks"):
        canonical_expose["Checks"] = True
    if expose.get("Paths"):
        canonical_expose["Paths"] = [dict(path) for path in expose["Paths"]]
    return ProxyDefinition(
        destination_service_name=given.get("DestinationServiceName", ""),
        destination_service_id=given.get("DestinationServiceID", ""),
        local_service_address=given.get("LocalServiceAddress", ""),
        local_service_port=given.get("LocalServicePort", 0),
        local_service_socket_path=given.get("LocalServiceSocketPath", ""),
        mode=mode,
        config=given.get("Config", {}),
        upstreams=tuple(_upstream(one) for one in given.get("Upstreams", ())),
        mesh_gateway_mode=given.get("MeshGateway", {}).get("Mode", ""),
        expose=canonical_expose,
        transparent_proxy={name: value for name, value in given.get("TransparentProxy", {}).items() if value},
    )


def _upstream(given: dict[str, Any]) -> Upstream:
    for name in ("DestinationNamespace", "DestinationPartition"):
        if given.get(name) not in {None, "", "default"}:
            raise ApiError(400, f"Validation failed: upstream {name} needs Consul Enterprise")
    for name in ("DestinationPeer", "LocalBindSocketMode"):
        if given.get(name):
            raise ApiError(400, f"Validation failed: upstream {name} is not supported by this version")
    return Upstream(
        destination_name=given.get("DestinationName", ""),
        local_bind_port=given.get("LocalBindPort", 0),
        local_bind_address=given.get("LocalBindAddress", ""),
        destination_type=given.get("DestinationType") or "service",
        datacenter=given.get("Datacenter", ""),
        local_bind_socket_path=given.get("LocalBindSocketPath", ""),
        config=given.get("Config", {}),
        mesh_gateway_mode=given.get("MeshGateway", {}).get("Mode", ""),
    )


def proxy_faults(proxy: ProxyDefinition, *, port: int, socket_path: str, native: bool) -> list[str]:
    """The broken rules of a connect-proxy, in Consul's wording."""
    faults: list[str] = []
    name = proxy.destination_service_name
    if not name:
        faults.append("Proxy.DestinationServiceName must be non-empty for Connect proxy services")
    if name == "*":
        faults.append("Proxy.DestinationServiceName must not be a wildcard for Connect proxy services")
    if not port and not socket_path:
        faults.append("Port or SocketPath must be set for a Connect proxy")
    if native:
        faults.append("A Proxy cannot also be Connect Native, only typical services")
    return faults + _upstream_faults(proxy.upstreams) + _expose_faults(proxy.expose)


def gateway_faults(kind: str, proxy: ProxyDefinition, *, port: int) -> list[str]:
    """The broken rules of a gateway, in Consul's wording."""
    faults: list[str] = []
    if not port and kind in {"mesh-gateway", "terminating-gateway"}:
        faults.append(f"Port must be non-zero for a {kind}")
    forbidden = {
        "DestinationServiceName": proxy.destination_service_name,
        "DestinationServiceID": proxy.destination_service_id,
        "LocalServiceAddress": proxy.local_service_address,
        "LocalServicePort": proxy.local_service_port,
        "Upstreams": proxy.upstreams,
    }
    faults += [f"The Proxy.{name} configuration is invalid for a {kind}" for name, value in forbidden.items() if value]
    return faults


def _upstream_faults(upstreams: tuple[Upstream, ...]) -> list[str]:
    faults: list[str] = []
    names: set[tuple[str, str, str]] = set()
    binds: set[str] = set()
    for one in upstreams:
        if one.destination_type not in UPSTREAM_TYPES:
            faults.append(f'unknown upstream destination type: "{one.destination_type}"')
        elif not one.destination_name:
            faults.append("upstream destination name cannot be empty")
        elif one.destination_name == "*":
            faults.append("upstream destination name cannot be a wildcard")
        elif not one.local_bind_port and not one.local_bind_socket_path:
            faults.append("upstream local bind port or local socket path must be defined and nonzero")
        elif one.local_bind_socket_path and (one.local_bind_port or one.local_bind_address):
            faults.append("only one of upstream local bind address and port or local socket path can be set")
        else:
            identity = (one.destination_type, one.destination_name, one.datacenter)
            if identity in names:
                faults.append(
                    f'upstreams cannot contain duplicates of [type="{one.destination_type}", '
                    f'name="{one.destination_name}", datacenter="{one.datacenter}"]'
                )
            names.add(identity)
            bind = one.local_bind_socket_path or f"{one.local_bind_address or '127.0.0.1'}:{one.local_bind_port}"
            if bind in binds:
                faults.append(
                    f'upstreams cannot contain duplicates by local bind address and port; "{bind}" is specified twice'
                )
            binds.add(bind)
    return faults


def _expose_faults(expose: dict[str, Any]) -> list[str]:
    faults: list[str] = []
    ports: set[int] = set()
    for path in expose.get("Paths", ()):
        port = path.get("ListenerPort", 0)
        if not path.get("Path"):
            faults.append("expose.paths: empty path exposed")
        if port in ports:
            faults.append("expose.paths: duplicate listener ports exposed")
        ports.add(port)
        if not 1 <= port <= 65535:
            faults.append(f"expose.paths: invalid listener port: {port}")
        protocol = path.get("Protocol", "")
        if protocol and protocol not in _EXPOSE_PROTOCOLS:
            faults.append(
                f"protocol '{protocol}' not supported for path: {path.get('Path', '')}, must be in: [http http2]"
            )
    return faults

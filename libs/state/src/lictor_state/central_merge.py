"""Central configuration of proxies: what `proxy-defaults` and `service-defaults` add to a registered definition.

Follows Consul's documentation of configuration entries ("Merging service config"), for the readers that ask with
`merge-central-config`. It goes in two steps: the entries are flattened into what holds for one service (`Defaults`),
and that fills what the registration leaves open (`merged`). A registration always wins over entries, `service-defaults`
over `proxy-defaults`, and what is said for one upstream over what is said for all.

Pure: bodies of entries and a definition come in, a definition goes out. Which entries are read, and what a reader waits
on, is `queries.central_config`'s work. Rate limits and peers are not merged: Enterprise, and clusters that there are
not.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import asdict

from lictor_state.rows import ProxyDefinition, Upstream

TRANSPARENT = "transparent"
EVERY_UPSTREAM = "*"
"""The name under which a transparent proxy is told what holds for upstreams that nobody has named."""

MESH_GATEWAY = "mesh_gateway"

_SERVICE_CONFIG = (
    ("Protocol", "protocol"),
    ("BalanceInboundConnections", "balance_inbound_connections"),
    ("MaxInboundConnections", "max_inbound_connections"),
    ("LocalConnectTimeoutMs", "local_connect_timeout_ms"),
    ("LocalRequestTimeoutMs", "local_request_timeout_ms"),
)
"""Fields of `service-defaults` that are keys of a proxy's opaque configuration."""

_UPSTREAM_CONFIG = (
    ("EnvoyListenerJSON", "envoy_listener_json"),
    ("EnvoyClusterJSON", "envoy_cluster_json"),
    ("Protocol", "protocol"),
    ("ConnectTimeoutMs", "connect_timeout_ms"),
    ("Limits", "limits"),
    ("PassiveHealthCheck", "passive_health_check"),
    ("BalanceOutboundConnections", "balance_outbound_connections"),
)
"""Fields of an upstream in `UpstreamConfig`, and their keys in an upstream's opaque configuration."""

_WHOLE = frozenset({"limits", "passive_health_check", MESH_GATEWAY})
"""Keys of an upstream's configuration that are taken or left, never mixed."""

Body = Mapping[str, Any]


class CentralUpstream(Upstream, frozen=True, gc=False, array_like=True):
    """An upstream that only entries know. Never stored."""


class MergedProxy(ProxyDefinition, frozen=True, gc=False, array_like=True):
    """A definition with its central configuration; what no registration can say is at the end. Never stored."""

    access_logs: dict[str, Any] = msgspec.field(default_factory=dict)
    envoy_extensions: tuple[dict[str, Any], ...] = ()
    mutual_tls_mode: str = ""


class Defaults(msgspec.Struct, frozen=True):
    """What entries say for one proxy. `upstreams`: opaque configuration by name, `EVERY_UPSTREAM` among them."""

    config: dict[str, Any]
    mode: str
    mutual_tls_mode: str
    mesh_gateway_mode: str
    expose: dict[str, Any]
    transparent_proxy: dict[str, Any]
    access_logs: dict[str, Any]
    envoy_extensions: tuple[dict[str, Any], ...]
    upstreams: dict[str, dict[str, Any]]


def upstream_overrides(service: Body) -> list[str]:
    """The upstreams that a `service-defaults` entry names, in its order."""
    return [
        one["Name"] for one in _upstream_config(service, "Overrides", []) if one.get("Name") and not one.get("Peer")
    ]


def is_transparent(given: ProxyDefinition, proxies: Body, service: Body) -> bool:
    """Whether a proxy is transparent, by its registration or by the entries."""
    return TRANSPARENT in {given.mode, service.get("Mode") or proxies.get("Mode")}


def defaults(
    given: ProxyDefinition, named: Iterable[str], proxies: Body, service: Body, protocols: Mapping[str, str]
) -> Defaults:
    """Flatten the entries for one proxy.

    `named` are the services that it registered as upstreams; `proxies` is the body of `proxy-defaults`, `service` that
    of the `service-defaults` of its destination; `protocols` are those that upstreams have by their `service-defaults`.
    """
    config = dict(proxies.get("Config") or {})
    config |= {key: service[name] for name, key in _SERVICE_CONFIG if service.get(name)}
    mode = _mode_of(service) or _mode_of(proxies)
    expose = {
        name: service.get("Expose", {}).get(name) or proxies.get("Expose", {}).get(name) for name in ("Checks", "Paths")
    }
    transparent = {**proxies.get("TransparentProxy", {}), **_set(service.get("TransparentProxy", {}))}
    return Defaults(
        config=config,
        mode=service.get("Mode") or proxies.get("Mode", ""),
        mutual_tls_mode=service.get("MutualTLSMode") or proxies.get("MutualTLSMode", ""),
        mesh_gateway_mode=mode,
        expose=_set(expose),
        transparent_proxy=_set(transparent),
        access_logs=dict(proxies.get("AccessLogs", {})),
        envoy_extensions=(*proxies.get("EnvoyExtensions", ()), *service.get("EnvoyExtensions", ())),
        upstreams=_upstream_defaults(given, list(named), proxies, service, protocols),
    )


def _upstream_defaults(
    given: ProxyDefinition, named: list[str], proxies: Body, service: Body, protocols: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """The opaque configuration of every upstream that is known by name, and of all others.

    A proxy that neither names upstreams nor is transparent is told nothing of them.
    """
    if not named and not is_transparent(given, proxies, service):
        return {}
    shared = proxies.get("Config") or {}
    every: dict[str, Any] = {}
    if MESH_GATEWAY in shared:
        every[MESH_GATEWAY] = shared[MESH_GATEWAY]
    for entry in (proxies, service):
        if _mode_of(entry):
            every[MESH_GATEWAY] = {"Mode": _mode_of(entry)}
    mode = _mode_of(service) or _mode_of(proxies)
    for_all = _upstream_config(service, "Defaults", None)
    if for_all is not None:
        every |= _upstream_keys(for_all, mode)
    if given.mesh_gateway_mode:
        every[MESH_GATEWAY] = {"Mode": given.mesh_gateway_mode}
    found: dict[str, dict[str, Any]] = {EVERY_UPSTREAM: every} if every or for_all is not None else {}
    special = {one["Name"]: one for one in _upstream_config(service, "Overrides", []) if one.get("Name")}
    for name in dict.fromkeys((*named, *upstream_overrides(service))):
        config: dict[str, Any] = {}
        if protocol := _value(shared, "protocol"):
            config["protocol"] = protocol
        config |= every
        if protocols.get(name):
            config["protocol"] = protocols[name]
        if mode:
            config[MESH_GATEWAY] = {"Mode": mode}
        if for_all is not None:
            config |= _upstream_keys(for_all, mode)
        if given.mesh_gateway_mode:
            config[MESH_GATEWAY] = {"Mode": given.mesh_gateway_mode}
        if name in special:
            config |= _upstream_keys(special[name], "")
        if config:
            found[name] = config
    return found


def merged(given: ProxyDefinition, central: Defaults) -> MergedProxy:
    """The definition with what `central` adds; upstreams that only entries know follow those of a transparent proxy."""
    mode = given.mode or central.mode
    upstreams = [_merged_upstream(one, central.upstreams) for one in given.upstreams]
    if mode == TRANSPARENT:
        here = {one.destination_name for one in given.upstreams if one.destination_type == "service"}
        upstreams += [
            CentralUpstream(name, destination_type="", config=config, mesh_gateway_mode=_gateway_mode(config))
            for name, config in sorted(central.upstreams.items())
            if name not in here
        ]
    return MergedProxy(
        **asdict(given)
        | {
            "mode": mode,
            "config": _filled(given.config, central.config),
            "upstreams": tuple(upstreams),
            "mesh_gateway_mode": given.mesh_gateway_mode or central.mesh_gateway_mode,
            "expose": {**central.expose, **_set(given.expose)},
            "transparent_proxy": {**central.transparent_proxy, **_set(given.transparent_proxy)},
            "access_logs": central.access_logs,
            "envoy_extensions": central.envoy_extensions,
            "mutual_tls_mode": central.mutual_tls_mode,
        }
    )


def _merged_upstream(given: Upstream, central: Mapping[str, dict[str, Any]]) -> Upstream:
    extra = central.get(given.destination_name) if given.destination_type == "service" else None
    if extra is None:
        return given
    config = _filled(given.config, extra, _WHOLE)
    config.pop(MESH_GATEWAY, None)  # resolved for every proxy of the service: the upstream's own mode counts
    return msgspec.structs.replace(
        given, config=config, mesh_gateway_mode=given.mesh_gateway_mode or _gateway_mode(extra)
    )


def _filled(own: Body, more: Body, whole: frozenset[str] = frozenset()) -> dict[str, Any]:
    """`own` with what it lacks or has empty; objects are filled in turn, but those named in `whole`."""
    made = dict(own)
    for key, value in more.items():
        mine = made.get(key)
        if not mine:
            made[key] = value
        elif isinstance(mine, dict) and isinstance(value, dict) and key not in whole:
            made[key] = _filled(mine, value)
    return made


def _upstream_keys(fields: Body, mode: str) -> dict[str, Any]:
    """The keys that one element of `UpstreamConfig` sets; `mode` is its gateway's if it names none."""
    found = {key: fields[name] for name, key in _UPSTREAM_CONFIG if fields.get(name)}
    if mode := _mode_of(fields) or mode:
        found[MESH_GATEWAY] = {"Mode": mode}
    return found


def _upstream_config(service: Body, name: str, missing: Any) -> Any:
    return (service.get("UpstreamConfig") or {}).get(name, missing)


def _mode_of(fields: Body) -> str:
    return str((fields.get("MeshGateway") or {}).get("Mode") or "")


def _gateway_mode(config: Body) -> str:
    given = config.get(MESH_GATEWAY)
    return str(_value(given, "mode") or "") if isinstance(given, dict) else ""


def _value(given: Body, name: str) -> Any:
    """A value of an opaque object, whose keys are written in any case."""
    return next((value for key, value in given.items() if key.lower() == name), None)


def _set(given: Body) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value}

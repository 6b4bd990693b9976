"""What can be selected from config entries (Consul's HTTP API, filter expressions).

Consul filters the lists of `service-defaults` alone: every field of it but opaque arguments, hash and indexes. Bodies
are canonical JSON without what is zero, so what is not there is read as its type's zero.
"""

from typing import Any

from lictor_state.filter.fields import Field, Get, Scalar, by_name, many, record, text, truth, whole
from lictor_state.filter.kinds import kind


def _inside(name: str, missing: Any) -> Get:
    """A member of a JSON object; null is what is not there."""

    def read(given: dict[str, Any]) -> Any:
        value = given.get(name)
        return missing if value is None else value

    return read


def _texts(*names: str) -> dict[str, Field]:
    return {name: text(_inside(name, "")) for name in names}


def _wholes(*names: str) -> dict[str, Field]:
    return {name: whole(_inside(name, 0)) for name in names}


def _truths(*names: str) -> dict[str, Field]:
    return {name: truth(_inside(name, missing=False)) for name in names}


def _object(name: str, fields: dict[str, Field]) -> dict[str, Field]:
    return {name: record(_inside(name, {}), fields)}


def _list(name: str, of: Scalar | dict[str, Field] = Scalar.TEXT) -> dict[str, Field]:
    return {name: many(_inside(name, ()), of)}


_MESH_GATEWAY = _object("MeshGateway", _texts("Mode"))
_UPSTREAM = {
    **_texts("Name", "Peer", "EnvoyListenerJSON", "EnvoyClusterJSON", "Protocol", "BalanceOutboundConnections"),
    **_wholes("ConnectTimeoutMs"),
    **_object("Limits", _wholes("MaxConnections", "MaxPendingRequests", "MaxConcurrentRequests")),
    **_object(
        "PassiveHealthCheck",
        _wholes("Interval", "MaxFailures", "EnforcingConsecutive5xx", "MaxEjectionPercent", "BaseEjectionTime"),
    ),
    **_MESH_GATEWAY,
}
_RATE = _wholes("RequestsPerSecond", "RequestsMaxBurst")
_ROUTE_RATE = {**_texts("PathExact", "PathPrefix", "PathRegex"), **_RATE}
_EXPOSED_PATH = {
    **_wholes("ListenerPort", "LocalPathPort"),
    **_texts("Path", "Protocol"),
    **_truths("ParsedFromCheck"),
}
_SERVICE_DEFAULTS: dict[str, Field] = {
    **_texts("Protocol", "Mode", "MutualTLSMode", "ExternalSNI", "BalanceInboundConnections"),
    **_wholes("MaxInboundConnections", "LocalConnectTimeoutMs", "LocalRequestTimeoutMs"),
    **_object("TransparentProxy", {**_wholes("OutboundListenerPort"), **_truths("DialedDirectly")}),
    **_MESH_GATEWAY,
    **_object("Expose", {**_truths("Checks"), **_list("Paths", _EXPOSED_PATH)}),
    **_object("UpstreamConfig", {**_list("Overrides", _UPSTREAM), **_object("Defaults", _UPSTREAM)}),
    **_object("Destination", {**_list("Addresses"), **_wholes("Port")}),
    **_object("RateLimits", _object("InstanceLevel", {**_RATE, **_list("Routes", _ROUTE_RATE)})),
    **_list("EnvoyExtensions", {**_texts("Name", "ConsulVersion", "EnvoyVersion"), **_truths("Required")}),
    "Meta": by_name(_inside("Meta", {})),
}


def _of_body(field: Field) -> Field:
    return Field(lambda row: field.get(row.body), field.type)


SERVICE_DEFAULTS = kind(
    "service-defaults",
    {"Kind": text("kind"), "Name": text("name"), **{name: _of_body(one) for name, one in _SERVICE_DEFAULTS.items()}},
)
"""`ConfigEntryRow` of this kind, the only one whose lists Consul filters."""

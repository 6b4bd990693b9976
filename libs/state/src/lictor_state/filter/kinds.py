"""What can be selected at each endpoint (Consul's HTTP API, filter expressions), as tables over our rows.

Indexes, definitions of checks and opaque configuration cannot be selected, as in Consul. The kinds beside those of
rows: `MEMBER` is for members as the API shows them, whose tags are made up of several sources.
"""

from collections.abc import Mapping
from typing import Any

from lictor_state.filter.fields import (
    Field,
    FilterKind,
    Record,
    Scalar,
    by_name,
    itself,
    many,
    real,
    record,
    text,
    truth,
    whole,
)
from lictor_state.rows import ProxyDefinition, ServiceRow

_NO_PROXY = ProxyDefinition()


def _proxy(row: ServiceRow) -> ProxyDefinition:
    return row.proxy or _NO_PROXY


def _given(name: str, missing: Any) -> Any:
    return lambda given: given.get(name, missing)


def _nothing(_row: object) -> str:
    return ""


_WEIGHTS = {"Passing": whole("passing"), "Warning": whole("warning")}
_ADDRESS = {"Address": text("address"), "Port": whole("port")}
_MODE = {"Mode": text("mesh_gateway_mode")}
_PROXY: dict[str, Field] = {
    "DestinationServiceName": text("destination_service_name"),
    "DestinationServiceID": text("destination_service_id"),
    "LocalServiceAddress": text("local_service_address"),
    "LocalServicePort": whole("local_service_port"),
    "LocalServiceSocketPath": text("local_service_socket_path"),
    "Mode": text("mode"),
    "MeshGateway": record(itself, _MODE),
    "Expose": record(
        "expose",
        {
            "Checks": truth(_given("Checks", missing=False)),
            "Paths": many(
                _given("Paths", ()),
                {
                    "ListenerPort": whole(_given("ListenerPort", 0)),
                    "Path": text(_given("Path", "")),
                    "LocalPathPort": whole(_given("LocalPathPort", 0)),
                    "Protocol": text(_given("Protocol", "")),
                    "ParsedFromCheck": truth(_given("ParsedFromCheck", missing=False)),
                },
            ),
        },
    ),
    "TransparentProxy": record(
        "transparent_proxy",
        {
            "OutboundListenerPort": whole(_given("OutboundListenerPort", 0)),
            "DialedDirectly": truth(_given("DialedDirectly", missing=False)),
        },
    ),
    "Upstreams": many(
        "upstreams",
        {
            "DestinationType": text("destination_type"),
            "DestinationName": text("destination_name"),
            "DestinationNamespace": text(_nothing),
            "DestinationPartition": text(_nothing),
            "DestinationPeer": text(_nothing),
            "Datacenter": text("datacenter"),
            "LocalBindAddress": text("local_bind_address"),
            "LocalBindPort": whole("local_bind_port"),
            "LocalBindSocketPath": text("local_bind_socket_path"),
            "MeshGateway": record(itself, _MODE),
        },
    ),
}
_NODE: dict[str, Field] = {
    "ID": text("node_id"),
    "Node": text("node"),
    "Address": text("address"),
    "Datacenter": text("datacenter"),
    "TaggedAddresses": by_name("tagged_addresses"),
    "Meta": by_name("meta"),
    "PeerName": text(_nothing),
}
_SERVICE: dict[str, Field] = {
    "Kind": text("kind"),
    "ID": text("service_id"),
    "Service": text("name"),
    "Tags": many("tags"),
    "Address": text("address"),
    "TaggedAddresses": by_name("tagged_addresses", _ADDRESS),
    "Meta": by_name("meta"),
    "Port": whole("port"),
    "SocketPath": text("socket_path"),
    "Weights": record("weights", _WEIGHTS),
    "EnableTagOverride": truth("enable_tag_override"),
    "Proxy": record(_proxy, _PROXY),
    "Connect": record(itself, {"Native": truth("native")}),
    "PeerName": text(_nothing),
}
_CHECK: dict[str, Field] = {
    "Node": text("node"),
    "CheckID": text("check_id"),
    "Name": text("name"),
    "Status": text("status"),
    "Notes": text("notes"),
    "Output": text("output"),
    "ServiceID": text("service_id"),
    "ServiceName": text("service_name"),
    "ServiceTags": many("service_tags"),
    "Type": text("type"),
    "Interval": text("interval"),
    "Timeout": text("timeout"),
    "ExposedPort": whole("exposed_port"),
    "PeerName": text(_nothing),
}


def _service_node(row: Any) -> ProxyDefinition:
    return _proxy(row.service)


_SERVICE_NODE: dict[str, Field] = {
    "ID": text("node.node_id"),
    "Node": text("node.node"),
    "Address": text("node.address"),
    "Datacenter": text("node.datacenter"),
    "TaggedAddresses": by_name("node.tagged_addresses"),
    "NodeMeta": by_name("node.meta"),
    "ServiceKind": text("service.kind"),
    "ServiceID": text("service.service_id"),
    "ServiceName": text("service.name"),
    "ServiceTags": many("service.tags"),
    "ServiceAddress": text("service.address"),
    "ServiceTaggedAddresses": by_name("service.tagged_addresses", _ADDRESS),
    "ServiceWeights": record("service.weights", _WEIGHTS),
    "ServiceMeta": by_name("service.meta"),
    "ServicePort": whole("service.port"),
    "ServiceSocketPath": text("service.socket_path"),
    "ServiceEnableTagOverride": truth("service.enable_tag_override"),
    "ServiceProxy": record(_service_node, _PROXY),
    "ServiceConnect": record("service", {"Native": truth("native")}),
    "PeerName": text(_nothing),
}


def kind(name: str, fields: Mapping[str, Field]) -> FilterKind:
    """A kind of objects; made once and kept, for compiled filters are kept by it."""
    return FilterKind(name, Record(fields))


NODE = kind("node", _NODE)
"""`NodeRow`."""

SERVICE = kind("service", _SERVICE)
"""`ServiceRow`: the services of a node and of an agent."""

SERVICE_NODE = kind("service node", _SERVICE_NODE)
"""`queries.Instance` as the catalog shows it."""

HEALTH = kind(
    "service health",
    {"Node": record("node", _NODE), "Service": record("service", _SERVICE), "Checks": many("checks", _CHECK)},
)
"""`queries.Instance` with its checks."""

CHECK = kind("check", _CHECK)
"""`CheckRow`."""

MEMBER = kind(
    "member",
    {
        "Name": text("name"),
        "Addr": text("addr"),
        "Port": whole("port"),
        "Tags": by_name("tags"),
        "Status": whole("status"),
        **{
            name: whole(name[:8].lower() + "_" + name[8:].lower())
            for name in ("ProtocolMin", "ProtocolMax", "ProtocolCur", "DelegateMin", "DelegateMax", "DelegateCur")
        },
    },
)
"""A member as it is shown."""


def _default(_row: object) -> str:
    return "default"


def _action(row: Any) -> str:
    return "" if row.permissions else str(row.action)


INTENTION = kind(
    "intention",
    {
        "ID": text("legacy_id"),
        "Description": text("description"),
        "SourceNS": text(_default),
        "SourceName": text("source"),
        "SourcePeer": text("source_peer"),
        "DestinationNS": text(_default),
        "DestinationName": text("destination"),
        "SourceType": text("source_type"),
        "Action": text(_action),
        "Meta": by_name("meta"),
        "Precedence": whole("precedence"),
    },
)
"""`queries.Intention`."""

COORDINATE = kind(
    "coordinate",
    {
        "Node": text("node"),
        "Segment": text("segment"),
        "Coord": record(
            itself,
            {
                "Vec": many("vec", Scalar.REAL),
                "Error": real("error"),
                "Adjustment": real("adjustment"),
                "Height": real("height"),
            },
        ),
    },
)
"""`CoordinateRow`."""

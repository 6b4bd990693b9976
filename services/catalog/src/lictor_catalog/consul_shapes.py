"""The objects of Consul's API as structs, fields in Consul's order.

A field with a default is left out while it has it (Go's `omitempty`), the others are always there; names are Pascal
case unless they say otherwise. Making them of rows is `consul_json`'s work.
"""

from typing import Annotated, Any

import msgspec

COMPONENT = "#/components/schemas/{name}"
"""Where the API's description keeps the shape of this name."""


def encoded(name: str) -> msgspec.Meta:
    """Says of bytes that are JSON already what they are: the shape of this name."""
    return msgspec.Meta(extra_json_schema={"$ref": COMPONENT.format(name=name)})


class Shown(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="pascal"):
    """The base of every object of the API: Pascal case, defaults left out."""


class ShownWeights(Shown, frozen=True, gc=False, kw_only=True):
    """`Weights`."""

    passing: int
    warning: int


class ShownAddress(Shown, frozen=True, gc=False, kw_only=True):
    """One tagged address of a service."""

    address: str
    port: int


class ShownMode(Shown, frozen=True, gc=False, kw_only=True):
    """`MeshGateway`: `{}` while no mode is set."""

    mode: str = ""


class ShownConnect(Shown, frozen=True, gc=False, kw_only=True):
    """`Connect`: `{}` unless the service is native."""

    native: bool = False


class ShownLocality(Shown, frozen=True, gc=False, kw_only=True):
    """`Locality`."""

    region: str = ""
    zone: str = ""


class ShownPath(Shown, frozen=True, gc=False, kw_only=True):
    """One path of `Expose`."""

    listener_port: int = 0
    path: str = ""
    local_path_port: int = 0
    protocol: str = ""
    parsed_from_check: bool


class ShownExpose(Shown, frozen=True, gc=False, kw_only=True):
    """`Expose`."""

    checks: bool = False
    paths: tuple[ShownPath, ...] = ()


class ShownTransparent(Shown, frozen=True, gc=False, kw_only=True):
    """`TransparentProxy`."""

    outbound_listener_port: int = 0
    dialed_directly: bool = False


class ShownDefinition(Shown, frozen=True, gc=False, kw_only=True):
    """`Definition` of a check."""

    interval: str = ""
    output_max_size: int = 0
    timeout: str = ""
    deregister_critical_service_after: str = ""
    http: str = msgspec.field(name="HTTP", default="")
    tls_server_name: str = msgspec.field(name="TLSServerName", default="")
    tls_skip_verify: bool = msgspec.field(name="TLSSkipVerify", default=False)
    header: dict[str, tuple[str, ...]] = {}
    method: str = ""
    body: str = ""
    disable_redirects: bool = False
    tcp: str = msgspec.field(name="TCP", default="")
    tcp_use_tls: bool = msgspec.field(name="TCPUseTLS", default=False)
    udp: str = msgspec.field(name="UDP", default="")
    h2ping: str = msgspec.field(name="H2PING", default="")
    os_service: str = msgspec.field(name="OSService", default="")
    h2ping_use_tls: bool = msgspec.field(name="H2PingUseTLS", default=False)
    script_args: tuple[str, ...] = ()
    docker_container_id: str = msgspec.field(name="DockerContainerID", default="")
    shell: str = ""
    grpc: str = msgspec.field(name="GRPC", default="")
    grpc_use_tls: bool = msgspec.field(name="GRPCUseTLS", default=False)
    alias_node: str = ""
    alias_service: str = ""
    ttl: int = msgspec.field(name="TTL", default=0)


class ShownUpstream(Shown, frozen=True, gc=False, kw_only=True):
    """An upstream as the catalog shows it."""

    destination_type: str
    destination_namespace: str = ""
    destination_partition: str = ""
    destination_name: str
    datacenter: str
    local_bind_address: str = ""
    local_bind_port: int = 0
    local_bind_socket_path: str = ""
    config: dict[str, Any] | None
    mesh_gateway: ShownMode
    centrally_configured: bool = False


class ShownExtension(Shown, frozen=True, gc=False, kw_only=True):
    """One of `EnvoyExtensions`; versions are told of entries only, and empty where they are merged."""

    name: str
    required: bool
    arguments: dict[str, Any] | None
    consul_version: str
    envoy_version: str


class AgentUpstream(Shown, frozen=True, gc=False, kw_only=True):
    """An upstream as the agent shows it: as in the catalog, with more left out."""

    destination_type: str = ""
    destination_namespace: str = ""
    destination_partition: str = ""
    destination_name: str
    datacenter: str = ""
    local_bind_address: str = ""
    local_bind_port: int = 0
    local_bind_socket_path: str = ""
    config: dict[str, Any] = {}
    mesh_gateway: ShownMode
    centrally_configured: bool = False


class ShownProxy(Shown, frozen=True, gc=False, kw_only=True):
    """`Proxy` in the catalog: `Mode`, `MeshGateway` and `Expose` are there for every service."""

    destination_service_name: str = ""
    destination_service_id: str = msgspec.field(name="DestinationServiceID", default="")
    local_service_address: str = ""
    local_service_port: int = 0
    local_service_socket_path: str = ""
    mode: str
    config: dict[str, Any] = {}
    upstreams: tuple[ShownUpstream, ...] = ()
    mesh_gateway: ShownMode
    expose: ShownExpose
    transparent_proxy: ShownTransparent | None = None
    mutual_tls_mode: str = msgspec.field(name="MutualTLSMode", default="")
    access_logs: dict[str, Any] = {}
    envoy_extensions: tuple[ShownExtension, ...] = ()


class AgentProxy(Shown, frozen=True, gc=False, kw_only=True):
    """`Proxy` at the agent."""

    destination_service_name: str = ""
    destination_service_id: str = msgspec.field(name="DestinationServiceID", default="")
    local_service_address: str = ""
    local_service_port: int = 0
    local_service_socket_path: str = ""
    mode: str = ""
    transparent_proxy: ShownTransparent | None = None
    config: dict[str, Any] = {}
    upstreams: tuple[AgentUpstream, ...] = ()
    mesh_gateway: ShownMode
    expose: ShownExpose
    access_logs: dict[str, Any] = {}
    envoy_extensions: tuple[ShownExtension, ...] = ()


class ShownNode(Shown, frozen=True, gc=False, kw_only=True):
    """A node."""

    node_id: str = msgspec.field(name="ID")
    node: str
    address: str
    datacenter: str
    tagged_addresses: dict[str, str] | None
    meta: dict[str, str] | None
    create_index: int
    modify_index: int


class NodeService(Shown, frozen=True, gc=False, kw_only=True):
    """A service instance beside its node: `catalog/node`, `catalog/node-services`, `health/service`."""

    kind: str = ""
    service_id: str = msgspec.field(name="ID")
    service: str
    tags: tuple[str, ...]
    address: str
    tagged_addresses: dict[str, ShownAddress] = {}
    meta: dict[str, str] | None
    port: int = 0
    socket_path: str = ""
    weights: ShownWeights
    enable_tag_override: bool
    locality: ShownLocality | None = None
    proxy: ShownProxy
    connect: ShownConnect
    peer_name: str
    create_index: int
    modify_index: int


class NodeOfMap(Shown, frozen=True, kw_only=True):
    """A node with its instances by id: `catalog/node`."""

    node: ShownNode
    services: dict[str, NodeService]


class NodeOfList(Shown, frozen=True, kw_only=True):
    """A node with its instances as a list: `catalog/node-services`."""

    node: ShownNode | None
    services: list[NodeService] | None


class ServiceNode(Shown, frozen=True, gc=False, kw_only=True):
    """A service instance and its node in one object: `catalog/service`, `catalog/connect`."""

    node_id: str = msgspec.field(name="ID")
    node: str
    address: str
    datacenter: str
    tagged_addresses: dict[str, str] | None
    node_meta: dict[str, str] | None
    service_kind: str
    service_id: str = msgspec.field(name="ServiceID")
    service_name: str
    service_tags: tuple[str, ...]
    service_address: str
    service_tagged_addresses: dict[str, ShownAddress] = {}
    service_weights: ShownWeights
    service_meta: dict[str, str]
    service_port: int
    service_socket_path: str
    service_enable_tag_override: bool
    service_proxy: ShownProxy
    service_connect: ShownConnect
    service_locality: ShownLocality | None
    create_index: int
    modify_index: int


class HealthCheck(Shown, frozen=True, gc=False, kw_only=True):
    """A check."""

    node: str
    check_id: str = msgspec.field(name="CheckID")
    name: str
    status: str
    notes: str
    output: str
    service_id: str = msgspec.field(name="ServiceID")
    service_name: str
    service_tags: tuple[str, ...]
    type: str
    interval: str
    timeout: str
    exposed_port: int
    definition: ShownDefinition
    create_index: int
    modify_index: int


class ServiceHealth(Shown, frozen=True, gc=False, kw_only=True):
    """An element of `health/service`, of a node's, a service's and checks' fragments."""

    node: Annotated[msgspec.Raw, encoded("Node")]
    service: Annotated[msgspec.Raw, encoded("NodeService")]
    checks: list[Annotated[msgspec.Raw, encoded("HealthCheck")]]


class AgentService(Shown, frozen=True, gc=False, kw_only=True):
    """A service at the agent that it was registered with."""

    kind: str = ""
    service_id: str = msgspec.field(name="ID")
    service: str
    tags: tuple[str, ...]
    meta: dict[str, str]
    port: int
    address: str
    socket_path: str = ""
    tagged_addresses: dict[str, ShownAddress] = {}
    weights: ShownWeights
    enable_tag_override: bool
    content_hash: str = ""
    proxy: AgentProxy | None = None
    connect: ShownConnect | None = None
    datacenter: str = ""
    locality: ShownLocality | None = None


class ShownServiceCheck(Shown, frozen=True, gc=False, kw_only=True):
    """A check of a service that a session hangs on."""

    id: str = msgspec.field(name="ID")
    namespace: str


class ShownSession(Shown, frozen=True, gc=False, kw_only=True):
    """A session."""

    id: str = msgspec.field(name="ID")
    name: str
    node: str
    lock_delay: int
    behavior: str
    ttl: str = msgspec.field(name="TTL")
    node_checks: tuple[str, ...] | None
    service_checks: tuple[ShownServiceCheck, ...] | None
    checks: tuple[str, ...] = ()
    create_index: int
    modify_index: int


class KVEntry(Shown, frozen=True, gc=False, kw_only=True):
    """A key of the store; bytes become base64."""

    lock_index: int
    key: str
    flags: int
    value: bytes | None
    session: str = ""
    create_index: int
    modify_index: int

"""Rows: what the replicated state consists of, one frozen struct per table.

A row travels as written here from the store to every view (MessagePack arrays), so the layout is a wire format:
fields are only ever added at the end, with a default. A reader of an older build ignores what it does not know; a
newer one fills in the defaults. `create_index` and `modify_index` are store indexes (Consul's `CreateIndex` and
`ModifyIndex`). Durations are integer nanoseconds, as Consul's Go code keeps them. Nothing here judges a value: rules
live in `apply`, shapes of JSON live in the catalog service.
"""

from enum import IntEnum
from typing import Any

import msgspec

from lictor_state.coordinate_rows import CoordinateRow
from lictor_state.definition_file_rows import DefinitionFilesRow
from lictor_state.event_rows import EventRow
from lictor_state.mesh_rows import GatewayServiceRow, VirtualIPRow
from lictor_state.prepared_query_rows import PreparedQueryRow


class Table(IntEnum):
    """The tables of the state; the numbers travel and are never reused."""

    META = 0
    NODES = 1
    SERVICES = 2
    CHECKS = 3
    KV = 4
    TOMBSTONES = 5
    CONFIG_ENTRIES = 6
    CA_ROOTS = 7
    CA_KEYS = 8
    AGENTS = 9
    INDEXES = 10
    SESSIONS = 11
    LOCK_DELAYS = 12
    AUTOPILOT = 13
    PREPARED_QUERIES = 14
    COORDINATES = 15
    EVENTS = 16
    VIRTUAL_IPS = 17
    GATEWAY_SERVICES = 18
    DEFINITION_FILES = 19


class MetaRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The one row of `META` (key `""`): what the state knows about itself.

    `stream_last` names, per feed stream, the last index that changed it; `level` is the feature level that apply
    branches on; `offset` is added to a Raft log index to give a store index; `epoch` rises with every restore.
    `restored_at` is the index of the last restore: no read is reported below it.
    """

    cluster_id: str
    epoch: int = 1
    offset: int = 0
    level: int = 1
    stream_last: dict[str, int] = {}
    restored_at: int = 0


class NodeRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A node of the catalog. Key: the node's name in lower case."""

    node: str
    node_id: str
    address: str
    datacenter: str
    tagged_addresses: dict[str, str] = {}
    meta: dict[str, str] = {}
    create_index: int = 0
    modify_index: int = 0


class TaggedAddress(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One of a service's tagged addresses."""

    address: str
    port: int


class Weights(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """DNS and load-balancing weights by aggregated health."""

    passing: int = 1
    warning: int = 1


class Upstream(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One upstream of a sidecar proxy."""

    destination_name: str
    local_bind_port: int = 0
    local_bind_address: str = ""
    destination_type: str = "service"
    datacenter: str = ""
    local_bind_socket_path: str = ""
    config: dict[str, Any] = {}
    mesh_gateway_mode: str = ""


class ProxyDefinition(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The `Proxy` block of a connect-proxy service."""

    destination_service_name: str = ""
    destination_service_id: str = ""
    local_service_address: str = ""
    local_service_port: int = 0
    local_service_socket_path: str = ""
    mode: str = ""
    config: dict[str, Any] = {}
    upstreams: tuple[Upstream, ...] = ()
    mesh_gateway_mode: str = ""
    expose: dict[str, Any] = {}
    transparent_proxy: dict[str, Any] = {}


class ServiceRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A service instance on a node. Key: (node in lower case, service id).

    `agent` marks what came through `/v1/agent/*` of that node; `sidecar_of` names the service id that an automatic
    sidecar belongs to.
    """

    node: str
    service_id: str
    name: str
    kind: str = ""
    tags: tuple[str, ...] = ()
    address: str = ""
    port: int = 0
    socket_path: str = ""
    tagged_addresses: dict[str, TaggedAddress] = {}
    meta: dict[str, str] = {}
    weights: Weights = Weights()
    enable_tag_override: bool = False
    proxy: ProxyDefinition | None = None
    native: bool = False
    region: str = ""
    zone: str = ""
    agent: bool = False
    sidecar_of: str = ""
    create_index: int = 0
    modify_index: int = 0


class CheckDefinition(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How a check is run; all durations in nanoseconds, zero meaning not given."""

    http: str = ""
    method: str = ""
    header: dict[str, tuple[str, ...]] = {}
    body: str = ""
    disable_redirects: bool = False
    tcp: str = ""
    tcp_use_tls: bool = False
    udp: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    h2ping: str = ""
    h2ping_use_tls: bool = False
    script_args: tuple[str, ...] = ()
    docker_container_id: str = ""
    shell: str = ""
    os_service: str = ""
    alias_node: str = ""
    alias_service: str = ""
    ttl_ns: int = 0
    interval_ns: int = 0
    timeout_ns: int = 0
    tls_server_name: str = ""
    tls_skip_verify: bool = False
    success_before_passing: int = 0
    failures_before_warning: int = 0
    failures_before_critical: int = 0
    deregister_critical_service_after_ns: int = 0
    output_max_size: int = 0


class CheckRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A health check on a node. Key: (node in lower case, check id).

    `definition_index` is the index that last changed the definition: a result names it, and one that names another
    is stale. `type`, `interval` and `timeout` are kept as Consul shows them.
    """

    node: str
    check_id: str
    name: str
    status: str
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: tuple[str, ...] = ()
    type: str = ""
    interval: str = ""
    timeout: str = ""
    definition: CheckDefinition = CheckDefinition()
    agent: bool = False
    definition_index: int = 0
    exposed_port: int = 0
    create_index: int = 0
    modify_index: int = 0


class KVRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A key of the key-value store. Key: the key itself. `flags` uses all 64 bits."""

    key: str
    value: bytes | None
    flags: int = 0
    lock_index: int = 0
    session: str = ""
    create_index: int = 0
    modify_index: int = 0


class TombstoneRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A deleted key or, with `prefix`, a deleted tree: keeps list indexes rising. Key: the key, or the prefix + NUL."""

    key: str
    index: int
    prefix: bool = False


class ConfigEntryRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A config entry; `body` is canonical CamelCase without Kind, Name and indexes. Key: `config_key`."""

    kind: str
    name: str
    body: dict[str, Any] = {}
    create_index: int = 0
    modify_index: int = 0


class CARootRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A root certificate of the mesh's CA. Key: its id (SHA-1 fingerprint, colon hex). Times are RFC 3339."""

    root_id: str
    name: str
    serial_number: int
    signing_key_id: str
    external_trust_domain: str
    not_before: str
    not_after: str
    root_cert: str
    intermediate_certs: tuple[str, ...] = ()
    active: bool = True
    private_key_type: str = "ec"
    private_key_bits: int = 256
    create_index: int = 0
    modify_index: int = 0


class CAKeyRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The private key of a root, PEM. Key: the root's id. Travels on the stream `all` only."""

    root_id: str
    private_key: str


class AgentRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The agent behind a node: who runs there, and what is kept aside while it is away. Key: node in lower case.

    `run_id` is fresh with every start of the node's gossip (or of a server); a decision about the node names the run
    id and the `status_index` that it was based on. `status` is one of `alive`, `failed`, `left`. `role` is `node` or
    `consul` (a server). `kept_services` and `kept_checks` return when the same node id joins again after leaving.
    `decided_at` is the leader's wall clock (Unix seconds) at the last decision, 0 if unknown or after a join.
    """

    node: str
    node_id: str
    run_id: str
    status: str
    address: str
    port: int
    role: str = "node"
    tags: dict[str, str] = {}
    status_index: int = 0
    kept_services: tuple[ServiceRow, ...] = ()
    kept_checks: tuple[CheckRow, ...] = ()
    create_index: int = 0
    modify_index: int = 0
    decided_at: int = 0


class IndexRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An index that Consul reports and that no single row carries. Key: its name.

    Names: `nodes`, `services`, `checks`, `kv`, `tombstones`, `tombstones-reaped`, `sessions`, `config-entries`,
    `ca-roots`, `coordinates`, `gateway-services` (whole tables);
    `service.<name>` and `connect.<name>` (lower case); `node.<name>`; `service-extinction`, `node-extinction`.
    """

    name: str
    index: int


class ServiceCheck(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A check of a service that a session hangs on."""

    check_id: str
    namespace: str = ""


class SessionRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A session: holds locks of the key-value store while its node and checks are well. Key: its id (a UUID).

    `behavior` is `release` or `delete`: what happens to the keys that it holds when it ends. `ttl` is as the client
    wrote it, `ttl_ns` what it means, 0 for none. Check lists are None where the client gave none, which Consul shows
    as `null`; `checks` are those given in the old way.
    """

    session_id: str
    node: str
    name: str = ""
    node_checks: tuple[str, ...] | None = None
    service_checks: tuple[ServiceCheck, ...] | None = None
    behavior: str = "release"
    ttl_ns: int = 0
    lock_delay_ns: int = 15_000_000_000
    checks: tuple[str, ...] = ()
    ttl: str = ""
    create_index: int = 0
    modify_index: int = 0


class LockDelayRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A key that may not be acquired for a while, since its holder was lost. Key: the key's name.

    While the row is there, acquiring fails; the leader ends it after `delay_ns` by naming `create_index`.
    """

    key: str
    delay_ns: int
    create_index: int


class AutopilotRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How the leader looks after the store's members; without the row, these defaults hold. Key: `AUTOPILOT_KEY`.

    `min_quorum` 0 means the number of members that founded the cluster.
    """

    cleanup_dead_servers: bool = True
    last_contact_threshold_ns: int = 200_000_000
    max_trailing_logs: int = 250
    min_quorum: int = 0
    server_stabilization_time_ns: int = 10_000_000_000
    create_index: int = 0
    modify_index: int = 0


Row = (
    MetaRow
    | NodeRow
    | ServiceRow
    | CheckRow
    | KVRow
    | TombstoneRow
    | ConfigEntryRow
    | CARootRow
    | CAKeyRow
    | AgentRow
    | IndexRow
    | SessionRow
    | LockDelayRow
    | AutopilotRow
    | PreparedQueryRow
    | CoordinateRow
    | EventRow
    | VirtualIPRow
    | GatewayServiceRow
    | DefinitionFilesRow
)
Key = tuple[str, ...]

AUTOPILOT_KEY: Key = ("",)


def config_key(kind: str, name: str) -> Key:
    """Where a config entry is kept: as in Consul, names that differ in case only are one."""
    return kind, name.lower()


ROW_TYPES: dict[Table, type[Row]] = {
    Table.META: MetaRow,
    Table.NODES: NodeRow,
    Table.SERVICES: ServiceRow,
    Table.CHECKS: CheckRow,
    Table.KV: KVRow,
    Table.TOMBSTONES: TombstoneRow,
    Table.CONFIG_ENTRIES: ConfigEntryRow,
    Table.CA_ROOTS: CARootRow,
    Table.CA_KEYS: CAKeyRow,
    Table.AGENTS: AgentRow,
    Table.INDEXES: IndexRow,
    Table.SESSIONS: SessionRow,
    Table.LOCK_DELAYS: LockDelayRow,
    Table.AUTOPILOT: AutopilotRow,
    Table.PREPARED_QUERIES: PreparedQueryRow,
    Table.COORDINATES: CoordinateRow,
    Table.EVENTS: EventRow,
    Table.VIRTUAL_IPS: VirtualIPRow,
    Table.GATEWAY_SERVICES: GatewayServiceRow,
    Table.DEFINITION_FILES: DefinitionFilesRow,
}


class Change(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One row put (`row`) or deleted (`row` is None) by an entry."""

    table: Table
    key: Key
    row: Row | None

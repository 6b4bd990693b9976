"""Commands: what a proposer asks the state to do, as typed values.

A command says what to change and never carries a row read from a view; ids, times and keys were fixed by whoever
made it, so that apply needs neither clock nor dice. The tag numbers are the log's format: they are never reused, and
fields are only added at the end with a default. Parsing and judging Consul's JSON happens in the catalog service;
what depends on state is judged in `apply`. Keys and sessions, the mesh, and restores have modules of their own.
"""

import msgspec

from lictor_state.kv_commands import (
    KVDelete,
    KVDeleteTree,
    KVSet,
    LockDelayEnd,
    SessionCreate,
    SessionDestroy,
    TombstonesReap,
)
from lictor_state.mesh_commands import (
    CARootSet,
    ConfigEntryDelete,
    ConfigEntrySet,
    GatewayServiceSpec,
    GatewayServicesSet,
    IntentionDelete,
    IntentionUpsert,
)
from lictor_state.prepared_query_rows import QueryDefinition
from lictor_state.restore_commands import RestoreAbort, RestoreBegin, RestoreChunk, RestoreCommit
from lictor_state.rows import CheckDefinition, ProxyDefinition, TaggedAddress, Weights

__all__ = [
    "AgentCheckDeregister", "AgentCheckRegister", "AgentDecision", "AgentJoin", "AgentServiceDeregister",
    "AgentServiceRegister", "AutopilotSet", "CARootSet", "CatalogDeregister", "CatalogRegister", "CheckSpec",
    "CheckTransition", "Command", "ConfigEntryDelete", "ConfigEntrySet", "CoordinateSpec", "CoordinatesUpdate",
    "CriticalServiceDeregister", "DefinitionFilesMark", "Envelope", "EventFire", "GatewayServiceSpec",
    "GatewayServicesSet", "IntentionDelete", "IntentionUpsert", "KVDelete", "KVDeleteTree", "KVSet", "LockDelayEnd",
    "PreparedQueryDelete", "PreparedQuerySet", "RaiseLevel", "RegisterProposer", "RestoreAbort", "RestoreBegin",
    "RestoreChunk", "RestoreCommit", "Result", "ServiceSpec", "SessionCreate", "SessionDestroy", "TombstonesReap",
    "Txn", "TxnCheck", "TxnKV", "TxnNode", "TxnService",
]  # fmt: skip
"""The commands of every family, with what they are made of."""


class ServiceSpec(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A service instance as registered; the row adds the node and indexes.

    A connect-proxy with `port` 0 and `sidecar_of` set gets the lowest free port of the sidecar range in apply.
    """

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
    sidecar_of: str = ""


class CheckSpec(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A check as registered; `status` applies when the check is new (agent) or always (catalog)."""

    check_id: str
    name: str
    status: str = "critical"
    notes: str = ""
    output: str = ""
    service_id: str = ""
    type: str = ""
    interval: str = ""
    timeout: str = ""
    definition: CheckDefinition = CheckDefinition()
    node: str = ""


class RegisterProposer(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """Open a numbered line of commands; the proposer's id is this entry's store index."""

    name: str


class CatalogRegister(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """`PUT /v1/catalog/register`: a node, and optionally one service and checks, in one write."""

    node: str
    address: str
    datacenter: str
    node_id: str = ""
    tagged_addresses: dict[str, str] = {}
    node_meta: dict[str, str] = {}
    service: ServiceSpec | None = None
    checks: tuple[CheckSpec, ...] = ()
    skip_node_update: bool = False


class CatalogDeregister(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """`PUT /v1/catalog/deregister`: a service, else a check, else the whole node."""

    node: str
    service_id: str = ""
    check_id: str = ""


class AgentServiceRegister(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """`PUT /v1/agent/service/register` through the node `node`, with its automatic sidecar if it asked for one.

    The node's row is made (without id) when the node has not been seen yet.
    """

    node: str
    address: str
    datacenter: str
    service: ServiceSpec
    checks: tuple[CheckSpec, ...] = ()
    sidecar: ServiceSpec | None = None
    sidecar_checks: tuple[CheckSpec, ...] = ()
    replace_existing_checks: bool = False
    sidecar_port_min: int = 21000
    sidecar_port_max: int = 21255


class AgentServiceDeregister(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """`PUT /v1/agent/service/deregister/:id`: the service, its checks and its automatic sidecar."""

    node: str
    service_id: str


class AgentCheckRegister(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=6):
    """`PUT /v1/agent/check/register` through the node `node`.

    With `keep` a check of this id that is there stays as it is, and the result is False.
    """

    node: str
    address: str
    datacenter: str
    check: CheckSpec
    keep: bool = False


class AgentCheckDeregister(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=7):
    """`PUT /v1/agent/check/deregister/:id`."""

    node: str
    check_id: str


class CheckTransition(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=8):
    """A check's result changed. Dropped by apply unless `definition_index` is the check's own."""

    node: str
    check_id: str
    definition_index: int
    status: str
    output: str


class AgentJoin(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=17):
    """A node's gossip (or a server) has started: its row, its agent row and a passing `serfHealth`.

    Refused when the node's name is held by another node id. With role `consul` the node also gets the service
    `consul`. Whatever was kept aside for this node id returns.
    """

    node: str
    node_id: str
    run_id: str
    address: str
    port: int
    datacenter: str
    role: str = "node"
    tags: dict[str, str] = {}
    tagged_addresses: dict[str, str] = {}
    meta: dict[str, str] = {}
    service_port: int = 0
    service_meta: dict[str, str] = {}


class AgentDecision(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=18):
    """The leader's decision about a node: `failed`, `alive`, `left` or `reap`.

    Dropped unless `run_id` and `status_index` are still the agent row's own (a late decision never hits a node that
    is back). `at` is when it was decided, in Unix seconds: the row keeps it, so that a node is reaped in time whoever
    leads by then. Result: bool, whether it took effect.
    """

    node: str
    run_id: str
    status_index: int
    decision: str
    output: str = ""
    at: int = 0


class RaiseLevel(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=19):
    """Raise the feature level once every member announces it."""

    level: int


class CriticalServiceDeregister(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=24):
    """The leader's word that a check has been critical for `DeregisterCriticalServiceAfter`: its service goes.

    Dropped if the check is not the one of `modify_index` any more, or not critical. Result: bool.
    """

    node: str
    check_id: str
    modify_index: int


class AutopilotSet(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=29):
    """`PUT /v1/operator/autopilot/configuration`, whole; with `cas`, only at that ModifyIndex. Result: bool."""

    cleanup_dead_servers: bool = True
    last_contact_threshold_ns: int = 200_000_000
    max_trailing_logs: int = 250
    min_quorum: int = 0
    server_stabilization_time_ns: int = 10_000_000_000
    cas: int | None = None


class TxnKV(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """A transaction's operation on a key or, for `get-tree` and `delete-tree`, on all keys below it."""

    verb: str
    key: str
    value: bytes | None = None
    flags: int = 0
    index: int = 0
    session: str = ""


class TxnNode(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """A transaction's operation on a node; of the registration only the node's own fields count."""

    verb: str
    node: CatalogRegister
    index: int = 0


class TxnService(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """A transaction's operation on a service instance of the node `node`."""

    verb: str
    node: str
    service: ServiceSpec
    index: int = 0


class TxnCheck(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """A transaction's operation on a check; `check.node` names its node."""

    verb: str
    check: CheckSpec
    index: int = 0


TxnOp = TxnKV | TxnNode | TxnService | TxnCheck


class PreparedQuerySet(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=31):
    """`POST /v1/query` (`create`) and `PUT /v1/query/:id`. Result: the query's id."""

    query_id: str
    definition: QueryDefinition
    create: bool = False


class PreparedQueryDelete(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=32):
    """`DELETE /v1/query/:id`. Result: True."""

    query_id: str


class Txn(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=30):
    """`PUT /v1/txn` with something to write: all operations take effect in one index, or none does.

    Result: True and the results in `more`, or an error of status 409 and the operations' errors in `more`.
    """

    ops: tuple[TxnOp, ...]


class CoordinateSpec(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where a node was measured to be, in one segment; distances in seconds."""

    node: str
    segment: str
    vec: tuple[float, ...]
    error: float
    adjustment: float
    height: float


class CoordinatesUpdate(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=33):
    """A batch of `PUT /v1/coordinate/update`. Nodes that are not there are passed over. Result: True."""

    updates: tuple[CoordinateSpec, ...]


class EventFire(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=34):
    """`PUT /v1/event/fire/:name`, or an event that gossip heard from a Serf pool, which then has an `ltime`.

    Whoever hears one proposes it: an id that is known already changes nothing. Result: bool, whether it was new.
    """

    event_id: str
    name: str
    payload: bytes | None = None
    node_filter: str = ""
    service_filter: str = ""
    tag_filter: str = ""
    version: int = 1
    ltime: int = 0


class DefinitionFilesMark(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=40):
    """Note that a node's definition files below `origin` brought these ids or, with `gone`, have them no more."""

    node: str
    origin: str
    services: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    gone: bool = False


Command = (
    RegisterProposer
    | CatalogRegister
    | CatalogDeregister
    | AgentServiceRegister
    | AgentServiceDeregister
    | AgentCheckRegister
    | AgentCheckDeregister
    | CheckTransition
    | KVSet
    | KVDelete
    | KVDeleteTree
    | ConfigEntrySet
    | ConfigEntryDelete
    | IntentionUpsert
    | IntentionDelete
    | CARootSet
    | AgentJoin
    | AgentDecision
    | RaiseLevel
    | SessionCreate
    | SessionDestroy
    | LockDelayEnd
    | TombstonesReap
    | CriticalServiceDeregister
    | RestoreBegin
    | RestoreChunk
    | RestoreCommit
    | RestoreAbort
    | AutopilotSet
    | Txn
    | PreparedQuerySet
    | PreparedQueryDelete
    | CoordinatesUpdate
    | EventFire
    | GatewayServicesSet
    | DefinitionFilesMark
)


class Envelope(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One log entry's payload: a command in its proposer's numbered line.

    `proposer` 0 marks commands that need no exactly-once line (RegisterProposer, and the leader's own decisions,
    which name the index that they are based on). `answered_below` is the lowest number still unanswered at the
    proposer.
    """

    proposer: int
    number: int
    answered_below: int
    command: Command


class Result(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a command came to: a value, or an error in Consul's wording with the HTTP status it deserves.

    `more` is what does not fit into a value: results or errors of a transaction. How much that may be is said in
    `txn_outcome`, and how much of it is kept in `exactly_once`.
    """

    value: bool | int | str | None = None
    error: str = ""
    status: int = 500
    more: bytes = b""

"""Rows as Consul's JSON, byte for byte: field names, order, omissions, escaping.

The objects are `consul_shapes`' structs. Go's encoder sorts map keys and escapes `<`, `>`, `&` and the
two Unicode line separators; `encode` does the same, `indented` is `?pretty`. The structs are built per answer and the
bytes are shared by everybody who asked for the same; nothing here decides what is in an answer.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from lictor_catalog import durations
from lictor_catalog.consul_shapes import (
    AgentProxy,
    AgentService,
    AgentUpstream,
    HealthCheck,
    KVEntry,
    NodeService,
    ServiceHealth,
    ServiceNode,
    ShownAddress,
    ShownConnect,
    ShownDefinition,
    ShownExpose,
    ShownExtension,
    ShownLocality,
    ShownMode,
    ShownNode,
    ShownPath,
    ShownProxy,
    ShownServiceCheck,
    ShownSession,
    ShownTransparent,
    ShownUpstream,
    ShownWeights,
)
from lictor_catalog.row_fragments import RowFragments
from lictor_state.central_merge import CentralUpstream, MergedProxy
from lictor_state.rows import (
    CheckDefinition,
    CheckRow,
    KVRow,
    NodeRow,
    ProxyDefinition,
    ServiceRow,
    SessionRow,
    Upstream,
    Weights,
)
from lictor_state.virtual_ips import CONSUL_VIRTUAL

_encoder = msgspec.json.Encoder(order="deterministic")
_ESCAPED = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def encode(value: Any) -> bytes:
    """The bytes as Go's encoder writes them."""
    return escape(_encoder.encode(value))


def escape(body: bytes) -> bytes:
    """Escape what Go's encoder escapes and others do not; these bytes occur in strings only."""
    for raw, escaped in _ESCAPED:
        if raw in body:
            body = body.replace(raw, escaped)
    return body


def indented(body: bytes) -> bytes:
    """The body as `?pretty` shows it: four spaces and a newline at the end."""
    return msgspec.json.format(body, indent=4) + b"\n"


_DEFAULT_WEIGHTS = ShownWeights(passing=1, warning=1)
_NO_MODE = ShownMode()
_NOT_EXPOSED = ShownExpose()
_NO_DEFINITION = ShownDefinition()
_NO_PROXY = ShownProxy(mode="", mesh_gateway=_NO_MODE, expose=_NOT_EXPOSED)
_NOT_MERGED = MergedProxy()
_NOT_NATIVE = ShownConnect()
_NATIVE = ShownConnect(native=True)


def node(row: NodeRow) -> ShownNode:
    """A node."""
    return ShownNode(
        node_id=row.node_id,
        node=row.node,
        address=row.address,
        datacenter=row.datacenter,
        tagged_addresses=row.tagged_addresses or None,
        meta=row.meta or None,
        create_index=row.create_index,
        modify_index=row.modify_index,
    )


def node_service(row: ServiceRow) -> NodeService:
    """A service beside its node."""
    return NodeService(
        kind=row.kind,
        service_id=row.service_id,
        service=row.name,
        tags=row.tags,
        address=row.address,
        tagged_addresses=_addresses(row),
        meta=row.meta if row.meta or row.agent else None,
        port=row.port,
        socket_path=row.socket_path,
        weights=_weights(row.weights),
        enable_tag_override=row.enable_tag_override,
        locality=_locality(row),
        proxy=_NO_PROXY if row.proxy is None else _proxy(row.proxy),
        connect=_NATIVE if row.native else _NOT_NATIVE,
        peer_name="",
        create_index=row.create_index,
        modify_index=row.modify_index,
    )


def service_node(node_row: NodeRow, row: ServiceRow) -> ServiceNode:
    """A service with its node's fields."""
    return ServiceNode(
        node_id=node_row.node_id,
        node=node_row.node,
        address=node_row.address,
        datacenter=node_row.datacenter,
        tagged_addresses=node_row.tagged_addresses or None,
        node_meta=node_row.meta or None,
        service_kind=row.kind,
        service_id=row.service_id,
        service_name=row.name,
        service_tags=row.tags,
        service_address=row.address,
        service_tagged_addresses=_addresses(row),
        service_weights=_weights(row.weights),
        service_meta=row.meta,
        service_port=row.port,
        service_socket_path=row.socket_path,
        service_enable_tag_override=row.enable_tag_override,
        service_proxy=_NO_PROXY if row.proxy is None else _proxy(row.proxy),
        service_connect=_NATIVE if row.native else _NOT_NATIVE,
        service_locality=_locality(row),
        create_index=row.create_index,
        modify_index=row.modify_index,
    )


def health_check(row: CheckRow) -> HealthCheck:
    """A check; how an agent's check is run is the agent's business and not shown."""
    return HealthCheck(
        node=row.node,
        check_id=row.check_id,
        name=row.name,
        status=row.status,
        notes=row.notes,
        output=row.output,
        service_id=row.service_id,
        service_name=row.service_name,
        service_tags=row.service_tags,
        type=row.type,
        interval=row.interval,
        timeout=row.timeout,
        exposed_port=row.exposed_port,
        definition=_NO_DEFINITION if row.agent else check_definition(row.definition),
        create_index=row.create_index,
        modify_index=row.modify_index,
    )


_node_fragments = RowFragments(node)
_service_fragments = RowFragments(node_service)
_check_fragments = RowFragments(health_check)


def _merged_fragment(row: ServiceRow) -> msgspec.Raw:
    """A row that was made for one answer: nobody will meet it again."""
    return msgspec.Raw(_encoder.encode(node_service(row)))


def service_health(node_row: NodeRow, row: ServiceRow, checks: Iterable[CheckRow]) -> ServiceHealth:
    """An element of `health/service`."""
    return ServiceHealth(
        node=_node_fragments(node_row),
        service=_merged_fragment(row) if isinstance(row.proxy, MergedProxy) else _service_fragments(row),
        checks=[_check_fragments(one) for one in checks],
    )


def agent_service(row: ServiceRow, datacenter: str, content_hash: str = "") -> AgentService:
    """A service at its agent; indexes and its virtual address are the catalog's and not shown."""
    return AgentService(
        kind=row.kind,
        service_id=row.service_id,
        service=row.name,
        tags=row.tags,
        meta=row.meta,
        port=row.port,
        address=row.address,
        socket_path=row.socket_path,
        tagged_addresses={label: one for label, one in _addresses(row).items() if label != CONSUL_VIRTUAL},
        weights=_weights(row.weights),
        enable_tag_override=row.enable_tag_override,
        content_hash=content_hash,
        proxy=None if row.proxy is None else _agent_proxy(row.proxy),
        connect=_NATIVE if row.native else None,
        datacenter=datacenter,
        locality=_locality(row),
    )


def kv_entry(row: KVRow) -> KVEntry:
    """A key of the store."""
    return KVEntry(
        lock_index=row.lock_index,
        key=row.key,
        flags=row.flags,
        value=row.value or None,
        session=row.session,
        create_index=row.create_index,
        modify_index=row.modify_index,
    )


def session(row: SessionRow) -> ShownSession:
    """A session; check lists that were not given are `null`."""
    services = row.service_checks
    return ShownSession(
        id=row.session_id,
        name=row.name,
        node=row.node,
        lock_delay=row.lock_delay_ns,
        behavior=row.behavior,
        ttl=row.ttl,
        node_checks=row.node_checks,
        service_checks=(
            None
            if services is None
            else tuple(ShownServiceCheck(id=one.check_id, namespace=one.namespace) for one in services)
        ),
        checks=row.checks,
        create_index=row.create_index,
        modify_index=row.modify_index,
    )


def check_definition(given: CheckDefinition) -> ShownDefinition:
    """A check's `Definition`: what is set, durations as Go prints them and the TTL in nanoseconds."""
    return ShownDefinition(
        interval=durations.render_given(given.interval_ns),
        output_max_size=given.output_max_size,
        timeout=durations.render_given(given.timeout_ns),
        deregister_critical_service_after=durations.render_given(given.deregister_critical_service_after_ns),
        http=given.http,
        tls_server_name=given.tls_server_name,
        tls_skip_verify=given.tls_skip_verify,
        header=given.header,
        method=given.method,
        body=given.body,
        disable_redirects=given.disable_redirects,
        tcp=given.tcp,
        tcp_use_tls=given.tcp_use_tls,
        udp=given.udp,
        h2ping=given.h2ping,
        os_service=given.os_service,
        h2ping_use_tls=given.h2ping_use_tls,
        script_args=given.script_args,
        docker_container_id=given.docker_container_id,
        shell=given.shell,
        grpc=given.grpc,
        grpc_use_tls=given.grpc_use_tls,
        alias_node=given.alias_node,
        alias_service=given.alias_service,
        ttl=given.ttl_ns,
    )


def _weights(row: Weights) -> ShownWeights:
    if row.passing == 1 and row.warning == 1:
        return _DEFAULT_WEIGHTS
    return ShownWeights(passing=row.passing, warning=row.warning)


def _addresses(row: ServiceRow) -> dict[str, ShownAddress]:
    return {label: ShownAddress(address=one.address, port=one.port) for label, one in row.tagged_addresses.items()}


def _locality(row: ServiceRow) -> ShownLocality | None:
    return ShownLocality(region=row.region, zone=row.zone) if row.region else None


def _mode(mode: str) -> ShownMode:
    return ShownMode(mode=mode) if mode else _NO_MODE


def _proxy(row: ProxyDefinition) -> ShownProxy:
    central = row if isinstance(row, MergedProxy) else _NOT_MERGED
    return ShownProxy(
        destination_service_name=row.destination_service_name,
        destination_service_id=row.destination_service_id,
        local_service_address=row.local_service_address,
        local_service_port=row.local_service_port,
        local_service_socket_path=row.local_service_socket_path,
        mode=row.mode,
        config=row.config,
        upstreams=tuple(_upstream(one) for one in row.upstreams),
        mesh_gateway=_mode(row.mesh_gateway_mode),
        expose=_expose(row.expose),
        transparent_proxy=_transparent(row.transparent_proxy),
        mutual_tls_mode=central.mutual_tls_mode,
        access_logs=central.access_logs,
        envoy_extensions=tuple(_extension(one) for one in central.envoy_extensions),
    )


def _extension(given: dict[str, Any]) -> ShownExtension:
    return ShownExtension(
        name=given.get("Name", ""),
        required=given.get("Required", False),
        arguments=given.get("Arguments"),
        consul_version="",
        envoy_version="",
    )


def _upstream(row: Upstream) -> ShownUpstream:
    central = isinstance(row, CentralUpstream)
    return ShownUpstream(
        destination_type=row.destination_type,
        destination_namespace="default" if central else "",
        destination_partition="default" if central else "",
        destination_name=row.destination_name,
        datacenter=row.datacenter,
        local_bind_address=row.local_bind_address,
        local_bind_port=row.local_bind_port,
        local_bind_socket_path=row.local_bind_socket_path,
        config=row.config or None,
        mesh_gateway=_mode(row.mesh_gateway_mode),
        centrally_configured=central,
    )


def _agent_proxy(row: ProxyDefinition) -> AgentProxy:
    central = row if isinstance(row, MergedProxy) else _NOT_MERGED
    return AgentProxy(
        destination_service_name=row.destination_service_name,
        destination_service_id=row.destination_service_id,
        local_service_address=row.local_service_address,
        local_service_port=row.local_service_port,
        local_service_socket_path=row.local_service_socket_path,
        mode=row.mode,
        transparent_proxy=_transparent(row.transparent_proxy),
        config=row.config,
        upstreams=tuple(_agent_upstream(one) for one in row.upstreams),
        mesh_gateway=_mode(row.mesh_gateway_mode),
        expose=_expose(row.expose),
        access_logs=central.access_logs,
        envoy_extensions=tuple(_extension(one) for one in central.envoy_extensions),
    )


def _agent_upstream(row: Upstream) -> AgentUpstream:
    central = isinstance(row, CentralUpstream)
    return AgentUpstream(
        destination_type=row.destination_type,
        destination_namespace="default" if central else "",
        destination_partition="default" if central else "",
        destination_name=row.destination_name,
        datacenter=row.datacenter,
        local_bind_address=row.local_bind_address,
        local_bind_port=row.local_bind_port,
        local_bind_socket_path=row.local_bind_socket_path,
        config=row.config,
        mesh_gateway=_mode(row.mesh_gateway_mode),
        centrally_configured=central,
    )


def _expose(expose: dict[str, Any]) -> ShownExpose:
    if not expose:
        return _NOT_EXPOSED
    return ShownExpose(
        checks=expose.get("Checks", False),
        paths=tuple(
            ShownPath(
                listener_port=path.get("ListenerPort", 0),
                path=path.get("Path", ""),
                local_path_port=path.get("LocalPathPort", 0),
                protocol=path.get("Protocol", ""),
                parsed_from_check=path.get("ParsedFromCheck", False),
            )
            for path in expose.get("Paths", ())
        ),
    )


def _transparent(given: dict[str, Any]) -> ShownTransparent | None:
    if not given:
        return None
    return ShownTransparent(
        outbound_listener_port=given.get("OutboundListenerPort", 0), dialed_directly=given.get("DialedDirectly", False)
    )

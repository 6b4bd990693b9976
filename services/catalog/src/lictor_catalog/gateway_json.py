"""What gateways serve as Consul's JSON."""

import msgspec

from lictor_catalog.consul_shapes import Shown
from lictor_state.mesh_rows import GatewayServiceRow


class ShownName(Shown, frozen=True, gc=False, kw_only=True):
    """The name of a gateway or service."""

    name: str


class ShownGatewayService(Shown, frozen=True, gc=False, kw_only=True):
    """One service of a gateway."""

    gateway: ShownName
    service: ShownName
    gateway_kind: str
    port: int = 0
    protocol: str = ""
    hosts: tuple[str, ...] = ()
    ca_file: str = msgspec.field(name="CAFile", default="")
    cert_file: str = ""
    key_file: str = ""
    sni: str = msgspec.field(name="SNI", default="")
    from_wildcard: bool = False
    service_kind: str = ""
    auto_host_rewrite: bool = False
    create_index: int
    modify_index: int


def gateway_service(row: GatewayServiceRow) -> ShownGatewayService:
    """One service of a gateway."""
    return ShownGatewayService(
        gateway=ShownName(name=row.gateway),
        service=ShownName(name=row.service),
        gateway_kind=row.kind,
        port=row.port,
        protocol=row.protocol,
        hosts=row.hosts,
        ca_file=row.ca_file,
        cert_file=row.cert_file,
        key_file=row.key_file,
        sni=row.sni,
        from_wildcard=row.from_wildcard,
        service_kind=row.service_kind,
        auto_host_rewrite=row.auto_host_rewrite,
        create_index=row.create_index,
        modify_index=row.modify_index,
    )

"""What gateways serve, as whoever knows their config entries writes it."""

from lictor_state.catalog_rows import put_changed
from lictor_state.commands import GatewayServicesSet, Result
from lictor_state.mesh_rows import GatewayServiceRow
from lictor_state.reported_indexes import GATEWAY_SERVICES, raise_index
from lictor_state.rows import Key, Table
from lictor_state.store import Store


def set_services(store: Store, index: int, command: GatewayServicesSet) -> Result:
    """Replace what one gateway serves; rows that stay the same are not written."""
    gateway = command.gateway.lower()
    wanted: dict[Key, GatewayServiceRow] = {}
    for one in command.services:
        wanted[(gateway, one.service.lower(), str(one.port))] = GatewayServiceRow(
            gateway=command.gateway,
            service=one.service,
            kind=command.kind,
            port=one.port,
            protocol=one.protocol,
            hosts=one.hosts,
            ca_file=one.ca_file,
            cert_file=one.cert_file,
            key_file=one.key_file,
            sni=one.sni,
            from_wildcard=one.from_wildcard,
            service_kind=one.service_kind,
            auto_host_rewrite=one.auto_host_rewrite,
        )
    changed = False
    for key in tuple(store.by.served_by_gateway.get(gateway, ())):
        if key not in wanted:
            store.delete(Table.GATEWAY_SERVICES, key)
            changed = True
    for key, row in wanted.items():
        old = store.get(Table.GATEWAY_SERVICES, key)
        assert old is None or isinstance(old, GatewayServiceRow)
        changed |= put_changed(store, index, Table.GATEWAY_SERVICES, key, old, row)
    if changed:
        raise_index(store, GATEWAY_SERVICES, index)
    return Result(value=True)

"""Virtual addresses of the services of the mesh (Consul: transparent proxy, tagged address `consul-virtual`).

A service gets one address of 240.0.0.0/4 with its first instance in the mesh (a sidecar proxy for it, or a native
instance), keeps it while it has one, and gives it back with the last. The next service takes the lowest one that is
free. Every instance in the mesh shows its service's address as a tagged address, with its own port.

Below `VIRTUAL_IPS_LEVEL` nothing is given; raising it gives instances of before theirs (`apply_levels`).
"""

from bisect import bisect_left
from ipaddress import IPv4Address

from msgspec.structs import replace

from lictor_state.errors import Refused
from lictor_state.levels import VIRTUAL_IPS_LEVEL
from lictor_state.mesh_rows import VirtualIPRow
from lictor_state.rows import ServiceRow, TaggedAddress
from lictor_state.secondary_indexes import destination_of
from lictor_state.store import Store
from lictor_state.tables import VIRTUAL_IPS

CONSUL_VIRTUAL = "consul-virtual"
"""The tagged address; what a registration says under this name is not listened to, as in Consul."""

OFFSET_MAX = (1 << 28) - 2  # 255.255.255.254: the network's first and last address are nobody's
_NETWORK = int(IPv4Address("240.0.0.0"))


def address_of(row: VirtualIPRow) -> str:
    """The address as text."""
    return str(IPv4Address(_NETWORK + row.offset))


def give_virtual_ip(store: Store, index: int, row: ServiceRow) -> ServiceRow:
    """The instance with its service's address, which is assigned now if this is its first; other instances unchanged.

    Raises `Refused` when every address is taken.
    """
    if store.level < VIRTUAL_IPS_LEVEL:
        return row
    destination = destination_of(row)
    if not destination:
        return row
    virtual = store.virtual_ip(destination)
    if virtual is None:
        name = row.proxy.destination_service_name if row.kind == "connect-proxy" and row.proxy is not None else row.name
        virtual = VirtualIPRow(name, _lowest_free(store.by.virtual_offsets), index, index)
        store.put(VIRTUAL_IPS, (destination,), virtual)
    tagged = row.tagged_addresses | {CONSUL_VIRTUAL: TaggedAddress(address_of(virtual), row.port)}
    return replace(row, tagged_addresses=tagged)


def take_back_virtual_ip(store: Store, row: ServiceRow) -> None:
    """Free the address of the service that `row` (gone, or replaced) stood for, if nothing stands for it any more."""
    destination = destination_of(row)
    if destination and destination not in store.by.proxies_of:
        store.delete(VIRTUAL_IPS, (destination,))


def _lowest_free(taken: list[int]) -> int:
    """The lowest offset from 1 up that is not in a sorted list of distinct ones."""
    free = bisect_left(range(len(taken)), 1, key=lambda at: int(taken[at] != at + 1)) + 1
    if free > OFFSET_MAX:
        raise Refused("cannot allocate any more unique service virtual IPs")
    return free

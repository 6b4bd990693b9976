"""Raising the feature level, and what a level brings to rows that are older than it (design rule 3.10)."""

from lictor_state.catalog_rows import restore_service
from lictor_state.commands import RaiseLevel, Result
from lictor_state.levels import VIRTUAL_IPS_LEVEL
from lictor_state.store import Store


def raise_level(store: Store, index: int, command: RaiseLevel) -> Result:
    """Raise the level; False if it is there already. Instances of before virtual addresses get theirs now."""
    before = store.level
    raised = store.raise_level(command.level)
    if before < VIRTUAL_IPS_LEVEL <= store.level:
        give_virtual_ips(store, index)
    return Result(value=raised)


def give_virtual_ips(store: Store, index: int) -> None:
    """Give every instance of the mesh its service's virtual address, services in the order of their names."""
    for destination in sorted(store.by.proxies_of):
        for node, service_id in tuple(store.by.proxies_of[destination]):
            row = store.service(node, service_id)
            assert row is not None, f"{service_id} of {node} is indexed but not there"
            restore_service(store, index, row)

"""Config entries: write and delete whole, with the checks that need nothing but the entry itself.

`service-intentions` is brought into its stored form on the way (`intention_entry`). The consistency of entries with
each other (protocols, cycles, missing subsets) is not judged here.
"""

from typing import Any

from lictor_state import reported_indexes as reported
from lictor_state.catalog_rows import put_changed
from lictor_state.commands import ConfigEntryDelete, ConfigEntrySet, Result
from lictor_state.errors import Refused
from lictor_state.intention_entry import INTENTIONS, checked_entry
from lictor_state.rows import ConfigEntryRow, Table, config_key
from lictor_state.store import Store

KINDS = frozenset(
    {
        "service-defaults",
        "proxy-defaults",
        "service-router",
        "service-splitter",
        "service-resolver",
        INTENTIONS,
        "mesh",
        "exported-services",
        "ingress-gateway",
        "terminating-gateway",
        "api-gateway",
        "bound-api-gateway",
        "http-route",
        "tcp-route",
        "inline-certificate",
        "file-system-certificate",
        "jwt-provider",
    }
)
_FIXED_NAMES = {"proxy-defaults": "global", "mesh": "mesh", "exported-services": "default"}
_NAMED_AFTER_A_SERVICE = frozenset({"service-defaults", "service-router", "service-splitter", "service-resolver"})
_PROTOCOLS = frozenset({"", "tcp", "http", "http2", "grpc"})


def set_entry(store: Store, index: int, command: ConfigEntrySet) -> Result:
    """Write an entry; with `cas` only at that modify index, 0 meaning only if it is not there."""
    _judge_name(command.kind, command.name)
    old = store.config_entry(command.kind, command.name)
    if command.cas is not None and command.cas != (old.modify_index if old is not None else 0):
        return Result(value=False)
    body = command.body
    if command.kind == INTENTIONS:
        body = checked_entry(command.name, body, old.body if old is not None else None)
    elif command.kind == "service-defaults":
        _judge_service_defaults(body)
    write_entry(store, index, command.kind, command.name, body)
    return Result(value=True)


def write_entry(store: Store, index: int, kind: str, name: str, body: dict[str, Any]) -> None:
    """Write an entry's row unless it is there already, just so."""
    key = config_key(kind, name)
    if put_changed(
        store, index, Table.CONFIG_ENTRIES, key, store.config_entry(kind, name), ConfigEntryRow(kind, name, body)
    ):
        reported.raise_index(store, reported.CONFIG_ENTRIES, index)


def delete_entry(store: Store, index: int, command: ConfigEntryDelete) -> Result:
    """Delete an entry; with `cas` only at that modify index. Without `cas` a missing one is deleted already."""
    if command.kind not in KINDS:
        raise Refused(f"invalid config entry kind: {command.kind}", 400)
    old = store.config_entry(command.kind, command.name)
    if command.cas is not None and (old is None or command.cas != old.modify_index):
        return Result(value=False)
    if old is not None:
        remove_entry(store, index, command.kind, command.name)
    return Result(value=True)


def remove_entry(store: Store, index: int, kind: str, name: str) -> None:
    """Delete an entry's row."""
    store.delete(Table.CONFIG_ENTRIES, config_key(kind, name))
    reported.raise_index(store, reported.CONFIG_ENTRIES, index)


def _judge_name(kind: str, name: str) -> None:
    if kind not in KINDS:
        raise Refused(f"invalid config entry kind: {kind}", 400)
    if not name:
        raise Refused("Name is required")
    fixed = _FIXED_NAMES.get(kind)
    if fixed is not None and name != fixed:
        raise Refused(f'invalid name ("{name}"), only "{fixed}" is supported')
    if kind in _NAMED_AFTER_A_SERVICE and name == "*":
        raise Refused(f'{kind} config entry name cannot be a wildcard "*"')


def _judge_service_defaults(body: dict[str, Any]) -> None:
    protocol = body.get("Protocol", "")
    if protocol not in _PROTOCOLS:
        raise Refused(f"invalid value for protocol: {protocol}")

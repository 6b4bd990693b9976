"""Intentions: one source of a destination's `service-intentions` entry at a time (Consul's HTTP API, intentions).

The current API names source and destination; the legacy one names an id, and only works on entries that it made.
"""

from typing import Any

from lictor_state.apply_config import remove_entry, write_entry
from lictor_state.commands import IntentionDelete, IntentionUpsert, Result
from lictor_state.errors import Refused
from lictor_state.intention_entry import INTENTIONS, Source, is_legacy, stored_entry
from lictor_state.rows import ConfigEntryRow
from lictor_state.store import Store


def upsert(store: Store, index: int, command: IntentionUpsert) -> Result:
    """Write one source. Result: True, or the legacy id."""
    if not command.legacy_id:
        entry = store.config_entry(INTENTIONS, command.destination)
        sources = _sources(entry)
        at = next((at for at, one in enumerate(sources) if _is_named(one, command.source)), None)
        written = _source(command)
        if at is None:
            sources.append(written)
        else:
            sources[at] = written
        _write(store, index, _name(entry, command), entry, sources, legacy=False)
        return Result(value=True)
    if command.legacy_create:
        entry = store.config_entry(INTENTIONS, command.destination)
        sources = _sources(entry)
        if entry is not None:
            _need_legacy(entry)
        sources.append(_source(command))
        _write(store, index, _name(entry, command), entry, sources, legacy=True)
    else:
        _legacy_update(store, index, command)
    return Result(value=command.legacy_id)


def _name(entry: ConfigEntryRow | None, command: IntentionUpsert) -> str:
    """The entry's own spelling, if there is one for the destination in any case."""
    return entry.name if entry is not None else command.destination


def _legacy_update(store: Store, index: int, command: IntentionUpsert) -> None:
    found = find_legacy(store, command.legacy_id)
    if found is None:
        raise Refused(f"Cannot modify non-existent intention: '{command.legacy_id}'")
    entry, at = found
    if command.destination != entry.name:
        raise Refused("cannot modify Destination partition, namespace, or name for an intention once it exists.")
    _need_legacy(entry)
    sources = _sources(entry)
    written = _source(command)
    written["LegacyCreateTime"] = sources[at].get("LegacyCreateTime", command.now)
    sources[at] = written
    _write(store, index, entry.name, entry, sources, legacy=True)


def delete(store: Store, index: int, command: IntentionDelete) -> Result:
    """Remove one source; the entry goes with its last one. By names, a missing one is removed already."""
    if command.legacy_id:
        found = find_legacy(store, command.legacy_id)
        if found is None:
            raise Refused(f"Cannot delete non-existent intention: '{command.legacy_id}'")
        entry, at = found
        _need_legacy(entry)
    else:
        row = store.config_entry(INTENTIONS, command.destination)
        if row is None:
            return Result(value=True)
        place = next((at for at, one in enumerate(_sources(row)) if _is_named(one, command.source)), None)
        if place is None:
            return Result(value=True)
        entry, at = row, place
    sources = _sources(entry)
    del sources[at]
    if sources:
        _write(store, index, entry.name, entry, sources, legacy=bool(command.legacy_id))
    else:
        remove_entry(store, index, INTENTIONS, entry.name)
    return Result(value=True)


def find_legacy(store: Store, legacy_id: str) -> tuple[ConfigEntryRow, int] | None:
    """The entry that has the intention with this id, and the source's place in it."""
    for name in store.by.config_names.get(INTENTIONS, ()):
        entry = store.config_entry(INTENTIONS, name)
        assert entry is not None
        for at, source in enumerate(_sources(entry)):
            if source.get("LegacyID") == legacy_id:
                return entry, at
    return None


def _need_legacy(entry: ConfigEntryRow) -> None:
    if not is_legacy(_sources(entry)):
        raise Refused(
            f'cannot use legacy intention API to edit intentions with a destination of "{entry.name}" after editing '
            "them via a service-intentions config entry"
        )


def _sources(entry: ConfigEntryRow | None) -> list[Source]:
    return list(entry.body.get("Sources") or ()) if entry is not None else []


def _is_named(source: Source, name: str) -> bool:
    return source.get("Name") == name and not source.get("Peer") and not source.get("SamenessGroup")


def _source(command: IntentionUpsert) -> Source:
    source: Source = {"Name": command.source, "Type": command.source_type or "consul"}
    if command.action:
        source["Action"] = command.action
    if command.permissions:
        source["Permissions"] = list(command.permissions)
    if command.description:
        source["Description"] = command.description
    if command.legacy_id:
        source["LegacyID"] = command.legacy_id
        source["LegacyMeta"] = command.legacy_meta
        source["LegacyCreateTime"] = command.now
        source["LegacyUpdateTime"] = command.now
    return source


def _write(
    store: Store, index: int, name: str, entry: ConfigEntryRow | None, sources: list[Source], *, legacy: bool
) -> None:
    body: dict[str, Any] = {**(entry.body if entry is not None else {}), "Sources": sources}
    if not name:
        raise Refused("Name is required")
    write_entry(store, index, INTENTIONS, name, stored_entry(name, body, legacy=legacy))

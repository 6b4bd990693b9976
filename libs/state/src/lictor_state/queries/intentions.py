"""`GET /v1/connect/intentions`, `/exact`, `/match` and by legacy id: one value per source of a stored entry.

Reported at the config entries' index. Lists are sorted by precedence, high first, then source, then destination.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from lictor_state import reported_indexes as reported
from lictor_state.apply_intentions import find_legacy
from lictor_state.intention_entry import INTENTIONS, WILDCARD, precedence
from lictor_state.queries.answer import Answer, whole
from lictor_state.rows import ConfigEntryRow, Table, config_key
from lictor_state.store import Store
from lictor_state.watches import Token


class Intention(msgspec.Struct, frozen=True):
    """One source of a destination's entry, as the intentions API shows it. Times are empty unless it is legacy."""

    source: str
    destination: str
    action: str
    permissions: tuple[dict[str, Any], ...]
    precedence: int
    description: str = ""
    source_type: str = "consul"
    source_peer: str = ""
    legacy_id: str = ""
    meta: dict[str, str] = {}
    created_at: str = ""
    updated_at: str = ""
    create_index: int = 0
    modify_index: int = 0


def intentions(store: Store) -> Answer[list[Intention]]:
    """All intentions."""
    index, tokens = whole(store, reported.CONFIG_ENTRIES)
    found = [one for name in store.by.config_names.get(INTENTIONS, ()) for one in _of_entry(store, name)]
    return Answer(index, _sorted(found), tokens)


def exact(store: Store, source: str, destination: str) -> Answer[Intention | None]:
    """The intention that names just this source and destination; absent if there is none."""
    index, _ = whole(store, reported.CONFIG_ENTRIES)
    found = next((one for one in _of_entry(store, destination) if one.source == source and not one.source_peer), None)
    return Answer(index, found, (_entry_token(destination),), absent=found is None)


def by_id(store: Store, legacy_id: str) -> Answer[Intention | None]:
    """The intention with a legacy id; absent if there is none."""
    index, tokens = whole(store, reported.CONFIG_ENTRIES)
    place = find_legacy(store, legacy_id)
    found = _intention(place[0], place[0].body["Sources"][place[1]]) if place is not None else None
    return Answer(index, found, tokens, absent=found is None)


def match(
    store: Store, names: Sequence[str], by: Literal["source", "destination"] = "destination"
) -> Answer[dict[str, list[Intention]]]:
    """For each name, every intention that could apply to it as destination (or as source)."""
    index, tokens = whole(store, reported.CONFIG_ENTRIES)
    found: dict[str, list[Intention]] = {}
    for name in names:
        if by == "destination":
            entries = dict.fromkeys((name, WILDCARD))
            found[name] = _sorted([one for entry in entries for one in _of_entry(store, entry)])
        else:
            everything = (one for entry in store.by.config_names.get(INTENTIONS, ()) for one in _of_entry(store, entry))
            wanted = {name.lower(), WILDCARD}
            found[name] = _sorted([one for one in everything if one.source.lower() in wanted and not one.source_peer])
    if by == "destination":
        tokens = tuple(map(_entry_token, dict.fromkeys((*names, WILDCARD))))
    return Answer(index, found, tokens)


def _entry_token(destination: str) -> Token:
    return ("row", Table.CONFIG_ENTRIES, config_key(INTENTIONS, destination))


def _sorted(found: list[Intention]) -> list[Intention]:
    return sorted(found, key=lambda one: (-one.precedence, one.source, one.destination))


def _of_entry(store: Store, destination: str) -> list[Intention]:
    entry = store.config_entry(INTENTIONS, destination)
    if entry is None:
        return []
    return [_intention(entry, source) for source in entry.body.get("Sources") or ()]


def _intention(entry: ConfigEntryRow, source: dict[str, Any]) -> Intention:
    legacy_id = source.get("LegacyID", "")
    return Intention(
        source=source["Name"],
        destination=entry.name,
        action=source.get("Action", ""),
        permissions=tuple(source.get("Permissions") or ()),
        precedence=source.get("Precedence") or precedence(entry.name, source["Name"]),
        description=source.get("Description", ""),
        source_type=source.get("Type", "consul"),
        source_peer=source.get("Peer", ""),
        legacy_id=legacy_id,
        meta=source.get("LegacyMeta", {}) if legacy_id else entry.body.get("Meta") or {},
        created_at=source.get("LegacyCreateTime", ""),
        updated_at=source.get("LegacyUpdateTime", ""),
        create_index=entry.create_index,
        modify_index=entry.modify_index,
    )

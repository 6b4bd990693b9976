"""The three streams of the change feed, and which rows belong to each (design rule 3.7).

`all` has everything that is a row; `discovery` what DNS and the health checkers need; `mesh` what configures proxies.
Index rows go where the tables go that they speak for. The row of `META` may ride along and never counts as a change
of a stream. The exactly-once bookkeeping of proposers is no row and travels in snapshots of members only.
"""

from collections.abc import Iterable
from typing import Literal

from lictor_state.rows import Change, Key, Table
from lictor_state.tables import INDEXES, META

Stream = Literal["all", "discovery", "mesh"]

STREAMS: tuple[Stream, ...] = ("all", "discovery", "mesh")
STREAM_TABLES: dict[Stream, frozenset[Table]] = {
    "all": frozenset(Table),
    "discovery": frozenset(
        {
            Table.META,
            Table.NODES,
            Table.SERVICES,
            Table.CHECKS,
            Table.AGENTS,
            Table.INDEXES,
            Table.PREPARED_QUERIES,
            Table.COORDINATES,
            Table.VIRTUAL_IPS,
            Table.GATEWAY_SERVICES,
        }
    ),
    "mesh": frozenset(
        {
            Table.META,
            Table.NODES,
            Table.SERVICES,
            Table.CHECKS,
            Table.CONFIG_ENTRIES,
            Table.CA_ROOTS,
            Table.INDEXES,
            Table.VIRTUAL_IPS,
            Table.GATEWAY_SERVICES,
        }
    ),
}

_BITS: dict[Stream, int] = {"all": 1, "discovery": 2, "mesh": 4}
EVERYWHERE = 7

_TABLE_BITS: dict[Table, int] = {
    table: 0 if table is Table.META else sum(_BITS[stream] for stream in STREAMS if table in STREAM_TABLES[stream])
    for table in Table
}
_INDEX_BITS: dict[str, int] = {
    "kv": _BITS["all"],
    "tombstones": _BITS["all"],
    "tombstones-reaped": _BITS["all"],
    "sessions": _BITS["all"],
    "config-entries": _BITS["all"] | _BITS["mesh"],
    "ca-roots": _BITS["all"] | _BITS["mesh"],
    "prepared-queries": _BITS["all"] | _BITS["discovery"],
    "coordinates": _BITS["all"] | _BITS["discovery"],
    "gateway-services": EVERYWHERE,
}  # every other index row speaks for nodes, services and checks, which are in all three
STREAMS_OF_BITS: tuple[tuple[Stream, ...], ...] = tuple(
    tuple(stream for stream in STREAMS if _BITS[stream] & bits) for bits in range(EVERYWHERE + 1)
)


def stream_bits(table: Table, key: Key) -> int:
    """The streams on which a row travels, as bits: the place in `STREAMS_OF_BITS`."""
    if table is INDEXES:
        return _INDEX_BITS.get(key[0], EVERYWHERE)
    return _TABLE_BITS[table]


def belongs(stream: Stream, table: Table, key: Key) -> bool:
    """Whether a row travels on a stream."""
    return table is META or bool(stream_bits(table, key) & _BITS[stream])


def touched_streams(touched: Iterable[tuple[Table, Key]]) -> tuple[Stream, ...]:
    """The streams that rows of these tables and keys change."""
    bits = 0
    for table, key in touched:
        bits |= _INDEX_BITS.get(key[0], EVERYWHERE) if table is INDEXES else _TABLE_BITS[table]
        if bits == EVERYWHERE:
            break
    return STREAMS_OF_BITS[bits]


def carriers(changes: Iterable[Change]) -> tuple[Stream, ...] | None:
    """The streams that carry these changes, if it is the same ones for each of them; else None."""
    common, indexes, index_bits, table_bits = -1, INDEXES, _INDEX_BITS, _TABLE_BITS
    for change in changes:
        table = change.table
        if table is not indexes:
            bits = table_bits[table]
        elif change.key[0] in index_bits:
            bits = index_bits[change.key[0]]
        else:
            bits = EVERYWHERE
        if bits != common:
            if common >= 0:
                return None
            common = bits
    return STREAMS_OF_BITS[common] if common > 0 else None


def project(stream: Stream, changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes that a stream carries, in their order."""
    return tuple(change for change in changes if belongs(stream, change.table, change.key))

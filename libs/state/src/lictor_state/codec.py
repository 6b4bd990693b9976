"""Bytes of commands, rows and changes: MessagePack arrays (design rule 3.10).

Structs only grow at the end. A longer array than this build knows is cut, a shorter one is filled with defaults, and
rows of an unknown table are left out. What is wrong inside a known field (another type, or a word outside a closed
set) raises `CodecError`: a reader that skipped such a row would answer wrongly without knowing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from xxhash import xxh3_64_intdigest

from lictor_state.commands import Envelope
from lictor_state.errors import CodecError
from lictor_state.prepared_query_rows import NAME_PREFIX_MATCH, PreparedQueryRow
from lictor_state.rows import (
    ROW_TYPES,
    AgentRow,
    Change,
    CheckRow,
    Key,
    Row,
    ServiceRow,
    SessionRow,
    Table,
)
from lictor_state.streams import Stream, belongs, carriers, touched_streams
from lictor_state.tables import AGENTS, CHECKS, PREPARED_QUERIES, SERVICES, SESSIONS

CHECK_STATUSES = frozenset({"passing", "warning", "critical"})
AGENT_STATUSES = frozenset({"alive", "failed", "left"})
AGENT_ROLES = frozenset({"node", "consul"})
SESSION_BEHAVIORS = frozenset({"release", "delete"})
TEMPLATE_TYPES = frozenset({"", NAME_PREFIX_MATCH})
SERVICE_KINDS = frozenset(
    {"", "typical", "connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"}
)

_encoder = msgspec.msgpack.Encoder()
_encode = _encoder.encode
_envelopes = msgspec.msgpack.Decoder(Envelope)
_row_decoders: dict[Table, msgspec.msgpack.Decoder[Any]] = {
    table: msgspec.msgpack.Decoder(kind) for table, kind in ROW_TYPES.items()
}
TABLES: Mapping[int, Table] = {int(table): table for table in Table}
"""Every table by its number on the wire; a reader that looks at some of them only gives a part of this."""

_rows_or_nil: dict[Table, msgspec.msgpack.Decoder[Any]] = {
    table: msgspec.msgpack.Decoder(kind | None) for table, kind in ROW_TYPES.items()
}


class WireChange(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A change as it travels: the row stays encoded until its table is known to be one of ours."""

    table: int
    key: Key
    row: msgspec.Raw


class _WireGroup(msgspec.Struct, frozen=True, array_like=True):
    index: int
    changes: list[WireChange]


class _GroupHead(msgspec.Struct, frozen=True, array_like=True):
    index: int


_groups = msgspec.msgpack.Decoder(_WireGroup)
_pieces = msgspec.msgpack.Decoder(list[msgspec.Raw])
_heads = msgspec.msgpack.Decoder(_GroupHead)


def encode_envelope(envelope: Envelope) -> bytes:
    """One log entry's payload."""
    return _encoder.encode(envelope)


def decode_envelope(data: bytes) -> Envelope:
    """The command of a log entry. Raises `CodecError` on an unknown command or a field of another type."""
    try:
        return _envelopes.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError(f"command: {error}") from error


def encode_row(row: Row) -> bytes:
    """One row."""
    return _encoder.encode(row)


def _word(what: str, word: str, words: frozenset[str]) -> None:
    if word not in words:
        raise CodecError(f"{what} {word!r} is not one of {', '.join(sorted(words))}")


def _judge_service(row: ServiceRow) -> None:
    _word("service kind", row.kind, SERVICE_KINDS)


def _judge_check(row: CheckRow) -> None:
    _word("check status", row.status, CHECK_STATUSES)


def _judge_agent(row: AgentRow) -> None:
    _word("agent status", row.status, AGENT_STATUSES)
    _word("agent role", row.role, AGENT_ROLES)
    for service in row.kept_services:
        _judge_service(service)
    for check in row.kept_checks:
        _judge_check(check)


def _judge_query(row: PreparedQueryRow) -> None:
    _word("template type", row.definition.template.type, TEMPLATE_TYPES)


def _judge_session(row: SessionRow) -> None:
    _word("session behavior", row.behavior, SESSION_BEHAVIORS)


JUDGES: dict[Table, Callable[[Any], None]] = {
    SERVICES: _judge_service,
    CHECKS: _judge_check,
    AGENTS: _judge_agent,
    SESSIONS: _judge_session,
    PREPARED_QUERIES: _judge_query,
}


def decode_row(table: Table, data: bytes | msgspec.Raw) -> Row:
    """One row of `table`. Raises `CodecError` on a field of another type or a word outside a closed set."""
    try:
        row: Row = _row_decoders[table].decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError(f"row of {table.name}: {error}") from error
    judge = JUDGES.get(table)
    if judge is not None:
        judge(row)
    return row


def encode_group(index: int, changes: Sequence[Change]) -> bytes:
    """All changes of one index."""
    return _encoder.encode((index, changes))


def join_groups(groups: Iterable[bytes]) -> bytes:
    """Some groups as one piece of memory, for `split_groups`."""
    return _encode([msgspec.Raw(group) for group in groups])


def split_groups(joined: bytes) -> list[msgspec.Raw]:
    """The groups that were joined."""
    return _pieces.decode(joined)


def project_group(stream: Stream, data: bytes | msgspec.Raw) -> tuple[int, bytes | None]:
    """The index of a whole group, and what a stream carries of it; None if that is nothing."""
    if stream == "all":
        return _heads.decode(data).index, bytes(data)
    group = _groups.decode(data)
    chosen = [wire for wire in group.changes if belongs(stream, TABLES[wire.table], wire.key)]
    return group.index, _encoder.encode((group.index, chosen)) if chosen else None


def decode_group(data: bytes, wanted: Mapping[int, Table] = TABLES) -> tuple[int, tuple[Change, ...]]:
    """The index and changes of one group; those of other tables than `wanted`, which this build knows, are left out."""
    try:
        group = _groups.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError(f"change group: {error}") from error
    changes = []
    for wire in group.changes:
        change = decode_change(wire, wanted)
        if change is not None:
            changes.append(change)
    return group.index, tuple(changes)


def decode_change(wire: WireChange, wanted: Mapping[int, Table] = TABLES) -> Change | None:
    """A change with its row, or None if its table is unknown to this build or not wanted."""
    table = wanted.get(wire.table)
    if table is None:
        return None
    try:
        row = _rows_or_nil[table].decode(wire.row)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError(f"row of {table.name}: {error}") from error
    if row is None:
        return Change(table, wire.key, None)
    judge = JUDGES.get(table)
    if judge is not None:
        judge(row)
    return Change(table, wire.key, row)


class GroupEncoder:
    """Encodes the changes of one index for every stream at once, each row only once."""

    def encode(self, index: int, changes: Sequence[Change]) -> dict[Stream, bytes]:
        """One group for each stream that the changes touch; the same bytes where the streams carry the same rows."""
        alike = carriers(changes)
        if alike is not None:
            return dict.fromkeys(alike, _encoder.encode((index, changes)))
        streams = touched_streams((change.table, change.key) for change in changes)
        encoded = [(change.table, change.key, _encoder.encode(change)) for change in changes]
        groups: dict[Stream, bytes] = {}
        for stream in streams:
            chosen = [msgspec.Raw(body) for table, key, body in encoded if belongs(stream, table, key)]
            groups[stream] = _encoder.encode((index, chosen))
        return groups


def row_hash(table: Table, key: Key, row: Row) -> int:
    """64 bits that depend on nothing but the row's place and value: the same on every machine and in every process.

    XXH3, which is quick and not cryptographic: it tells states apart that went apart by a fault, not by malice.
    """
    return xxh3_64_intdigest(_encode((table, key, row)))

"""Change groups to typed changes in one pass: what a view does with everything that reaches it.

`codec.decode_group` looks at each change twice, first for its table and then for its row, and can so leave out tables
that it does not know. Here one decoder is made for all changes of the tables that are wanted: msgspec tells them apart
by the first element, as it does with commands. Whatever that decoder refuses goes to `decode_group`, which says what
is wrong, or finds that a newer build has written rows of a table that is new.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from types import GenericAlias
from typing import Any

import msgspec

from lictor_state.codec import JUDGES, TABLES, decode_group
from lictor_state.rows import ROW_TYPES, Change, Key, Table
from lictor_state.tables import KV


def _change_of(table: Table, row: Any) -> Any:
    """The type of a table's changes, with the type of what is in the place of the row."""
    fields = [("key", Key), ("row", row)]
    return msgspec.defstruct(table.name, fields, frozen=True, gc=False, array_like=True, tag=int(table))


_WANTED = {table: _change_of(table, kind | None) for table, kind in ROW_TYPES.items()}
_UNWANTED = {table: _change_of(table, msgspec.Raw) for table in ROW_TYPES}


class GroupDecoder:
    """Decodes groups for one reader."""

    __slots__ = ("_decode", "_known", "_wanted")

    def __init__(self, wanted: Mapping[int, Table] = TABLES) -> None:
        """Changes of other tables than `wanted` are left out."""
        self._wanted = wanted
        self._known: dict[type, tuple[Table, Callable[[Any], None] | None]] = {
            _WANTED[table]: (table, JUDGES.get(table)) for table in wanted.values()
        }
        kinds = reduce(or_, (_WANTED[table] if table in wanted else _UNWANTED[table] for table in ROW_TYPES))
        fields = [("index", int), ("changes", GenericAlias(list, kinds))]
        group: Any = msgspec.defstruct("Group", fields, frozen=True, array_like=True)
        self._decode = msgspec.msgpack.Decoder(group).decode

    def decode(self, data: bytes) -> tuple[int, tuple[Change, ...]]:
        """As `decode_group`."""
        try:
            group: Any = self._decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return decode_group(data, self._wanted)
        known, changes = self._known, []
        for wire in group.changes:
            found = known.get(type(wire))
            if found is None:
                continue
            table, judge = found
            row = wire.row
            if row is None:
                changes.append(Change(table, wire.key, None))
                continue
            if judge is not None:
                judge(row)
            # one string object for a key and its row, as in `decode_change`
            changes.append(Change(table, (row.key,) if table is KV else wire.key, row))
        return group.index, tuple(changes)

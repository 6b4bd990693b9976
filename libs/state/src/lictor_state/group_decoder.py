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


def _change_of(table: Table, row: Any) -> Any:
    """The type of a table's changes, with the type of what is in the place of the row.

    What is decoded has the fields of a `Change` and is one to whoever reads it: making another object of each took a
    third of the time.
    """
    fields = [("key", Key), ("row", row)]
    namespace = {"table": table}
    return msgspec.defstruct(
        table.name, fields, frozen=True, gc=False, array_like=True, tag=int(table), namespace=namespace
    )


_WANTED = {table: _change_of(table, kind | None) for table, kind in ROW_TYPES.items()}
_UNWANTED = {table: _change_of(table, msgspec.Raw) for table in ROW_TYPES}


class GroupDecoder:
    """Decodes groups for one reader."""

    __slots__ = ("_decode", "_judges", "_unwanted", "_wanted")

    def __init__(self, wanted: Mapping[int, Table] = TABLES) -> None:
        """Changes of other tables than `wanted` are left out."""
        self._wanted = wanted
        tables = set(wanted.values())
        self._judges = {_WANTED[table]: judge for table, judge in JUDGES.items() if table in tables}
        self._unwanted = frozenset(_UNWANTED[table] for table in ROW_TYPES if table not in tables)
        kinds = reduce(or_, ((_WANTED if table in tables else _UNWANTED)[table] for table in ROW_TYPES))
        fields = [("index", int), ("changes", GenericAlias(tuple, (kinds, ...)))]
        group: Any = msgspec.defstruct("Group", fields, frozen=True, array_like=True)
        self._decode = msgspec.msgpack.Decoder(group).decode

    def decode(self, data: bytes) -> tuple[int, tuple[Change, ...]]:
        """As `decode_group`."""
        try:
            group: Any = self._decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return decode_group(data, self._wanted)
        changes: tuple[Change, ...] = group.changes
        if self._unwanted:
            unwanted = self._unwanted
            changes = tuple([change for change in changes if type(change) not in unwanted])
        judges: Mapping[type, Callable[[Any], None]] = self._judges
        for change in changes:
            if type(change) in judges and change.row is not None:
                judges[type(change)](change.row)
        return group.index, changes

"""What an archived state holds, told without building it: for people who inspect one, and before one is restored.

An archive is the dump of stream `all` (`snapshot.dump_stream`): every row, and no proposers' lines. Those answer
processes of the saved cluster for commands that they have sent once; a restored cluster must not answer for them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lictor_state.errors import CodecError
from lictor_state.rows import Table
from lictor_state.snapshot import RecordReader, read_header, row_of


@dataclass(slots=True)
class TableSize:
    """How many rows a table has, and their encoded bytes."""

    rows: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Contents:
    """What an archive says about itself, and what is in it."""

    index: int
    epoch: int
    cluster_id: str
    level: int
    tables: dict[Table, TableSize] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The encoded bytes of all rows."""
        return sum(size.bytes for size in self.tables.values())


def inspect(parts: Iterable[bytes]) -> Contents:
    """Read an archive to its end: the header first, then the bytes behind it, cut anywhere.

    Raises:
        CodecError: it is damaged, incomplete, or of a format or with values that this build does not know.
    """
    rest = iter(parts)
    header = read_header(next(rest, b""))
    contents = Contents(header.index, header.meta.epoch, header.meta.cluster_id, header.meta.level)
    records = RecordReader()
    for part in rest:
        for kind, body, length in records.feed(part):
            change = row_of(kind, body)
            if change is not None:
                size = contents.tables.setdefault(change.table, TableSize())
                size.rows += 1
                size.bytes += length
    if not records.complete:
        raise CodecError("snapshot: incomplete")
    return contents

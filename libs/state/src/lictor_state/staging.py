"""A restore under way: an archived state that is built beside the present one (design rule 3.11).

It is part of the replicated state: every member builds the same rows from the same log entries, so putting them in
place is a swap, and the digest covers what is staged. It is in no snapshot: a member takes none while it stages.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

from lictor_state.errors import CodecError
from lictor_state.rows import AUTOPILOT_KEY, Key, Row, Table, config_key
from lictor_state.snapshot import Header, RecordReader, read_header, row_of
from lictor_state.store import Store

CHUNK_BYTES_MAX = 64 * 1024  # a chunk of the smallest rows is applied in about ten milliseconds
STAGED_BYTES_MAX = 1024 * 1024 * 1024  # far above what members of one process hold; both states are in memory
INDEX_MAX = 1 << 60  # an archived index beyond it is damage, and would use up what indexes have left
RESTORE_DIGEST_BYTES = 16

_OWN_KEY: dict[Table, Callable[[Any], Key]] = {
    Table.NODES: lambda row: (row.node.lower(),),
    Table.SERVICES: lambda row: (row.node.lower(), row.service_id),
    Table.CHECKS: lambda row: (row.node.lower(), row.check_id),
    Table.KV: lambda row: (row.key,),
    Table.TOMBSTONES: lambda row: (row.key + "\0" if row.prefix else row.key,),
    Table.CONFIG_ENTRIES: lambda row: config_key(row.kind, row.name),
    Table.CA_ROOTS: lambda row: (row.root_id,),
    Table.CA_KEYS: lambda row: (row.root_id,),
    Table.AGENTS: lambda row: (row.node.lower(),),
    Table.INDEXES: lambda row: (row.name,),
    Table.SESSIONS: lambda row: (row.session_id,),
    Table.LOCK_DELAYS: lambda row: (row.key,),
    Table.AUTOPILOT: lambda _row: AUTOPILOT_KEY,
    Table.PREPARED_QUERIES: lambda row: (row.query_id,),
    Table.COORDINATES: lambda row: (row.node.lower(), row.segment),
    Table.EVENTS: lambda row: (row.event_id,),
    Table.VIRTUAL_IPS: lambda row: (row.service.lower(),),
    Table.GATEWAY_SERVICES: lambda row: (row.gateway.lower(), row.service.lower(), str(row.port)),
    Table.DEFINITION_FILES: lambda row: (row.node.lower(), row.origin),
}
"""What a row's key must be: lookups rely on it, and an archive is a file that anybody may have written."""


class RestoreDigest:
    """Over an archive's header and data, wherever the data is cut."""

    def __init__(self, header: bytes) -> None:
        self._hash = blake2b(header, digest_size=RESTORE_DIGEST_BYTES)

    def add(self, data: bytes) -> None:
        """The next bytes."""
        self._hash.update(data)

    def hex(self) -> str:
        """As `RestoreCommit` names it."""
        return self._hash.hexdigest()


class Staging:
    """The archived state so far."""

    def __init__(self, index: int, restore_id: str, header: bytes) -> None:
        """Begin at store index `index`. Raises `CodecError` if the header is none of ours."""
        self.header: Header = read_header(header)
        self.restore_id = restore_id
        self.begun_at = self.last_at = index
        self.next_number = 0
        self.bytes = 0
        self.digest = RestoreDigest(header)
        self._records = RecordReader()
        self._rows = Store(self.header.meta.cluster_id)

    def take(self, index: int, data: bytes) -> None:
        """The next chunk, at store index `index`. Raises `CodecError` on damage, and when it becomes too much."""
        self.bytes += len(data)
        if self.bytes > STAGED_BYTES_MAX:
            raise CodecError(f"snapshot: more than {STAGED_BYTES_MAX} bytes")
        self._rows.fill(self._read(data))
        self.digest.add(data)
        self.next_number += 1
        self.last_at = index

    def _read(self, data: bytes) -> Iterator[tuple[Table, Key, Row]]:
        # proposers' lines are passed over: their processes are gone, or belong to another cluster
        for kind, body, _ in self._records.feed(data):
            change = row_of(kind, body)
            if change is None or change.row is None:
                continue
            own_key = _OWN_KEY.get(change.table)
            if own_key is not None and own_key(change.row) != change.key:
                raise CodecError(f"snapshot: a row of {change.table.name} at the key of another")
            if self._rows.get(change.table, change.key) is not None:
                raise CodecError(f"snapshot: a row of {change.table.name} is there twice")
            yield change.table, change.key, change.row

    def finish(self) -> Store:
        """The whole archived state. Raises `CodecError` if something is missing."""
        if not self._records.complete:
            raise CodecError("snapshot: incomplete")
        return self._rows

    def state_hash(self) -> int:
        """64 bits that depend on all that was staged, and on whose restore it is."""
        said = f"{self.restore_id} {self.begun_at} {self.next_number} {self.digest.hex()}"
        return int.from_bytes(blake2b(said.encode(), digest_size=8).digest(), "little")

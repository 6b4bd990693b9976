"""Restoring an archived state through the log, in bounded steps (design rule 3.11).

A second state is staged beside the present one, chunk by chunk; committing puts its rows in place, above every index
that was ever seen, and begins a new epoch. What is damaged is refused and given up; the present state stays.
"""

from lictor_state.apply_levels import give_virtual_ips
from lictor_state.commands import RestoreAbort, RestoreBegin, RestoreChunk, RestoreCommit, Result
from lictor_state.errors import CodecError, Refused
from lictor_state.levels import VIRTUAL_IPS_LEVEL
from lictor_state.staging import CHUNK_BYTES_MAX, INDEX_MAX, Staging
from lictor_state.store import Store


def begin(store: Store, index: int, command: RestoreBegin) -> Result:
    """Begin anew; an older restore, whoever began it, is given up."""
    try:
        staging = Staging(index, command.restore_id, command.header)
    except CodecError as error:
        raise Refused(str(error), 400) from None
    header = staging.header
    if header.meta.level > store.meta.level:
        raise Refused(
            f"snapshot: of feature level {header.meta.level}, this cluster is at {store.meta.level}: upgrade it first",
            400,
        )
    if not 0 < header.index <= INDEX_MAX:
        raise Refused(f"snapshot: index {header.index}", 400)
    store.restoring = staging
    return Result(value=True)


def take_chunk(store: Store, index: int, command: RestoreChunk) -> Result:
    """Decode the next chunk into the staged state."""
    staging = _under_way(store, command.restore_id)
    if command.number != staging.next_number:
        raise Refused(f"restore: chunk {command.number} where {staging.next_number} was due")
    if len(command.data) > CHUNK_BYTES_MAX:
        raise Refused(f"restore: a chunk of {len(command.data)} bytes, at most {CHUNK_BYTES_MAX} are taken", 400)
    try:
        staging.take(index, command.data)
    except CodecError as error:
        store.restoring = None
        raise Refused(str(error), 400) from None
    return Result(value=True)


def commit(store: Store, index: int, command: RestoreCommit) -> Result:
    """Put the staged state in place, if it is whole and what the client sent."""
    staging = _under_way(store, command.restore_id)
    store.restoring = None
    try:
        rows = staging.finish()
    except CodecError as error:
        raise Refused(str(error), 400) from None
    if staging.digest.hex() != command.digest:
        raise Refused("restore: what arrived is not what was sent", 400)
    if staging.header.meta.level < VIRTUAL_IPS_LEVEL <= store.level:
        rows.raise_level(store.level)
        restored_at = max(index, staging.header.index + 1)
        give_virtual_ips(rows, restored_at)
        rows.commit(restored_at)
    store.adopt(index, rows, staging.header.index)
    return Result(value=store.least_index)


def abort(store: Store, _index: int, command: RestoreAbort) -> Result:
    """Give the restore up, if it is the one under way."""
    if store.restoring is None or store.restoring.restore_id != command.restore_id:
        return Result(value=False)
    store.restoring = None
    return Result(value=True)


def _under_way(store: Store, restore_id: str) -> Staging:
    staging = store.restoring
    if not isinstance(staging, Staging) or staging.restore_id != restore_id:
        raise Refused("restore: not under way any more: another one has begun, or it was given up")
    return staging

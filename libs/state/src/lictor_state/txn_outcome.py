"""What a transaction came to, as bytes in `Result.more` (Consul's HTTP API, transactions).

| | |
|---|---|
| it took effect | the rows that its operations show, in their order; a key that was only written without its value |
| it did not | for each operation that failed its number and Consul's text |

The bytes are bounded: a batch's answers travel in one message of the bus, and results are part of the replicated
state until their proposer has seen them.
"""

from collections.abc import Iterable

import msgspec

from lictor_state.codec import decode_row, encode_row
from lictor_state.commands import Command, Txn, TxnKV
from lictor_state.errors import CodecError
from lictor_state.rows import CheckRow, KVRow, NodeRow, ServiceRow, Table

RESULTS_BYTES_MAX = 600 * 1024
"""A key's longest value (512 KiB) and room for what else a transaction shows; a message of the bus takes 900 KiB."""

TxnRow = KVRow | NodeRow | ServiceRow | CheckRow
_TABLE_OF: dict[type, Table] = {
    KVRow: Table.KV,
    NodeRow: Table.NODES,
    ServiceRow: Table.SERVICES,
    CheckRow: Table.CHECKS,
}


class TxnError(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Why one operation failed."""

    op_index: int
    what: str


class _Outcome(msgspec.Struct, frozen=True, array_like=True):
    results: list[tuple[int, msgspec.Raw]] = []
    errors: list[TxnError] = []


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """A transaction's results, or its errors if there are any."""

    results: tuple[TxnRow, ...] = ()
    errors: tuple[TxnError, ...] = ()


KV_WRITES = frozenset({"set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree"})
"""The verbs that write a key; they show at most what was sent."""

_PLAIN_ANSWER_BYTES = 16  # of a command with nothing but a value to tell
_WRITTEN_ROW_BYTES = 128  # what the store adds to a key that was written: its indexes, session and frame

_encoder = msgspec.msgpack.Encoder()
_outcomes = msgspec.msgpack.Decoder(_Outcome)


def answer_bytes_max(command: Command, sent: int) -> int:
    """About how long a command's `Result` may become, `sent` being the length of the command."""
    if not isinstance(command, Txn):
        return _PLAIN_ANSWER_BYTES
    if all(isinstance(op, TxnKV) and op.verb in KV_WRITES for op in command.ops):
        return min(RESULTS_BYTES_MAX, sent + _WRITTEN_ROW_BYTES * len(command.ops))
    return RESULTS_BYTES_MAX


def encode_results(rows: Iterable[TxnRow]) -> bytes:
    """The results of a transaction that took effect."""
    return _encoder.encode(_Outcome(results=[(_TABLE_OF[type(row)], msgspec.Raw(encode_row(row))) for row in rows]))


def encode_errors(errors: Iterable[TxnError]) -> bytes:
    """The errors of one that did not."""
    return _encoder.encode(_Outcome(errors=list(errors)))


def decode_outcome(data: bytes) -> Outcome:
    """What `Result.more` says. Raises `CodecError` on bytes that are no outcome of a transaction."""
    try:
        outcome = _outcomes.decode(data)
        results = tuple(_result(table, row) for table, row in outcome.results)
    except (msgspec.MsgspecError, ValueError) as error:
        raise CodecError(f"outcome of a transaction: {error}") from error
    return Outcome(results, tuple(outcome.errors))


def _result(table: int, encoded: msgspec.Raw) -> TxnRow:
    row = decode_row(Table(table), encoded)
    if not isinstance(row, TxnRow):
        raise CodecError(f"a {type(row).__name__}")
    return row

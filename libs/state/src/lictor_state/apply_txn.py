"""`PUT /v1/txn` with something to write: many operations in one index, all of them or none (Consul's HTTP API).

Each operation sees what those before it wrote. One that fails does not end the run: as in Consul the others are tried
too, so that all errors are told at once, and then everything is rolled back. Keys in lock delay are judged before
anything else. The rules themselves are those of the single commands (`apply_kv`, `apply_catalog`, `catalog_rows`).
"""

from collections.abc import Callable, Sequence
from typing import Any

from lictor_state import apply_kv
from lictor_state.apply_catalog import ensure_node
from lictor_state.catalog_rows import put_check, put_service, remove_check, remove_node, remove_service
from lictor_state.codec import encode_row
from lictor_state.commands import (
    KVDelete,
    KVDeleteTree,
    KVSet,
    Result,
    Txn,
    TxnCheck,
    TxnKV,
    TxnNode,
    TxnOp,
    TxnService,
)
from lictor_state.errors import Refused
from lictor_state.go_quoting import quoted
from lictor_state.rows import CheckRow, NodeRow, ServiceRow
from lictor_state.store import Store
from lictor_state.txn_outcome import RESULTS_BYTES_MAX, TxnError, TxnRow, encode_errors, encode_results
from lictor_state.txn_reads import read, without_value

OPS_MAX = 128  # as in Consul; the catalog refuses more before they are proposed
ROLLED_BACK = "transaction rolled back"
CONFLICT = 409
TOO_MUCH = f"results are larger than {RESULTS_BYTES_MAX} bytes: read in a transaction that writes nothing"
ROW_OVERHEAD_BYTES = 8  # of a row among the results: its table and the frame around it

_MISSING_NODE = "Missing node registration"


def run(store: Store, index: int, command: Txn) -> Result:
    """All operations, or none; raises `Refused` with the errors of those that failed."""
    if not 0 < len(command.ops) <= OPS_MAX:
        raise Refused(f"Transaction contains too many operations ({len(command.ops)} > {OPS_MAX})", 413)
    errors = [
        TxnError(number, f"failed to lock key {quoted(op.key)} due to lock delay")
        for number, op in enumerate(command.ops)
        if isinstance(op, TxnKV) and op.verb == "lock" and store.lock_delay(op.key) is not None
    ]
    results: list[TxnRow] = []
    size = 0
    for number, op in enumerate(() if errors else command.ops):
        try:
            shown = _KINDS[type(op)](store, index, op)
        except Refused as refused:
            errors.append(TxnError(number, refused.message))
            continue
        size += sum(len(encode_row(row)) + ROW_OVERHEAD_BYTES for row in shown)
        if size > RESULTS_BYTES_MAX:
            errors.append(TxnError(number, TOO_MUCH))
            break
        results += shown
    if errors:
        raise Refused(ROLLED_BACK, CONFLICT, encode_errors(errors))
    return Result(value=True, more=encode_results(results))


def _key(store: Store, index: int, op: TxnKV) -> Sequence[TxnRow]:
    name = quoted(op.key)
    match op.verb:
        case "set":
            apply_kv.set_key(store, index, KVSet(op.key, op.value, op.flags))
        case "cas":
            command = KVSet(op.key, op.value, op.flags, cas=op.index)
            _must(apply_kv.set_key(store, index, command), f"failed to set key {name}, index is stale")
        case "lock":
            _lock(store, index, op)
        case "unlock":
            _needs_session(op)
            command = KVSet(op.key, op.value, op.flags, release=op.session)
            refusal = f"failed to unlock key {name}, lock isn't held, or is held by another session"
            _must(apply_kv.set_key(store, index, command), refusal)
        case "delete":
            apply_kv.delete_key(store, index, KVDelete(op.key))
            return ()
        case "delete-cas":
            deleted = apply_kv.delete_key(store, index, KVDelete(op.key, op.index))
            _must(deleted, f"failed to delete key {name}, index is stale")
            return ()
        case "delete-tree":
            apply_kv.delete_tree(store, index, KVDeleteTree(op.key))
            return ()
        case _:
            return read(store, op)
    row = store.kv(op.key)
    assert row is not None, f"key {op.key} was written and is not there"
    return (without_value(row),)


def _lock(store: Store, index: int, op: TxnKV) -> None:
    _needs_session(op)
    try:
        taken = apply_kv.set_key(store, index, KVSet(op.key, op.value, op.flags, acquire=op.session))
    except Refused as refused:
        raise Refused(refused.message.removeprefix(apply_kv.LOG_PREFIX)) from None
    _must(taken, f"failed to lock key {quoted(op.key)}, lock is already held")


def _needs_session(op: TxnKV) -> None:
    if not op.session:
        raise Refused("missing session")


def _must(result: Result, refusal: str) -> None:
    if result.value is not True:
        raise Refused(refusal)


def _must_be_at(row: NodeRow | ServiceRow | CheckRow | None, index: int, refusal: str) -> None:
    """Check and set: the row's index is the expected one, 0 meaning that it is not there."""
    if (row.modify_index if row is not None else 0) != index:
        raise Refused(f"{refusal}, index is stale")


def _node(store: Store, index: int, op: TxnNode) -> Sequence[TxnRow]:
    old, name = store.node(op.node.node), quoted(op.node.node)
    match op.verb:
        case "set" | "cas":
            if op.verb == "cas":
                _must_be_at(old, op.index, f"failed to set node {name}")
            return (ensure_node(store, index, op.node),)
        case "delete" | "delete-cas":
            if op.verb == "delete-cas":
                _must_be_at_to_delete(old, op.index, f"failed to delete node {name}")
            remove_node(store, index, op.node.node)
            return ()
        case _:
            return read(store, op)


def _must_be_at_to_delete(row: NodeRow | ServiceRow | CheckRow | None, index: int, refusal: str) -> None:
    """As `_must_be_at`; but what is not there is at no index (Consul's rule for nodes, services and checks)."""
    if row is None or row.modify_index != index:
        raise Refused(f"{refusal}, index is stale")


def _service(store: Store, index: int, op: TxnService) -> Sequence[TxnRow]:
    old = store.service(op.node, op.service.service_id)
    where = f"service {quoted(op.service.service_id)} on node {quoted(op.node)}"
    match op.verb:
        case "set" | "cas":
            if op.verb == "cas":
                _must_be_at(old, op.index, f"failed to set {where}")
            node = store.node(op.node)
            if node is None:
                raise Refused(_MISSING_NODE)
            return (put_service(store, index, node, op.service, agent=False),)
        case "delete" | "delete-cas":
            if op.verb == "delete-cas":
                _must_be_at_to_delete(old, op.index, f"failed to delete {where}")
            if old is not None:
                remove_service(store, index, old)
            return ()
        case _:
            return read(store, op)


def _check(store: Store, index: int, op: TxnCheck) -> Sequence[TxnRow]:
    old = store.check(op.check.node, op.check.check_id)
    where = f"check {quoted(op.check.check_id)} on node {quoted(op.check.node)}"
    match op.verb:
        case "set" | "cas":
            if op.verb == "cas":
                _must_be_at(old, op.index, f"failed to set {where}")
            node = store.node(op.check.node)
            if node is None:
                raise Refused(_MISSING_NODE)
            if op.check.service_id and store.service(op.check.node, op.check.service_id) is None:
                raise Refused("Missing service registration")
            return (put_check(store, index, node, op.check, agent=False),)
        case "delete" | "delete-cas":
            if op.verb == "delete-cas":
                _must_be_at_to_delete(old, op.index, f"failed to delete {where}")
            if old is not None:
                remove_check(store, index, old)
            return ()
        case _:
            return read(store, op)


_KINDS: dict[type[TxnOp], Callable[[Store, int, Any], Sequence[TxnRow]]] = {
    TxnKV: _key,
    TxnNode: _node,
    TxnService: _service,
    TxnCheck: _check,
}

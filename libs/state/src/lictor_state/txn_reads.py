"""The verbs of a transaction that only read (Consul's HTTP API, transactions).

Used twice: in apply, between the writes of a transaction, and on a view for transactions that write nothing. An
operation that fails raises `Refused` with Consul's text.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from lictor_state.commands import TxnCheck, TxnKV, TxnNode, TxnOp, TxnService
from lictor_state.errors import Refused
from lictor_state.go_quoting import quoted
from lictor_state.rows import KVRow
from lictor_state.store import Store
from lictor_state.txn_outcome import KV_WRITES, Outcome, TxnError, TxnRow

GET = "get"


def is_read_only(ops: Iterable[TxnOp]) -> bool:
    """Whether a transaction writes nothing. As in Consul an unknown verb counts as a read of a key, or a write else."""
    return all(op.verb not in KV_WRITES if isinstance(op, TxnKV) else op.verb == GET for op in ops)


def run_reads(store: Store, ops: Sequence[TxnOp]) -> Outcome:
    """A transaction that writes nothing, from a store or view at its present index."""
    results: list[TxnRow] = []
    errors: list[TxnError] = []
    for number, op in enumerate(ops):
        try:
            results += read(store, op)
        except Refused as refused:
            errors.append(TxnError(number, refused.message))
    return Outcome((), tuple(errors)) if errors else Outcome(tuple(results))


def read(store: Store, op: TxnOp) -> Sequence[TxnRow]:
    """What one operation that only reads shows; raises `Refused`, also for a verb that there is not."""
    if isinstance(op, TxnKV):
        return _read_key(store, op)
    if isinstance(op, TxnNode):
        return _read_node(store, op)
    if isinstance(op, TxnService):
        return _read_service(store, op)
    return _read_check(store, op)


def _read_key(store: Store, op: TxnKV) -> Sequence[TxnRow]:
    row, name = store.kv(op.key), quoted(op.key)
    match op.verb:
        case "get":
            if row is None:
                raise Refused(f"key {name} doesn't exist")
            return (row,)
        case "get-or-empty":
            return (row or KVRow(op.key, None),)
        case "get-tree":
            rows = (store.kv(one) for one in store.by.kv_keys.below(op.key))
            return [one for one in rows if one is not None]
        case "check-not-exists":
            if row is not None:
                raise Refused(f"key {name} exists")
            return ()
        case "check-session":
            if row is None:
                raise Refused(f"failed to check session, key {name} doesn't exist")
            if row.session != op.session:
                said = f"current session {quoted(row.session)} != {quoted(op.session)}"
                raise Refused(f"failed session check for key {name}, {said}")
            return (without_value(row),)
        case "check-index":
            if row is None:
                raise Refused(f"failed to check index, key {name} doesn't exist")
            if row.modify_index != op.index:
                raise Refused(
                    f"failed index check for key {name}, current modify index {row.modify_index} != {op.index}"
                )
            return (without_value(row),)
    raise Refused(f"unknown KV verb {quoted(op.verb)}")


def without_value(row: KVRow) -> KVRow:
    """A key as operations show it that do not read its value."""
    return replace(row, value=None)


def _read_node(store: Store, op: TxnNode) -> Sequence[TxnRow]:
    if op.verb != GET:
        raise Refused(f"unknown Node verb {quoted(op.verb)}")
    name = op.node.node
    if op.node.node_id:  # an id says which node is meant, whatever it is called
        name = store.by.node_of_id.get(op.node.node_id, "")
    row = store.node(name)
    if row is None:
        raise Refused(f"node {quoted(op.node.node)} doesn't exist")
    return (row,)


def _read_service(store: Store, op: TxnService) -> Sequence[TxnRow]:
    if op.verb != GET:
        raise Refused(f"unknown Service verb {quoted(op.verb)}")
    row = store.service(op.node, op.service.service_id)
    if row is None:
        raise Refused(f"service {quoted(op.service.service_id)} on node {quoted(op.node)} doesn't exist")
    return (row,)


def _read_check(store: Store, op: TxnCheck) -> Sequence[TxnRow]:
    if op.verb != GET:
        raise Refused(f"unknown Check verb {quoted(op.verb)}")
    row = store.check(op.check.node, op.check.check_id)
    if row is None:
        raise Refused(f"check {quoted(op.check.check_id)} on node {quoted(op.check.node)} doesn't exist")
    return (row,)

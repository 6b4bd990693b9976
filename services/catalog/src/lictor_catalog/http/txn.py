"""`PUT /v1/txn`: many operations at once.

A transaction that writes is one command. One that only reads is no entry of the log: it is answered from this
process's view, as strong as any other read, and says how fresh that is. A transaction that fails is 409 with the errors
of its operations as JSON.
"""

from typing import Any

from fastapi import APIRouter, Request, Response

from lictor_catalog import consul_json, txn_request
from lictor_catalog.consistency import Consistency, Contact, read_options
from lictor_catalog.consul_shapes import Shown
from lictor_catalog.errors import ApiError
from lictor_catalog.http.exchange import answered, body_of, params_of
from lictor_catalog.page import Page
from lictor_catalog.ports import ViewPort
from lictor_catalog.read_meta import encode_beside
from lictor_catalog.writes import Writes
from lictor_state.commands import Txn
from lictor_state.rows import KVRow, NodeRow, ServiceRow
from lictor_state.txn_outcome import Outcome, TxnRow, decode_outcome
from lictor_state.txn_reads import is_read_only, run_reads

CONFLICT = 409


class ShownError(Shown, frozen=True, gc=False, kw_only=True):
    """Why an operation failed."""

    op_index: int
    what: str


class ShownTxn(Shown, frozen=True, kw_only=True):
    """A transaction's results, or its errors."""

    results: list[dict[str, Any]] | None
    errors: list[ShownError] | None


def router(writes: Writes, view: ViewPort, consistency: Consistency, datacenter: str) -> APIRouter:
    """The family's route."""
    routes = APIRouter()

    @routes.put("/v1/txn")
    async def transact(request: Request) -> Response:
        raw = await body_of(request, txn_request.BODY_BYTES_MAX, txn_request.BODY_LIMIT_HINT)
        asked = txn_request.parse(raw, datacenter)
        failed = Outcome(errors=asked.faults)
        if is_read_only(asked.ops):
            contact = await consistency.settle(read_options(params_of(request), cacheable=False))
            outcome = failed if asked.faults else run_reads(view.store, asked.ops)
            return _answer(request, outcome, contact)
        if asked.faults:
            return _answer(request, failed)
        result = await writes.run(Txn(asked.ops))
        if result.error and not result.more:
            raise ApiError(result.status, result.error)
        return _answer(request, decode_outcome(result.more))

    return routes


def _answer(request: Request, outcome: Outcome, contact: Contact | None = None) -> Response:
    failed = bool(outcome.errors)
    shown = ShownTxn(
        results=None if failed else [_result(row) for row in outcome.results],
        errors=[ShownError(op_index=one.op_index, what=one.what) for one in outcome.errors] if failed else None,
    )
    status = CONFLICT if failed else 200
    if contact is None:
        return answered(request, Page(consul_json.encode(shown), status=status))
    headers = (
        (b"x-consul-knownleader", b"true" if contact.known_leader else b"false"),
        (b"x-consul-lastcontact", b"%d" % (contact.last_contact_s * 1000)),
    )
    return answered(request, Page(encode_beside(shown, contact), status=status, headers=headers))


def _result(row: TxnRow) -> dict[str, Any]:
    if isinstance(row, KVRow):
        return {"KV": consul_json.kv_entry(row)}
    if isinstance(row, NodeRow):
        return {"Node": consul_json.node(row)}
    if isinstance(row, ServiceRow):
        return {"Service": consul_json.node_service(row)}
    return {"Check": consul_json.health_check(row)}

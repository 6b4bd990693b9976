"""The body of `PUT /v1/txn`: operations as the parts of a `Txn`, and what the body alone shows to be wrong with them.

Follows Consul's transactions: an operation is an object with one of `KV`, `Node`, `Service`, `Check` (the first of them
counts, one without any does not count at all). A fault of an operation is an outcome of the transaction, with the
operation's number, and not a bad request. What depends on the state is judged in apply.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

import msgspec

from lictor_catalog.body_decoding import Around, MapOf, Shape, body_object, text, unsigned
from lictor_catalog.catalog_registration import judged_node_id
from lictor_catalog.check_definition import CATALOG_CHECK, catalog_check
from lictor_catalog.errors import ApiError, BodyError
from lictor_catalog.service_definition import CATALOG_SERVICE, catalog_service, judge_catalog_meta
from lictor_state.apply_txn import OPS_MAX
from lictor_state.commands import CatalogRegister, ServiceSpec, TxnCheck, TxnKV, TxnNode, TxnOp, TxnService
from lictor_state.txn_outcome import TxnError
from lictor_state.txn_reads import GET

BODY_BYTES_MAX = 512 * 1024
"""Consul's `txn_max_req_len`."""

BODY_LIMIT_HINT = " See https://developer.hashicorp.com/docs/agent/config/config-files#txn_max_req_len."
PREFIX = "Failed to parse body: "

_NO_KEY = "object missing primary index"
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_LETTER = re.compile(r"[A-Za-z0-9+/]")


class TxnRequest(msgspec.Struct, frozen=True):
    """The operations, and the faults of some that keep the whole from being tried."""

    ops: tuple[TxnOp, ...]
    faults: tuple[TxnError, ...] = ()


def parse(raw: bytes, datacenter: str) -> TxnRequest:
    """The transaction that a body asks for; raises `ApiError` 400 when it cannot be read, 413 when it is too much."""
    if raw.strip() == b"null":
        return TxnRequest(())
    given = body_object(raw, _operations, PREFIX)["ops"]
    if len(given) > OPS_MAX:
        raise ApiError(413, f"Transaction contains too many operations ({len(given)} > {OPS_MAX})")
    ops: list[TxnOp] = []
    faults: list[TxnError] = []
    for one in given:
        kind = next((name for name in _KINDS if name in one), "")
        if not kind:
            continue
        try:
            ops.append(_KINDS[kind](one[kind], datacenter))
        except ApiError as error:
            faults.append(TxnError(len(ops), error.text))
            ops.append(_stand_in(kind, one[kind].get("Verb", ""), datacenter))
    return TxnRequest(tuple(ops), tuple(faults))


def _stand_in(kind: str, verb: str, datacenter: str) -> TxnOp:
    """In the place of a faulty operation, so that those behind it keep their numbers; reads or writes as that would."""
    return TxnKV(verb, "") if kind == "KV" else TxnNode(verb, CatalogRegister("", "", datacenter))


def _operations(value: Any, _path: str) -> dict[str, Any]:
    if not isinstance(value, list):
        raise _not_a("TxnOps", value)
    return {"ops": [_operation(one) for one in value]}


def _operation(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _not_a("TxnOp", value)
    return OPERATION(value, "")


def _not_a(wanted: str, value: Any) -> BodyError:
    kinds = {dict: "object", list: "array", str: "string", bool: "bool", type(None): "null"}
    return BodyError(f"json: cannot unmarshal {kinds.get(type(value), 'number')} into Go value of type api.{wanted}")


def base64_value(value: Any, path: str) -> bytes:
    """Bytes in base64, perhaps over several lines."""
    given = text(value, path)
    encoded = given.replace("\r", "").replace("\n", "")
    if not _BASE64.fullmatch(encoded):
        raise BodyError(f"illegal base64 data at input byte {_flaw(given)}")
    return base64.b64decode(encoded)


def _flaw(given: str) -> int:
    """Where a text is no base64, as Go's decoder tells it: line ends are counted, an unfinished group is its start."""
    in_group = 0
    for at, one in enumerate(given):
        if one in "\r\n":
            continue
        if one == "=" and in_group > 1:
            rest = [(place, more) for place, more in enumerate(given[at + 1 :], at + 1) if more not in "\r\n"]
            if in_group == 2:
                if not rest:
                    return len(given)
                place, more = rest.pop(0)
                if more != "=":
                    return place - 1
            return rest[0][0] if rest else len(given)
        if not _LETTER.fullmatch(one):
            return at
        in_group = (in_group + 1) % 4
    return len(given) - in_group


def _passing_over(value: Any, path: str) -> dict[str, Any]:
    """An instance as agents show it too: what only they add is passed over."""
    if isinstance(value, dict):
        value = {name: inner for name, inner in value.items() if name.lower() not in {"contenthash", "datacenter"}}
    return CATALOG_SERVICE(value, path)


_KV = Shape({"Verb": text, "Key": text, "Value": base64_value, "Flags": unsigned, "Index": unsigned, "Session": text})
_NODE = Shape(
    {
        "ID": text,
        "Node": text,
        "Address": text,
        "Datacenter": text,
        "TaggedAddresses": MapOf(text),
        "Meta": MapOf(text),
        "PeerName": text,
        "CreateIndex": unsigned,
        "ModifyIndex": unsigned,
    }
)
OPERATION = Shape(
    {
        "KV": _KV.named("KVTxnOp.KV"),
        "Node": Shape({"Verb": text, "Node": _NODE}),
        "Service": Shape({"Verb": text, "Node": text, "Service": Around(CATALOG_SERVICE, _passing_over)}),
        "Check": Shape({"Verb": text, "Check": CATALOG_CHECK}),
    }
)


def _kv_op(given: dict[str, Any], _datacenter: str) -> TxnKV:
    op = TxnKV(
        given.get("Verb", ""),
        given.get("Key", ""),
        given.get("Value") or None,
        given.get("Flags", 0),
        given.get("Index", 0),
        given.get("Session", ""),
    )
    if not op.key and op.verb != "delete-tree":
        raise ApiError(500, "Must provide key")
    return op


def _node_op(given: dict[str, Any], datacenter: str) -> TxnNode:
    verb, node = given.get("Verb", ""), given.get("Node", {})
    name, node_id = node.get("Node", ""), node.get("ID", "").lower()
    if verb != GET:
        if not name:
            raise ApiError(500, "Must provide node")
        node_id = judged_node_id(node_id)
    registration = CatalogRegister(
        node=name,
        address=node.get("Address", ""),
        datacenter=node.get("Datacenter") or datacenter,
        node_id=node_id,
        tagged_addresses=node.get("TaggedAddresses", {}),
        node_meta=node.get("Meta", {}),
    )
    return TxnNode(verb, registration, node.get("ModifyIndex", 0))


def _service_op(given: dict[str, Any], _datacenter: str) -> TxnService:
    verb, node, service = given.get("Verb", ""), given.get("Node", ""), given.get("Service", {})
    if verb == GET:
        spec = ServiceSpec(service.get("ID", ""), service.get("Service", ""))
    else:
        spec = catalog_service(service)
        if verb in {"set", "cas"} and not spec.service_id:
            raise ApiError(500, f"failed inserting service: {_NO_KEY}")
        judge_catalog_meta(node, spec)
    return TxnService(verb, node, spec, service.get("ModifyIndex", 0))


def _check_op(given: dict[str, Any], _datacenter: str) -> TxnCheck:
    verb, check = given.get("Verb", ""), given.get("Check", {})
    spec = catalog_check(check, check.get("Node", ""))
    spec = msgspec.structs.replace(spec, type=check.get("Type", ""))  # derived for registrations only
    if verb in {"set", "cas"} and not spec.check_id:
        raise ApiError(500, f"failed inserting check: {_NO_KEY}")
    return TxnCheck(verb, spec, check.get("ModifyIndex", 0))


_KINDS: dict[str, Callable[[dict[str, Any], str], TxnOp]] = {
    "KV": _kv_op,
    "Node": _node_op,
    "Service": _service_op,
    "Check": _check_op,
}
"""In the order in which Consul looks for them."""

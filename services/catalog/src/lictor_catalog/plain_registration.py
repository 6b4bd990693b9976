"""Registrations in the catalog as most clients write them, from their bytes to their command in one step.

`body_decoding` looks at every name and every value by itself, since Consul takes names in any case, aliases and nulls.
A body that has none of that, and none of the fields that have to be judged beyond their type, is decoded here by
msgspec alone, in a quarter of the time. Whatever is not plainly such a body is left to `catalog_registration`, which
also says what is wrong with it: nothing is refused here.
"""

from typing import Annotated

import msgspec

from lictor_catalog.service_definition import ANY_ADDRESSES, meta_fault
from lictor_state.commands import CatalogRegister, CheckSpec, ServiceSpec
from lictor_state.rows import CheckDefinition

_Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
_UNDEFINED = CheckDefinition()


class _Service(
    msgspec.Struct,
    frozen=True,
    gc=False,
    forbid_unknown_fields=True,
    rename={
        "name": "Service",
        "service_id": "ID",
        "tags": "Tags",
        "address": "Address",
        "port": "Port",
        "meta": "Meta",
    },
):
    name: str
    service_id: str = ""
    tags: tuple[str, ...] = ()
    address: str = ""
    port: _Port = 0
    meta: dict[str, str] = {}


class _Check(
    msgspec.Struct,
    frozen=True,
    gc=False,
    forbid_unknown_fields=True,
    rename={
        "check_id": "CheckID",
        "name": "Name",
        "status": "Status",
        "notes": "Notes",
        "output": "Output",
        "service_id": "ServiceID",
        "node": "Node",
    },
):
    check_id: str = ""
    name: str = ""
    status: str = ""
    notes: str = ""
    output: str = ""
    service_id: str = ""
    node: str = ""

    def spec(self, node: str) -> CheckSpec:
        return CheckSpec(
            check_id=self.check_id or self.name,
            name=self.name,
            status=self.status or "critical",
            notes=self.notes,
            output=self.output,
            service_id=self.service_id,
            definition=_UNDEFINED,
            node=self.node or node,
        )


class _Registration(
    msgspec.Struct,
    frozen=True,
    gc=False,
    forbid_unknown_fields=True,
    rename={
        "node": "Node",
        "address": "Address",
        "datacenter": "Datacenter",
        "node_meta": "NodeMeta",
        "service": "Service",
        "check": "Check",
        "checks": "Checks",
    },
):
    node: str
    address: str
    datacenter: str = ""
    node_meta: dict[str, str] = {}
    service: _Service | None = None
    check: _Check | None = None
    checks: tuple[_Check, ...] = ()


_decode = msgspec.json.Decoder(_Registration).decode


def plain_registration(raw: bytes, datacenter: str) -> CatalogRegister | None:
    """The command of a plain registration; None for every other body."""
    try:
        given = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    node, service = given.node, given.service
    if not node or not given.address or (given.datacenter and given.datacenter != datacenter):
        return None
    wanted: ServiceSpec | None = None
    if service is not None:
        name, address, meta = service.name, service.address, service.meta
        if not name or address in ANY_ADDRESSES or (meta and meta_fault(meta)):
            return None
        wanted = ServiceSpec(
            service_id=service.service_id or name,
            name=name,
            tags=service.tags,
            address=address,
            port=service.port,
            meta=meta,
        )
    checks: tuple[CheckSpec, ...] = ()
    if given.check is not None or given.checks:
        blocks = given.checks if given.check is None else (given.check, *given.checks)
        checks = tuple([block.spec(node) for block in blocks])
    return CatalogRegister(
        node=node,
        address=given.address,
        datacenter=datacenter,
        node_meta=given.node_meta,
        service=wanted,
        checks=checks,
    )

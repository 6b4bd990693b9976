"""The bodies of `catalog/register` and `catalog/deregister`, as commands.

What the body alone shows is judged here, with Consul's statuses: undecodable is 400, a missing field is 500, because
Consul judges it behind its RPC layer. Whether rows exist, and who holds a node's name, is judged in apply.
"""

import re
from typing import Any

from lictor_catalog.body_decoding import ListOf, MapOf, Shape, body_object, flag, text
from lictor_catalog.check_definition import CATALOG_CHECK, catalog_check
from lictor_catalog.errors import ApiError
from lictor_catalog.plain_registration import plain_registration
from lictor_catalog.service_definition import CATALOG_SERVICE, catalog_service, judge_catalog_meta
from lictor_state.commands import CatalogDeregister, CatalogRegister

REGISTER = Shape(
    {
        "Datacenter": text,
        "ID": text,
        "Node": text,
        "Address": text,
        "TaggedAddresses": MapOf(text),
        "NodeMeta": MapOf(text),
        "Service": CATALOG_SERVICE,
        "Check": CATALOG_CHECK,
        "Checks": ListOf(CATALOG_CHECK),
        "SkipNodeUpdate": flag,
        "Locality": Shape({"Region": text, "Zone": text}),
        "PeerName": text,
    }
)
"""The body of `catalog/register`."""

DEREGISTER = Shape({"Datacenter": text, "Node": text, "ServiceID": text, "CheckID": text, "Address": text})
"""The body of `catalog/deregister`."""

_HEX = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


def register(raw: bytes, datacenter: str) -> CatalogRegister:
    """The command of a registration; raises `ApiError`."""
    return plain_registration(raw, datacenter) or judged_registration(raw, datacenter)


def judged_registration(raw: bytes, datacenter: str) -> CatalogRegister:
    """As `register`, whatever the body holds."""
    given = body_object(raw, REGISTER)
    judge_datacenter(given, datacenter)
    node, address = given.get("Node", ""), given.get("Address", "")
    skip = given.get("SkipNodeUpdate", False)
    if not node:
        raise ApiError(500, "Must provide node")
    if not address and not skip:
        raise ApiError(500, "Must provide address if SkipNodeUpdate is not set")
    node_id = judged_node_id(given.get("ID", ""))
    if given.get("Locality"):
        raise ApiError(500, "a node's Locality is not supported by this version")
    service = catalog_service(given["Service"]) if "Service" in given else None
    if service is not None:
        judge_catalog_meta(node, service, "failed inserting service: ")
    checks = [given["Check"]] if "Check" in given else []
    checks += given.get("Checks", ())
    return CatalogRegister(
        node=node,
        address=address,
        datacenter=datacenter,
        node_id=node_id,
        tagged_addresses=given.get("TaggedAddresses", {}),
        node_meta=given.get("NodeMeta", {}),
        service=service,
        checks=tuple([catalog_check(one, node) for one in checks]) if checks else (),
        skip_node_update=skip,
    )


def deregister(raw: bytes, datacenter: str) -> CatalogDeregister:
    """The command of a deregistration; raises `ApiError`."""
    given = body_object(raw, DEREGISTER)
    judge_datacenter(given, datacenter)
    if not given.get("Node"):
        raise ApiError(500, "Must provide node")
    return CatalogDeregister(given["Node"], given.get("ServiceID", ""), given.get("CheckID", ""))


def judged_node_id(node_id: str) -> str:
    """A node's id in lower case, empty where none is given; raises `ApiError` on what is no UUID."""
    if node_id and len(node_id) != 36:
        raise ApiError(500, "Bad node ID: uuid string is wrong length")
    if node_id and not _HEX.fullmatch(node_id):
        raise ApiError(500, "Bad node ID: uuid is improperly formatted")
    return node_id.lower()


def judge_datacenter(given: dict[str, Any], datacenter: str) -> None:
    """A body that names another datacenter is for a peer that we do not have."""
    named = given.get("Datacenter")
    if named and named != datacenter:
        raise ApiError(500, "No path to datacenter")

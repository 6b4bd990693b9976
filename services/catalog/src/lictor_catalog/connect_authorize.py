"""`/v1/agent/connect/authorize`: may the holder of this certificate call that service?

For natively integrated services and for proxies that ask per connection (Consul's agent API, connect). The caller has
verified the certificate itself; here only the name in it is read. The first intention that applies decides; one with
HTTP permissions says no, because a connection alone does not show what they judge.
"""

from typing import Any

from lictor_catalog.body_decoding import Shape, body_object, text
from lictor_catalog.errors import ApiError
from lictor_mesh.identity import IdentityError, ServiceIdentity, parse
from lictor_state import Store, queries
from lictor_state.queries import Intention

AUTHORIZE = Shape({"Target": text, "ClientCertURI": text, "ClientCertSerial": text})


def asked(raw: bytes) -> tuple[str, str]:
    """The calling and the called service of a body; raises `ApiError` 400."""
    given = body_object(raw, AUTHORIZE)
    target = given.get("Target", "")
    if not target:
        raise ApiError(400, "Target service must be specified")
    try:
        identity = parse(given.get("ClientCertURI", ""))
    except IdentityError:
        raise ApiError(400, "ClientCertURI not a valid Connect identifier") from None
    if not isinstance(identity, ServiceIdentity):
        raise ApiError(400, "ClientCertURI not a valid Service identifier")
    return identity.service, target


def judged(store: Store, source: str, destination: str, *, allow_by_default: bool) -> dict[str, Any]:
    """Whether the call is allowed, and why."""
    found = queries.intentions.match(store, (destination,)).value[destination]
    decisive = next((one for one in found if one.source in {source, "*"} and not one.source_peer), None)
    if decisive is None:
        allowed = "allowed" if allow_by_default else "denied"
        return {"Authorized": allow_by_default, "Reason": f"ACLs disabled, access is {allowed} by default"}
    if decisive.permissions:
        return {"Authorized": False, "Reason": f"Matched intention with permissions: {_worded(decisive)}"}
    return {"Authorized": decisive.action == "allow", "Reason": f"Matched intention: {_worded(decisive)}"}


def _worded(one: Intention) -> str:
    legacy = f"ID: {one.legacy_id}, " if one.legacy_id else ""
    action = "permissions" if one.permissions else one.action
    return f"{action.upper()} default/{one.source} => default/{one.destination} ({legacy}Precedence: {one.precedence})"

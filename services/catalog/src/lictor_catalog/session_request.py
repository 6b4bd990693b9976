"""The body of `PUT /v1/session/create` as a command, with Consul's defaults and refusals.

Unknown fields are passed over, as Consul does here. Which checks a session hangs on follows from three fields whose
defaults and nulls mean different things; `_checks` says what. Whether node and checks are there is judged in apply.
"""

from typing import Any

from lictor_catalog import durations
from lictor_catalog.body_decoding import ListOf, Shape, body_object, text
from lictor_catalog.errors import ApiError, BodyError
from lictor_state.commands import SessionCreate
from lictor_state.rows import ServiceCheck

SERF_HEALTH = "serfHealth"
TTL_MIN_NS = 10 * durations.SECOND
"""Consul's `session_ttl_min`."""

TTL_MAX_NS = 24 * durations.HOUR
LOCK_DELAY_NS = 15 * durations.SECOND
LOCK_DELAY_SECONDS_BELOW = 1000
"""A smaller lock delay, however it was written, counts seconds."""


def lock_delay(value: Any, _path: str) -> int:
    """Nanoseconds, from a Go duration or a number: small ones are seconds."""
    given = 0
    if isinstance(value, str):
        try:
            given = durations.parse(value)
        except durations.DurationError as error:
            raise BodyError(str(error)) from None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        given = int(max(-(2.0**62), min(value, 2.0**62)))
    if given < LOCK_DELAY_SECONDS_BELOW:
        given *= durations.SECOND
    return (given + (1 << 63)) % (1 << 64) - (1 << 63)  # Go's integers wrap; only negative ones get that far


_SERVICE_CHECK = Shape({"ID": text, "Namespace": text}, lenient=True)
SESSION = Shape(
    {
        "Name": text,
        "Node": text,
        "LockDelay": lock_delay,
        "Behavior": text,
        "TTL": text,
        "NodeChecks": ListOf(text),
        "ServiceChecks": ListOf(_SERVICE_CHECK),
        "Checks": ListOf(text),
    },
    lenient=True,
)


def _body(value: Any, path: str) -> dict[str, Any]:
    """The fields that were given; a list that is null is None here, not absent."""
    body = SESSION(value, path)
    nulls = {name.lower() for name, given in value.items() if given is None}
    return body | {name: None for name in ("NodeChecks", "Checks") if name.lower() in nulls}


def create(raw: bytes, node: str, session_id: str) -> SessionCreate:
    """The command; `node` is the agent's own, `session_id` a fresh UUID. Raises `ApiError`."""
    body = body_object(raw, _body) if raw else {}
    name = body.get("Node", node)
    if not name:
        raise ApiError(500, "Must provide Node")
    behavior = body.get("Behavior") or "release"
    if behavior not in {"release", "delete"}:
        raise ApiError(500, f"Invalid Behavior setting '{behavior}'")
    ttl = body.get("TTL", "")
    ttl_ns = _ttl(ttl)
    node_checks, checks = _checks(body)
    services = body.get("ServiceChecks")
    return SessionCreate(
        session_id=session_id,
        node=name,
        name=body.get("Name", ""),
        node_checks=node_checks,
        service_checks=(
            None
            if services is None
            else tuple(ServiceCheck(one.get("ID", ""), one.get("Namespace", "")) for one in services)
        ),
        behavior=behavior,
        ttl_ns=ttl_ns,
        lock_delay_ns=body.get("LockDelay", LOCK_DELAY_NS),
        checks=checks,
        ttl=ttl,
    )


def _ttl(given: str) -> int:
    if not given:
        return 0
    try:
        ttl_ns = durations.parse(given)
    except durations.DurationError as error:
        raise ApiError(500, f"Session TTL '{given}' invalid: {error}") from None
    if ttl_ns and not TTL_MIN_NS <= ttl_ns <= TTL_MAX_NS:
        bounds = f"[{durations.render(TTL_MIN_NS)}={durations.render(TTL_MAX_NS)}]"
        raise ApiError(500, f"Invalid Session TTL '{ttl_ns}', must be between {bounds}")
    return ttl_ns


def _checks(body: dict[str, Any]) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Node checks and checks given in the old way, as they are kept.

    | `Checks` | `NodeChecks` | kept |
    |---|---|---|
    | empty or null | any | none at all |
    | absent, or `serfHealth` alone | any; absent means `serfHealth` | the node checks only |
    | others | empty or null | no checks but those of services |
    | others | others; absent means `serfHealth` | both |
    """
    checks = body.get("Checks", (SERF_HEALTH,))
    node_checks = body.get("NodeChecks", (SERF_HEALTH,))
    if not checks:
        return (), ()
    if checks == (SERF_HEALTH,) or not node_checks:
        return node_checks, ()
    return node_checks, checks

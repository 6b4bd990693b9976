"""Updates of TTL checks: what `catalog` asks the `healthcheck` that owns the check (design §4).

Consul's `PUT /v1/agent/check/{pass,warn,fail,update}/:id` becomes one request on the node's subject. Every
healthcheck of the node hears it and only the check's owner answers; no responder, or no answer in time, means that
nobody runs the checks of that node now. Payloads are MessagePack arrays; fields are only added at the end.
"""

import msgspec

OUTPUT_BYTES_MAX = 64 * 1024
"""Longer outputs are cut by whoever sends: the owner keeps far less of it (4 KiB unless the check says less)."""


class TtlUpdate(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a user says about a TTL check: `status` is `passing`, `warning` or `critical`."""

    check_id: str
    status: str
    output: str = ""


class TtlAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What became of it: an HTTP status (200: the timer is reset and the status is stored) and Consul's message."""

    status_code: int
    message: str = ""


def ttl_subject(cluster: str, node: str) -> str:
    """Where the healthchecks of a node hear updates.

    Node names may hold dots and spaces, which subjects may not: the name is written in hex.
    """
    return f"health.{cluster}.ttl.{node.lower().encode().hex()}"

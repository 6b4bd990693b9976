"""Ownership: which checks this process runs, and whether it may say anything at all (design §4).

Checks registered through an agent run only on a healthcheck of that node, because their `localhost` is the node's;
several with the same node share them. Other checks run here only when they carry an HTTP or TCP definition with an
interval, and all healthchecks share them. Sharing is by rendezvous hash over presence: everyone computes the same
owner, and a process that comes or goes moves only its own share. Pure.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from hashlib import blake2b
from typing import NamedTuple

from lictor_healthcheck.checks import CheckKey, Kind, key_of, kind_of
from lictor_state.rows import CheckRow

EXTERNAL_KINDS = frozenset({Kind.HTTP, Kind.TCP})


class Replica(NamedTuple):
    """One healthcheck that is present."""

    node: str
    instance: str


def candidates(row: CheckRow, replicas: Iterable[Replica]) -> list[Replica]:
    """Who may run a check."""
    kind = kind_of(row.definition)
    if kind is None:
        return []
    if row.agent:
        return on_node(row.node, replicas)
    return list(replicas) if kind in EXTERNAL_KINDS else []


def on_node(node: str, replicas: Iterable[Replica]) -> list[Replica]:
    """The healthchecks that speak for a node."""
    return [replica for replica in replicas if replica.node.lower() == node.lower()]


def rendezvous(key: CheckKey, replicas: Sequence[Replica]) -> Replica | None:
    """The one of `replicas` that everyone takes for the owner of `key`; None when there is none."""
    return max(replicas, key=lambda replica: _weight(key, replica), default=None)


def owns(own: Replica, row: CheckRow, replicas: Iterable[Replica]) -> bool:
    """Whether the process `own` runs a check; never while it is not among `replicas` itself."""
    if row.agent and row.node.lower() != own.node.lower():
        return False  # most checks of a large cluster: not worth a look at the replicas
    return rendezvous(key_of(row), candidates(row, replicas)) == own


def _weight(key: CheckKey, replica: Replica) -> bytes:
    # Lengths keep ("a", "bc") and ("ab", "c") apart; the instance at the end breaks a tie for everyone alike.
    text = f"{len(key[0])}:{key[0]}{len(key[1])}:{key[1]}{replica.instance}"
    return blake2b(text.encode(), digest_size=8).digest() + replica.instance.encode()


class Voice(Enum):
    """Whether an owner may propose."""

    FRESH = "fresh"
    CUT = "cut"
    RETURNED = "returned"


class EchoGuard:
    """Watches the age of this process's own presence echo.

    Too old an echo means that others may have taken over: nothing is proposed (`CUT`). The first fresh one after a
    gap is `RETURNED`: every TTL starts afresh then, since updates may have gone to nobody. A process that was itself
    suspended is a gap as well, whatever arrived first when it woke up.

    Args:
        age_s_max: the oldest echo with which an owner still speaks.
    """

    def __init__(self, age_s_max: float) -> None:
        self._age_s_max = age_s_max
        self._observed_at: float | None = None
        self.cut = True

    def observe(self, now: float, echo_age_s: float) -> Voice:
        """Take the echo's age at `now`; call this at least every half of `age_s_max`."""
        slept = self._observed_at is not None and now - self._observed_at > self._age_s_max
        self._observed_at = now
        was_cut = self.cut or slept
        self.cut = echo_age_s > self._age_s_max
        if self.cut:
            return Voice.CUT
        return Voice.RETURNED if was_cut else Voice.FRESH

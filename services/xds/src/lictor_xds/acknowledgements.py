"""What each proxy has accepted and rejected, as values for people.

The protocol's own bookkeeping is per stream and ends with it; this one belongs to the proxy and survives its
reconnecting. A rejection stays until the proxy accepts something newer of that type.
"""

import msgspec

from lictor_xds.metrics import short_name
from lictor_xdsproto import Nack, Outcome


class TypeReport(msgspec.Struct, frozen=True):
    """One type of resources: how many responses were accepted and rejected, and the last reason that still stands."""

    type: str
    acks: int
    nacks: int
    rejected_at: float = 0.0
    reason: str = ""


class ProxyReport(msgspec.Struct, frozen=True):
    """One proxy: `status` is ready, waiting or invalid; `reason` says why it is not ready or could not be renewed."""

    proxy_id: str
    node: str
    status: str
    reason: str
    streams: int
    problems: tuple[str, ...]
    types: tuple[TypeReport, ...]

    @property
    def rejected(self) -> bool:
        """Whether some rejection still stands."""
        return any(one.reason for one in self.types)


class Acknowledgements:
    """The answers of one proxy, by type."""

    def __init__(self) -> None:
        self._types: dict[str, TypeReport] = {}

    def record(self, type_url: str, outcome: Outcome, nack: Nack | None, now: float) -> bool:
        """Note one answer; whether it is a rejection that had not been seen with this reason."""
        name = short_name(type_url)
        known = self._types.get(name, TypeReport(name, 0, 0))
        if outcome is Outcome.ACK:
            self._types[name] = msgspec.structs.replace(known, acks=known.acks + 1, rejected_at=0.0, reason="")
        elif outcome is Outcome.NACK:
            reason = nack.message if nack is not None else ""
            self._types[name] = msgspec.structs.replace(
                known, nacks=known.nacks + 1, rejected_at=now, reason=reason or "no reason given"
            )
            return reason != known.reason
        return False

    def report(self) -> tuple[TypeReport, ...]:
        """All types, by name."""
        return tuple(self._types[name] for name in sorted(self._types))

"""What a process with a view tells operators about its contact: unusual, and no reason to send it no work.

A view goes on without NATS, and without a leader; `/readyz` says so in notes. Another cluster on the same NATS is told
too (design rule 3.11).
"""

from collections.abc import Callable

from lictor_bus.connection import Bus
from lictor_bus.view import View

SILENCE_S_MAX = 3.0
"""A leader not heard for longer is worth a note: twelve beacons."""


def tell_contact(note: Callable[[str, str], None], bus: Bus, view: View, consequence: str) -> None:
    """Bring the notes `bus`, `leader` and `clusters` up to date; call it now and then.

    Args:
        note: sets a note, or with an empty text takes it away (`Readiness.note`).
        bus: the connection.
        view: the view.
        consequence: what no leader means for this role, e.g. "only stale reads are answered".
    """
    silent_s = view.last_contact_s()
    foreign = view.leader.foreign_clusters
    note("bus", "" if bus.connected else "NATS is not reachable")
    silence = f"not heard for {silent_s:.0f} s" if silent_s < float("inf") else "not heard yet"
    note("leader", f"{silence}, {consequence}" if silent_s > SILENCE_S_MAX else "")
    note("clusters", f"other clusters on this NATS: {', '.join(foreign)}" if foreign else "")

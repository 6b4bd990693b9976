"""When sessions end for want of renewal (design §4, Sessions; Consul's sessions).

A session with a TTL ends 2 x TTL after its last renewal: Consul's promise is "not before the TTL", and twice as long
leaves a client time to find a new leader. A leadership counts all timers anew. So does a leader that stood still: while
it did not run nobody could renew. Once an end is proposed, it will come: renewals that arrive wait for it, and are then
told that there is no such session.

Who may answer renewals (a leader with a lease that has applied an entry of its term) is `renewal_api`'s business.
"""

from typing import Literal

from lictor_raft_store.leader_duties.duty import AGAIN_S, ROUND_COMMANDS_MAX
from lictor_raft_store.leader_duties.timers import Timers
from lictor_state import Change, Store
from lictor_state.commands import Command, SessionDestroy
from lictor_state.rows import SessionRow, Table

TTL_FACTOR = 2
STOOD_STILL_S = 2.0
"""A round that comes later than this after the last one: the process was stopped, or the machine suspended."""

Renewal = Literal["renewed", "unknown", "ending"]


class SessionTimers:
    """The leader's timers of sessions."""

    tables = frozenset({Table.SESSIONS})

    def __init__(self) -> None:
        self._timers: Timers[str] = Timers()
        self._ttl: dict[str, float] = {}
        self._ending: set[str] = set()
        self._last_round = 0.0
        self._lost = 0.0
        self.expired = 0

    def __len__(self) -> int:
        return len(self._ttl)

    def begin(self, store: Store, now: float) -> None:
        """Start every session's timer."""
        self._ttl = {
            key[0]: TTL_FACTOR * row.ttl_ns / 1e9
            for key, row in store.unsorted_rows(Table.SESSIONS)
            if isinstance(row, SessionRow) and row.ttl_ns
        }
        self._ending = set()
        self._timers.fill({session_id: now + ttl for session_id, ttl in self._ttl.items()})
        self._last_round, self._lost = now, 0.0

    def changed(self, change: Change, now: float) -> None:
        """A session was made, or has ended."""
        session_id, row = change.key[0], change.row
        if not isinstance(row, SessionRow):
            self._timers.stop(session_id)
            self._ttl.pop(session_id, None)
            self._ending.discard(session_id)
        elif row.ttl_ns and session_id not in self._ttl:
            self._ttl[session_id] = TTL_FACTOR * row.ttl_ns / 1e9
            self._timers.set(session_id, now - self._lost + self._ttl[session_id])

    def renew(self, store: Store, session_id: str, now: float) -> Renewal:
        """A client renews a session; `ending`: the answer is known once the session is gone."""
        if session_id in self._ending:
            return "ending"
        if store.session(session_id) is None:
            return "unknown"
        ttl = self._ttl.get(session_id)
        if ttl is not None:
            self._timers.set(session_id, now - self._lost + ttl)
        return "renewed"

    def round(self, _store: Store, now: float) -> list[Command]:
        """End the sessions whose time is over."""
        late = now - self._last_round
        if late > STOOD_STILL_S:
            self._lost += late
        self._last_round = now
        due = self._timers.due(now - self._lost, ROUND_COMMANDS_MAX)
        for session_id in due:
            if session_id not in self._ending:
                self._ending.add(session_id)
                self.expired += 1
            self._timers.set(session_id, now - self._lost + AGAIN_S)
        return [SessionDestroy(session_id) for session_id in due]

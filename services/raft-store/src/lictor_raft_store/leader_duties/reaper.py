"""Nodes that failed or left are forgotten after 72 hours (design §1), whoever leads by then.

The decision's own time, in the agent's row, is counted from, on the wall clock: an election does not start 72 hours
again. A wall clock may be wrong. A leader therefore reaps only after its wall clock has gone along with its steady
clock for ten minutes of this leadership, and any jump of either starts the ten minutes again: time for an operator's
clock service to mend it, and for nodes to come back. A decision without a time (of a build that kept none), or with one
in the future, counts from when this leader saw it.

Servers are not reaped by time: they go when they are removed from the configuration (`servers`).
"""

from collections.abc import Callable

from lictor_raft_store.leader_duties.duty import AGAIN_S, ROUND_COMMANDS_MAX
from lictor_raft_store.leader_duties.timers import Timers
from lictor_state import Change, Store
from lictor_state.commands import AgentDecision, Command
from lictor_state.rows import AgentRow, Table

SETTLE_S = 600.0
"""How long the wall clock must have gone along with the steady one; never longer than the time to reap itself."""

JUMP_S = 5.0
"""More than a clock service slews in ten minutes (0.3 s), less than any jump worth the name."""


class Reaper:
    """The leader's list of nodes that are away; `wall` tells Unix seconds."""

    tables = frozenset({Table.AGENTS})

    def __init__(self, after_s: float, wall: Callable[[], float]) -> None:
        self._after_s, self._wall = after_s, wall
        self._timers: Timers[str] = Timers()
        self._difference = 0.0
        self._settled_at = 0.0

    def begin(self, store: Store, now: float) -> None:
        """Count anew what has no time of its own."""
        self._timers = Timers()
        self._settle(now)
        for key, row in store.unsorted_rows(Table.AGENTS):
            self.changed(Change(Table.AGENTS, key, row), now)

    def _settle(self, now: float) -> None:
        self._difference = self._wall() - now
        self._settled_at = now + min(SETTLE_S, self._after_s)

    def changed(self, change: Change, _now: float) -> None:
        """An agent joined, failed, left, came back, or is gone."""
        row = change.row
        if not isinstance(row, AgentRow) or row.role != "node" or row.status == "alive":
            self._timers.stop(change.key[0])
            return
        wall = self._wall()
        known = 0 < row.decided_at <= wall
        self._timers.set(change.key[0], (row.decided_at if known else wall) + self._after_s)

    def round(self, store: Store, now: float) -> list[Command]:
        """Forget the nodes whose time is over."""
        wall = self._wall()
        if abs(wall - now - self._difference) > JUMP_S:
            self._settle(now)
        if now < self._settled_at:
            return []
        wanted: list[Command] = []
        for name in self._timers.due(wall, ROUND_COMMANDS_MAX):
            row = store.agent(name)
            if row is not None:
                wanted.append(AgentDecision(row.node, row.run_id, row.status_index, "reap", "away for long", int(wall)))
            self._timers.set(name, wall + AGAIN_S)
        return wanted

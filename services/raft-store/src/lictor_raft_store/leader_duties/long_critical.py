"""Services whose check has been critical for `DeregisterCriticalServiceAfter` are deregistered (Consul, checks).

Counted from when this leader saw the check turn critical; passing in between starts it again, and so does an election.
Consul raises times below one minute to that, and looks every 30 s; this looks every round. Apply drops the command if
the check has changed meanwhile, even in its output only: it is then proposed again.
"""

from lictor_raft_store.leader_duties.duty import AGAIN_S, ROUND_COMMANDS_MAX
from lictor_raft_store.leader_duties.timers import Timers
from lictor_state import Change, Store
from lictor_state.commands import Command, CriticalServiceDeregister
from lictor_state.rows import CheckRow, Key, Table

MINIMUM_S = 60.0


class LongCritical:
    """The leader's timers of critical checks."""

    tables = frozenset({Table.CHECKS})

    def __init__(self) -> None:
        self._timers: Timers[Key] = Timers()
        self._since: dict[Key, tuple[float, int]] = {}
        self._proposed: set[Key] = set()

    def __len__(self) -> int:
        return len(self._since)

    def begin(self, store: Store, now: float) -> None:
        """Start the timers of all that are critical now."""
        self._timers, self._since, self._proposed = Timers(), {}, set()
        for key, row in store.unsorted_rows(Table.CHECKS):
            if row.status == "critical":  # type: ignore[union-attr]  # by its table
                self.changed(Change(Table.CHECKS, key, row), now)

    def changed(self, change: Change, now: float) -> None:
        """A check was registered, changed, or is gone."""
        key, row = change.key, change.row
        after = 0
        if isinstance(row, CheckRow) and row.status == "critical" and row.service_id:
            after = row.definition.deregister_critical_service_after_ns
        if not after:
            if self._since.pop(key, None) is not None:
                self._timers.stop(key)
                self._proposed.discard(key)
            return
        since, counted = self._since.get(key, (now, 0))
        if after != counted:
            self._since[key] = (since, after)
            self._timers.set(key, since + max(MINIMUM_S, after / 1e9))
        elif key in self._proposed:
            self._timers.set(key, now)  # what was proposed named the row of before

    def round(self, store: Store, now: float) -> list[Command]:
        """Deregister what was critical for long enough."""
        wanted: list[Command] = []
        for key in self._timers.due(now, ROUND_COMMANDS_MAX):
            row = store.check(*key)
            if row is not None:
                wanted.append(CriticalServiceDeregister(row.node, row.check_id, row.modify_index))
                self._proposed.add(key)
            self._timers.set(key, now + AGAIN_S)
        return wanted

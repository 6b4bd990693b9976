"""When lock delays are over (design §4, Sessions): the leader deletes the row that keeps a key from being acquired.

Counted from when this leader saw the row; an election counts anew: later, never sooner.
"""

from lictor_raft_store.leader_duties.duty import AGAIN_S, ROUND_COMMANDS_MAX
from lictor_raft_store.leader_duties.timers import Timers
from lictor_state import Change, Store
from lictor_state.commands import Command, LockDelayEnd
from lictor_state.rows import LockDelayRow, Table


class LockDelays:
    """The leader's timers of lock delays."""

    tables = frozenset({Table.LOCK_DELAYS})

    def __init__(self) -> None:
        self._timers: Timers[str] = Timers()

    def __len__(self) -> int:
        return len(self._timers)

    def begin(self, store: Store, now: float) -> None:
        """Start all."""
        self._timers = Timers()
        for key, row in store.unsorted_rows(Table.LOCK_DELAYS):
            self.changed(Change(Table.LOCK_DELAYS, key, row), now)

    def changed(self, change: Change, now: float) -> None:
        """A delay begins, begins anew, or has ended."""
        if isinstance(change.row, LockDelayRow):
            self._timers.set(change.key[0], now + change.row.delay_ns / 1e9)
        else:
            self._timers.stop(change.key[0])

    def round(self, store: Store, now: float) -> list[Command]:
        """End the delays that are over."""
        wanted: list[Command] = []
        for key in self._timers.due(now, ROUND_COMMANDS_MAX):
            row = store.lock_delay(key)
            if row is not None:
                wanted.append(LockDelayEnd(key, row.create_index))
            self._timers.set(key, now + AGAIN_S)
        return wanted

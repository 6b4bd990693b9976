"""What a duty of the leader is: it begins with the state as it stands, follows the changes, and says what to propose.

Duties are pure; `now` is seconds of the member's clock. They see every change in order, so none looks at all rows again
after it has begun. A duty that has proposed something proposes it again, `AGAIN_S` later, as long as the state still
calls for it: a command may be lost with leadership or for lack of room, and each is harmless twice.
"""

from collections.abc import Sequence
from typing import Protocol

from lictor_state import Change, Store
from lictor_state.commands import Command
from lictor_state.rows import Table

AGAIN_S = 5.0
"""As long as a leader waits for one of its own decisions to be applied."""

ROUND_COMMANDS_MAX = 256
"""What one duty proposes in one round: a fraction of a batch, so that clients' writes go on beside it."""


class Duty(Protocol):
    """One thing that the leader does by time."""

    tables: frozenset[Table]
    """The tables whose changes it follows."""

    def begin(self, store: Store, now: float) -> None:
        """A leadership begins, or the whole state was replaced: everything is counted anew from now."""

    def changed(self, change: Change, now: float) -> None:
        """A row of one of its tables was put or deleted."""

    def round(self, store: Store, now: float) -> list[Command]:
        """What to propose now."""


class Duties:
    """All duties of one member, each fed with the tables that it follows."""

    def __init__(self, duties: Sequence[Duty]) -> None:
        self._duties = tuple(duties)
        self._by_table: dict[Table, tuple[Duty, ...]] = {
            table: tuple(one for one in duties if table in one.tables) for table in Table
        }

    def begin(self, store: Store, now: float) -> None:
        """Begin all."""
        for duty in self._duties:
            duty.begin(store, now)

    def changed(self, changes: Sequence[Change], now: float) -> None:
        """Rows have changed, in this order."""
        by_table = self._by_table
        for change in changes:
            for duty in by_table[change.table]:
                duty.changed(change, now)

    def round(self, store: Store, now: float) -> list[Command]:
        """What all want to propose now."""
        return [command for duty in self._duties for command in duty.round(store, now)]

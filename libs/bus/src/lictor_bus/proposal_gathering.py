"""When to stop gathering commands for a batch. Pure.

Clients whose writes were answered together ask again together, though not within one turn of the loop: while some are
still being answered, the first requests are back already. Sent at once, those few make a round of their own through
the store (a frame to every follower, a sync at every member, a feed message to every view), which costs nearly as much
as that of all the others right behind them. So a proposer that has lately sent several commands together goes on
gathering as long as every turn brings more; the turn that brings none costs some ten microseconds. Somebody who writes
alone is not kept waiting at all.
"""

TURNS_MAX = 8
"""Turns of the loop that a command may wait for company. Where there are more clients than a loop serves in a turn, no
turn ever passes without a request."""


class ProposalGathering:
    """What one proposer remembers of its batches."""

    def __init__(self) -> None:
        self._had_company = False
        self._waiting = 0
        self._turns = 0

    def goes_on(self, waiting: int) -> bool:
        """Whether to look again after the next turn; asked at the end of each, with the commands that wait by now."""
        if self._had_company and waiting > self._waiting and self._turns < TURNS_MAX:
            self._waiting, self._turns = waiting, self._turns + 1
            return True
        self._had_company = waiting > 1
        self._waiting = self._turns = 0
        return False

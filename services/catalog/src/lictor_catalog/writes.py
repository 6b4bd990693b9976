"""The way of a write: propose, translate what came of it, and give the own view a moment to see it (rules 3.1, 3.6)."""

from lictor_bus.proposer import NoLeaderError, NoSpaceError, OutcomeUnknownError, OverloadedError
from lictor_catalog.errors import ApiError
from lictor_catalog.ports import ProposerPort, ViewPort
from lictor_state.commands import Command

OWN_VIEW_WAIT_S = 0.05
"""How long an answer waits for the own view: default reads see the write anyway, stale ones usually do then."""

Value = bool | int | str | None


class Writes:
    """Proposes commands for the HTTP endpoints."""

    def __init__(self, proposer: ProposerPort, view: ViewPort) -> None:
        self._proposer = proposer
        self._view = view

    async def propose(self, command: Command, seen_s: float = OWN_VIEW_WAIT_S) -> Value:
        """The command's result, after waiting up to `seen_s` for the own view to have it.

        Raises:
            ApiError: what apply refused, with its status and text; 500 without a leader or with
                an unknown outcome, or while the disk is full;
                429 when too many writes wait already.
        """
        try:
            committed = await self._proposer.propose(command)
        except (NoLeaderError, NoSpaceError, OutcomeUnknownError) as error:
            raise ApiError(500, str(error)) from None
        except OverloadedError as error:
            raise ApiError(429, str(error)) from None
        if committed.result.error:
            raise ApiError(committed.result.status, committed.result.error)
        if seen_s:
            await self._view.wait_for(committed.index, seen_s)
        return committed.result.value

"""The way of a write: propose, translate what came of it, and give the own view a moment to see it (rules 3.1, 3.6)."""

from collections.abc import Callable

from lictor_bus.proposer import Committed, OverloadedError, ProposeError
from lictor_catalog.errors import ApiError
from lictor_catalog.ports import ProposerPort, ViewPort
from lictor_state.commands import Command, Result

OWN_VIEW_WAIT_S = 0.05
"""How long an answer waits for the own view: default reads see the write anyway, stale ones usually do then."""

Value = bool | int | str | None
Told = Callable[[Result | ApiError], None]
"""Told what came of a write, once; must not raise."""


class Writes:
    """Proposes commands for the HTTP endpoints."""

    def __init__(self, proposer: ProposerPort, view: ViewPort) -> None:
        self._proposer = proposer
        self._view = view

    async def propose(self, command: Command, seen_s: float = OWN_VIEW_WAIT_S) -> Value:
        """The command's result, after waiting up to `seen_s` for the own view to have it.

        Raises:
            ApiError: what apply refused, with its status and text; 429 when too many writes wait already; 500 without a
                leader, with an unknown outcome, while the leader's disk is full, or when not every member of the store
                can read the command yet.
        """
        result = await self.run(command, seen_s)
        if result.error:
            raise ApiError(result.status, result.error)
        return result.value

    async def run(self, command: Command, seen_s: float = OWN_VIEW_WAIT_S) -> Result:
        """As `propose`, but what apply refused is in the result, whole."""
        try:
            committed = await self._proposer.propose(command)
        except ProposeError as error:
            raise _api_error(error) from None
        if seen_s and not committed.result.error:
            await self._view.wait_for(committed.index, seen_s)
        return committed.result

    def submit(self, command: Command, told: Told) -> None:
        """As `run`, for callers that are called back; raises `ApiError` for what is known at once."""

        def answered(outcome: Committed | ProposeError) -> None:
            if isinstance(outcome, ProposeError):
                told(_api_error(outcome))
            elif outcome.result.error:
                told(outcome.result)
            else:
                result = outcome.result
                self._view.when(outcome.index, OWN_VIEW_WAIT_S, lambda _in_time: told(result))

        try:
            self._proposer.submit(command, answered)
        except ProposeError as error:
            raise _api_error(error) from None


def _api_error(error: ProposeError) -> ApiError:
    return ApiError(429 if isinstance(error, OverloadedError) else 500, str(error))

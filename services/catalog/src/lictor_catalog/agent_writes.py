"""Writes through the agent of this process's node.

Agent state lives in the store: what is registered here is a command that names the node. A TTL check's update goes to
the `healthcheck` that runs the node's checks; whether there is such a check is judged on the view first.
"""

from lictor_catalog.agent_self import AgentSelf
from lictor_catalog.consistency import Consistency, ReadOptions
from lictor_catalog.errors import ApiError
from lictor_catalog.ports import TtlPort, ViewPort
from lictor_catalog.writes import Writes
from lictor_state.rows import CheckRow


class AgentWrites:
    """What the agent's writes do; all raise `ApiError`."""

    def __init__(
        self, about: AgentSelf, writes: Writes, view: ViewPort, consistency: Consistency, ttl: TtlPort
    ) -> None:
        self.about = about
        self.writes = writes
        self.view = view
        self.consistency = consistency
        self.ttl = ttl

    async def update_ttl(self, check_id: str, status: str, output: str) -> None:
        """Pass, warn, fail or update a TTL check."""
        check = self._agent_check(check_id)
        if check is None:  # it may have been registered through another replica a moment ago
            await self.consistency.settle_local(ReadOptions())
            check = self._agent_check(check_id)
        if check is None:
            raise ApiError(
                404, f'Unknown check ID "{check_id}". Ensure that the check ID is passed, not the check name.'
            )
        if not check.definition.ttl_ns:
            raise ApiError(500, f'CheckID "{check_id}" does not have associated TTL')
        code, message = await self.ttl.update(check, status, output)
        if code != 200:
            raise ApiError(code, message)

    def _agent_check(self, check_id: str) -> CheckRow | None:
        row = self.view.store.check(self.about.node.name, check_id)
        return row if row is not None and row.agent else None

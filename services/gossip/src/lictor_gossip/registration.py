"""Keeping this node in the catalog: registering each run, and leaving (design §1).

The row is there as long as the agent row names this run. When it does not (first start, reaped meanwhile, a restored
store), the node registers again. Nothing is registered any more once the node has decided to leave.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from lictor_bus import OutcomeUnknownError, ProposeError, Proposer, View
from lictor_state.commands import AgentDecision, AgentJoin
from lictor_state.rows import AgentRow, Change
from lictor_state.tables import AGENTS

RETRY_S = 1.0

log = structlog.get_logger()


class Registration:
    """Keeps one node registered; run `run()` as one of the process's tasks."""

    def __init__(self, view: View, proposer: Proposer, join: AgentJoin, say: Callable[[str], None]) -> None:
        """`say` is told why the node is not registered, and the empty string when it is."""
        self._view, self._proposer, self._join, self._say = view, proposer, join, say
        self._changed = asyncio.Event()
        self._changed.set()
        self.leaving = False
        view.on_load(self._on_load)
        view.on_reset(self._changed.set)

    @property
    def row(self) -> AgentRow | None:
        """This node's agent row, as far as the view knows."""
        return self._view.store.agent(self._join.node)

    def _on_load(self, _index: int, changes: Sequence[Change]) -> None:
        if any(change.table is AGENTS and change.key == (self._join.node.lower(),) for change in changes):
            self._changed.set()

    async def run(self) -> None:
        """Register whenever the agent row is not this run's."""
        await self._view.ready.wait()
        while True:
            await self._changed.wait()
            self._changed.clear()
            row = self.row
            if self.leaving or (row is not None and row.run_id == self._join.run_id):
                self._say("")
                continue
            if not await self._register():
                self._changed.set()
                await asyncio.sleep(RETRY_S)

    async def _register(self) -> bool:
        try:
            done = await self._proposer.propose(self._join)
        except ProposeError as error:
            self._say(f"the node is not registered yet: {error}")
            return False
        if done.result.error:
            log.error("node not registered", node=self._join.node, reason=done.result.error)
            self._say(done.result.error)
            return False
        log.info("node registered", node=self._join.node, node_id=self._join.node_id, index=done.index)
        await self._view.wait_for(done.index, RETRY_S)
        return True

    async def leave(self) -> bool:
        """Take the node and its services out of the catalog; whether the store agreed."""
        self.leaving = True
        row = self.row
        if row is None or row.status == "left":
            return True
        decision = AgentDecision(row.node, row.run_id, row.status_index, "left", "the node leaves", int(time.time()))
        try:
            done = await self._proposer.propose(decision, 5.0)
        except OutcomeUnknownError:
            return False
        except ProposeError as error:
            log.warning("leaving is not in the catalog", reason=str(error))
            return False
        return bool(done.result.value)

"""`GET /v1/agent/members`: who was ever seen running and is not reaped yet."""

from lictor_state.queries.answer import Answer
from lictor_state.rows import AgentRow, Table
from lictor_state.store import Store


def members(store: Store) -> Answer[list[AgentRow]]:
    """All agents by node name, left and failed ones included."""
    rows = [row for _, row in store.rows(Table.AGENTS) if isinstance(row, AgentRow)]
    index = max((store.least_index, *(row.modify_index for row in rows)))
    return Answer(index, rows, (("table", Table.AGENTS),))

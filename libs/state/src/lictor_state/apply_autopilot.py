"""`PUT /v1/operator/autopilot/configuration`: how the leader looks after the store's own members."""

from lictor_state.catalog_rows import put_changed
from lictor_state.commands import AutopilotSet, Result
from lictor_state.errors import Refused
from lictor_state.rows import AUTOPILOT_KEY, AutopilotRow, Table
from lictor_state.store import Store


def set_autopilot(store: Store, index: int, command: AutopilotSet) -> Result:
    """Write the settings whole; with `cas` only at that modify index, 0 meaning only if there are none."""
    if min(command.last_contact_threshold_ns, command.server_stabilization_time_ns) < 0:
        raise Refused("autopilot: a duration must not be negative", 400)
    if min(command.max_trailing_logs, command.min_quorum) < 0:
        raise Refused("autopilot: a number must not be negative", 400)
    old = store.autopilot()
    if command.cas is not None and command.cas != (old.modify_index if old is not None else 0):
        return Result(value=False)
    row = AutopilotRow(
        command.cleanup_dead_servers,
        command.last_contact_threshold_ns,
        command.max_trailing_logs,
        command.min_quorum,
        command.server_stabilization_time_ns,
    )
    put_changed(store, index, Table.AUTOPILOT, AUTOPILOT_KEY, old, row)
    return Result(value=True)

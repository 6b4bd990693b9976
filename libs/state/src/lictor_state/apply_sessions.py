"""Sessions and lock delays: `PUT /v1/session/create` and `/destroy`, and the leader's word that a time is over.

Which sessions a node or a check takes along is in `session_rows`; taking and giving back locks is in `apply_kv`.
"""

from lictor_state import reported_indexes as reported
from lictor_state.codec import SESSION_BEHAVIORS
from lictor_state.commands import LockDelayEnd, Result, SessionCreate, SessionDestroy
from lictor_state.errors import Refused
from lictor_state.rows import SessionRow, Table
from lictor_state.secondary_indexes import check_ids
from lictor_state.session_rows import end_session
from lictor_state.store import Store


def create(store: Store, index: int, command: SessionCreate) -> Result:
    """A session on a node that is there, hanging on checks that are there and not critical."""
    if command.behavior not in SESSION_BEHAVIORS:
        raise Refused(f"Invalid Behavior setting '{command.behavior}'")
    if store.session(command.session_id) is not None:
        raise Refused(f"Session id '{command.session_id}' is taken")  # ids are random: a client that chose its own
    if store.node(command.node) is None:
        raise Refused("Missing node registration")
    row = SessionRow(
        session_id=command.session_id,
        node=command.node,
        name=command.name,
        node_checks=command.node_checks,
        service_checks=command.service_checks,
        behavior=command.behavior,
        ttl_ns=command.ttl_ns,
        lock_delay_ns=command.lock_delay_ns,
        checks=command.checks,
        ttl=command.ttl,
        create_index=index,
        modify_index=index,
    )
    for check_id in check_ids(row):
        check = store.check(command.node, check_id)
        if check is None:
            raise Refused(f"Missing check '{check_id}' registration")
        if check.status == "critical":
            raise Refused(f"Check '{check_id}' is in critical state")
    store.put(Table.SESSIONS, (command.session_id,), row)
    reported.raise_index(store, reported.SESSIONS, index)
    return Result(value=command.session_id)


def destroy(store: Store, index: int, command: SessionDestroy) -> Result:
    """End a session; an unknown one has ended already."""
    session = store.session(command.session_id)
    if session is not None:
        end_session(store, index, session)
    return Result(value=True)


def end_lock_delay(store: Store, _index: int, command: LockDelayEnd) -> Result:
    """Let a key be acquired again, unless its delay is a newer one than the leader had counted."""
    row = store.lock_delay(command.key)
    if row is None or row.create_index != command.create_index:
        return Result(value=False)
    store.delete(Table.LOCK_DELAYS, (command.key,))
    return Result(value=True)

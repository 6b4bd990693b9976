"""User events (Consul's HTTP API, events): the newest `EVENTS_MAX` are kept."""

from typing import TypeGuard

from lictor_state.commands import EventFire, Result
from lictor_state.event_rows import EVENTS_MAX, EventRow
from lictor_state.rows import Row, Table
from lictor_state.store import Store


def fire(store: Store, index: int, command: EventFire) -> Result:
    """Keep an event, and let the oldest go if it is one too many.

    An event without a Lamport time was fired here and comes after all that were heard of.
    """
    key = (command.event_id,)
    if store.get(Table.EVENTS, key) is not None:
        return Result(value=False)
    kept = [row for _, row in store.unsorted_rows(Table.EVENTS) if _is_event(row)]
    row = EventRow(
        event_id=command.event_id,
        name=command.name,
        payload=command.payload,
        node_filter=command.node_filter,
        service_filter=command.service_filter,
        tag_filter=command.tag_filter,
        version=command.version,
        ltime=command.ltime or max((one.ltime for one in kept), default=0) + 1,
        create_index=index,
    )
    store.put(Table.EVENTS, key, row)
    if len(kept) >= EVENTS_MAX:
        oldest = min(kept, key=lambda one: (one.create_index, one.event_id))
        store.delete(Table.EVENTS, (oldest.event_id,))
    return Result(value=True)


def _is_event(row: Row) -> TypeGuard[EventRow]:
    return isinstance(row, EventRow)

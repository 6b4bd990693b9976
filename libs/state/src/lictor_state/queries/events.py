"""`GET /v1/event/list`: the events that are for one node, oldest first, reported at an index that is none.

A list is reported at the two halves of its last event's UUID, xored (Consul's HTTP API, events): whoever waits, waits
for another one. An event is for a node whose name its node filter finds and, with a service filter, whose agent has a
service that it finds, with a tag that the tag filter finds. Consul judges that when an event arrives, here it is judged
when the list is read.
"""

from lictor_state.event_rows import EventRow
from lictor_state.queries.answer import Answer, of_node
from lictor_state.regexp import compile_regexp
from lictor_state.regexp_syntax import RegexpError
from lictor_state.rows import ServiceRow, Table
from lictor_state.store import Store
from lictor_state.watches import Token

NOTHING_YET = 1
"""What an empty list is reported at."""

_HALF = (1 << 64) - 1


def events(store: Store, node: str, name: str = "") -> Answer[list[EventRow]]:
    """The events of a name (all, if it is empty) that are for `node`."""
    rows = [row for _, row in store.unsorted_rows(Table.EVENTS) if isinstance(row, EventRow)]
    rows = [row for row in rows if not name or row.name == name]
    rows.sort(key=lambda row: (row.create_index, row.event_id))
    tokens: tuple[Token, ...] = (("table", Table.EVENTS),)
    if any(row.service_filter for row in rows):
        tokens += of_node(store, node.lower())[1]
    found = [row for row in rows if is_for(store, node, row)]
    return Answer(index_of(found[-1].event_id) if found else NOTHING_YET, found, tokens)


def index_of(event_id: str) -> int:
    """The two halves of a UUID, xored; a text that is no UUID counts as nothing."""
    try:
        number = int(event_id.replace("-", ""), 16)
    except ValueError:
        return NOTHING_YET
    return (number >> 64 & _HALF) ^ (number & _HALF)


def is_for(store: Store, node: str, event: EventRow) -> bool:
    """Whether an event concerns a node; one whose filters cannot be read concerns nobody."""
    if event.node_filter and not _finds(event.node_filter, node):
        return False
    if not event.service_filter:
        return True
    lower = node.lower()
    rows = (store.service(lower, service_id) for service_id in store.by.services_of_node.get(lower, ()))
    return any(_concerns(event, row) for row in rows if row is not None and row.agent)


def _concerns(event: EventRow, row: ServiceRow) -> bool:
    if not _finds(event.service_filter, row.name):
        return False
    return not event.tag_filter or any(_finds(event.tag_filter, tag) for tag in row.tags)


def _finds(pattern: str, text: str) -> bool:
    try:
        return compile_regexp(pattern).search(text)
    except RegexpError:
        return False

"""What every query gives: a value, the index that it is reported at, and what a blocking read of it waits on."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from lictor_state import reported_indexes as reported
from lictor_state.rows import CheckRow, NodeRow, ServiceRow, Table
from lictor_state.store import Store
from lictor_state.watches import Token

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """`index` is what `X-Consul-Index` says (at least 1); `tokens` go to `Watches.add`.

    `absent`: the one object that was asked for is not there. A blocking read sleeps on while it stays absent, even
    when `index` has moved: what moved was something else.
    """

    index: int
    value: Value
    tokens: tuple[Token, ...]
    absent: bool = False


class Instance(msgspec.Struct, frozen=True, gc=False):
    """A service instance with its node and the checks that decide about it: the node's, then its own."""

    node: NodeRow
    service: ServiceRow
    checks: tuple[CheckRow, ...]


def index_token(name: str) -> Token:
    """The token of one reported index."""
    return ("row", Table.INDEXES, (name,))


def whole(store: Store, *names: str) -> tuple[int, tuple[Token, ...]]:
    """The newest of some reported indexes, and the tokens that wait for any of them."""
    return max(store.least_index, *(store.index_of(name) for name in names)), tuple(index_token(name) for name in names)


def of_node(store: Store, name: str) -> tuple[int, tuple[Token, ...]]:
    """The index of a node (name in lower case) or of its services, whichever is newer, and what waits for either.

    Without the node it is the last time that any node went.
    """
    row = store.node(name)
    own: Token = ("row", Table.NODES, (name,))
    services = reported.of_node(name)
    if row is None:
        index, gone = whole(store, reported.NODE_EXTINCTION)
        return index, (own, index_token(services), *gone)
    return max(store.least_index, row.modify_index, store.index_of(services)), (own, index_token(services))


def has_meta(row: NodeRow | None, wanted: dict[str, str] | None) -> bool:
    """Whether a node has all the metadata pairs that a `node-meta` filter wants."""
    if not wanted:
        return True
    return row is not None and all(row.meta.get(name) == value for name, value in wanted.items())

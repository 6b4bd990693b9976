"""What every query gives: a value, the index that it is reported at, and what a blocking read of it waits on."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

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


def has_meta(row: NodeRow | None, wanted: dict[str, str] | None) -> bool:
    """Whether a node has all the metadata pairs that a `node-meta` filter wants."""
    if not wanted:
        return True
    return row is not None and all(row.meta.get(name) == value for name, value in wanted.items())

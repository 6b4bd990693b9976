"""What of a list is answered, and in which order: `node-meta`, `filter` and `near` (Consul's HTTP API, parameters).

All three belong into the plan's key. Neither filter nor order moves the index that is reported; an order by distance is
made anew when a coordinate changes, and nobody is woken for it.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from lictor_catalog.filtering import Filter, filter_of
from lictor_catalog.plans.identity import Identity
from lictor_catalog.plans.parameters import meta_key
from lictor_catalog.request import Params
from lictor_state import Store
from lictor_state.distance import nearest_first
from lictor_state.filter import FilterKind
from lictor_state.rows import Table
from lictor_state.watches import Token

AGENT = "_agent"
"""Stands for the node whose agent is asked."""

Row = TypeVar("Row")


class Selection(msgspec.Struct, frozen=True):
    """The parameters; `near` is a node's name, empty for the state's own order."""

    meta: tuple[tuple[str, str], ...]
    keep: Filter
    near: str

    @property
    def key(self) -> tuple[tuple[tuple[str, str], ...], str, str]:
        """What a plan's key must hold of it."""
        return self.meta, self.keep.text, self.near

    @property
    def tokens(self) -> tuple[Token, ...]:
        """What the order depends on besides the rows."""
        return (("table", Table.COORDINATES),) if self.near else ()

    def chosen(self, store: Store, rows: list[Row], node_of: Callable[[Row], str]) -> list[Row]:
        """The rows that are answered, in their order."""
        kept = self.keep.kept(rows) if self.keep.text else rows
        return nearest_first(store, self.near, kept, node_of) if self.near else kept


def selection_of(params: Params, kind: FilterKind, who: Identity) -> Selection:
    """The selection that a request asks for; raises `ApiError`."""
    near = params.first("near")
    return Selection(meta_key(params), filter_of(params, kind), who.node if near == AGENT else near)

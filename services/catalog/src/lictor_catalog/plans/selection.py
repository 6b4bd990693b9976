"""What of a list is answered, and in which order: `node-meta`, `filter` and `near` (Consul's HTTP API, parameters).

All of it belongs into the plan's key. Neither filter nor order moves the index that is reported; an order by distance
is made anew when a coordinate changes, and nobody is woken for it.

`merge-central-config` adds what `proxy-defaults` and `service-defaults` say to proxies. As long as there are no such
entries that changes nothing; where there are some, it is refused rather than ignored.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from lictor_catalog.errors import ApiError
from lictor_catalog.filtering import Filter, filter_of
from lictor_catalog.plans.identity import Identity
from lictor_catalog.plans.parameters import meta_key
from lictor_catalog.request import Params
from lictor_state import Store
from lictor_state.distance import nearest_first
from lictor_state.filter import FilterKind
from lictor_state.rows import Table
from lictor_state.watches import Token

CENTRAL = ("proxy-defaults", "service-defaults")
"""The kinds of entries that are merged."""

AGENT = "_agent"
"""Stands for the node whose agent is asked."""

Row = TypeVar("Row")


class Selection(msgspec.Struct, frozen=True):
    """The parameters; `near` is a node's name, empty for the state's own order."""

    meta: tuple[tuple[str, str], ...]
    keep: Filter
    near: str
    merged: bool = False

    @property
    def key(self) -> tuple[tuple[tuple[str, str], ...], str, str, bool]:
        """What a plan's key must hold of it."""
        return self.meta, self.keep.text, self.near, self.merged

    @property
    def tokens(self) -> tuple[Token, ...]:
        """What the order depends on besides the rows."""
        order: tuple[Token, ...] = (("table", Table.COORDINATES),) if self.near else ()
        return (*order, ("table", Table.CONFIG_ENTRIES)) if self.merged else order

    def chosen(self, store: Store, rows: list[Row], node_of: Callable[[Row], str]) -> list[Row]:
        """The rows that are answered, in their order; raises `ApiError` 400 when they would have to be merged."""
        if self.merged and any(store.by.config_names.get(one) for one in CENTRAL):
            raise ApiError(400, "merge-central-config is not supported by this version")
        kept = self.keep.kept(rows) if self.keep.text else rows
        return nearest_first(store, self.near, kept, node_of) if self.near else kept


def selection_of(params: Params, kind: FilterKind, who: Identity) -> Selection:
    """The selection that a request asks for; raises `ApiError`."""
    near = params.first("near")
    merged = params.has("merge-central-config")
    return Selection(meta_key(params), filter_of(params, kind), who.node if near == AGENT else near, merged)

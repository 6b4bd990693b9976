"""What of a list is answered, and in which order: `node-meta`, `filter`, `near` and `merge-central-config`.

All of it belongs into the plan's key (Consul's HTTP API, parameters). Neither filter nor order moves the index that is
reported; an order by distance is made anew when a coordinate changes, and nobody is woken for it. Central configuration
is merged first, so that a filter judges what is shown; such an answer is reported at least at the index of the config
entries, and a reader sleeps on while what it would be shown is the same.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from lictor_catalog.filtering import Filter, filter_of
from lictor_catalog.plans.identity import Identity
from lictor_catalog.plans.parameters import meta_key
from lictor_catalog.request import Params
from lictor_state import Store, queries
from lictor_state.distance import nearest_first
from lictor_state.filter import FilterKind
from lictor_state.queries import Answer, Instance
from lictor_state.rows import ServiceRow, Table
from lictor_state.watches import Token

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
        return (("table", Table.COORDINATES),) if self.near else ()

    def instances(self, store: Store, answer: Answer[list[Instance]]) -> Answer[list[Instance]]:
        """The instances, with their central configuration if that was asked for."""
        if not self.merged:
            return answer
        return queries.central_config.merged(store, answer, _service_of, _with_service)

    def services(self, store: Store, answer: Answer[list[ServiceRow]]) -> Answer[list[ServiceRow]]:
        """The same for rows alone."""
        if not self.merged:
            return answer
        return queries.central_config.merged(store, answer, lambda row: row, lambda _, row: row)

    def chosen(self, store: Store, rows: list[Row], node_of: Callable[[Row], str]) -> list[Row]:
        """The rows that are answered, in their order."""
        kept = self.keep.kept(rows) if self.keep.text else rows
        return nearest_first(store, self.near, kept, node_of) if self.near else kept


def _service_of(one: Instance) -> ServiceRow:
    return one.service


def _with_service(one: Instance, row: ServiceRow) -> Instance:
    return msgspec.structs.replace(one, service=row)


def selection_of(params: Params, kind: FilterKind, who: Identity) -> Selection:
    """The selection that a request asks for; raises `ApiError`."""
    near = params.first("near")
    merged = params.has("merge-central-config")
    return Selection(meta_key(params), filter_of(params, kind), who.node if near == AGENT else near, merged)

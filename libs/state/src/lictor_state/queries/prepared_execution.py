"""What a prepared query finds: the usable instances of its service, in the order in which they should be tried.

Follows the execution of Consul's prepared queries: health, metadata, tags; then shuffled, and nearest first if that was
asked for; then cut. The same for HTTP and DNS, which hand in who asks and the dice. Other datacenters and peers are not
reached: what a query says about failover to them finds nothing.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from lictor_state.distance import nearest_first
from lictor_state.prepared_query_rows import QueryService
from lictor_state.queries import health
from lictor_state.queries.answer import Instance
from lictor_state.queries.usable import kept_out_by
from lictor_state.rows import NodeRow, Table
from lictor_state.store import Store

AGENT, BY_ADDRESS = "_agent", "_ip"
OWN_NODE_DEPTH = 10
"""Among this many nearest the asking node's own instance is looked for, to be tried first (Consul's rule)."""


class Asker(msgspec.Struct, frozen=True):
    """Who executes a query: the node whose agent was asked, and the address that the question came from."""

    node: str
    address: str = ""


def execute(
    store: Store,
    query: QueryService,
    asker: Asker,
    dice: Callable[[], float],
    *,
    near: str = "",
    limit: int = 0,
    connect: bool = False,
) -> list[Instance]:
    """The instances that a query (a rendered one, if it is a template) finds.

    `near` overrides the query's own; `limit` 0 is none; `connect` asks for proxies and native instances, as the query
    may. `dice` gives numbers from 0 up to 1, excluding it.
    """
    found = (health.connect if connect or query.connect else health.service)(store, query.service).value
    chosen = [one for one in found if left_out_by(one, query) is None]
    _shuffle(chosen, dice)
    origin = _origin(store, near or query.near, asker)
    if origin:
        chosen = nearest_first(store, origin, chosen, _node_of)
        _own_first(chosen, origin)
    return chosen[:limit] if limit > 0 else chosen


Rule = Literal["check", "node-meta", "service-meta", "tag"]


def left_out_by(one: Instance, query: QueryService) -> Rule | None:
    """The first rule of a query that leaves an instance out of what it finds."""
    if kept_out_by(counted(one, query), only_passing=query.only_passing) is not None:
        return "check"
    if not _has(one.node.meta, query.node_meta):
        return "node-meta"
    if not _has(one.service.meta, query.service_meta):
        return "service-meta"
    return None if not query.tags or _is_tagged(one.service.tags, query.tags) else "tag"


def counted(one: Instance, query: QueryService) -> Instance:
    """The instance with those checks only that the query does not ignore."""
    if not query.ignore_check_ids:
        return one
    ignored = query.ignore_check_ids
    return msgspec.structs.replace(one, checks=tuple(check for check in one.checks if check.check_id not in ignored))


def _has(meta: dict[str, str], wanted: dict[str, str] | None) -> bool:
    return not wanted or all(meta.get(key) == value for key, value in wanted.items())


def _is_tagged(tags: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether every wanted tag is there, and none that is written with an exclamation mark; in any case."""
    own = {tag.lower() for tag in tags}
    return all((tag[1:].lower() not in own) if tag.startswith("!") else tag.lower() in own for tag in wanted)


def _shuffle(items: list[Instance], dice: Callable[[], float]) -> None:
    for last in range(len(items) - 1, 0, -1):
        other = int(dice() * (last + 1))
        items[last], items[other] = items[other], items[last]


def _node_of(one: Instance) -> str:
    return one.node.node


def _origin(store: Store, near: str, asker: Asker) -> str:
    """The node to be near to; empty for none."""
    if near == AGENT:
        return asker.node
    if near != BY_ADDRESS:
        return near
    rows = (row for _, row in store.unsorted_rows(Table.NODES) if isinstance(row, NodeRow))
    return min((row.node for row in rows if asker.address and row.address == asker.address), default="")


def _own_first(items: list[Instance], origin: str) -> None:
    for at, one in enumerate(items[:OWN_NODE_DEPTH]):
        if one.node.node.lower() == origin.lower():
            items[0], items[at] = items[at], items[0]
            return

"""`GET /v1/health/*`: instances with their checks, and checks by node, service and state.

Instance lists are reported at the service's own index (see `services`), lists of checks at that of the whole table.
"""

from collections.abc import Sequence

from lictor_state import reported_indexes as reported
from lictor_state.queries.answer import Answer, Instance, has_meta, whole
from lictor_state.queries.services import checks_at, instances, instances_index
from lictor_state.rows import CheckRow
from lictor_state.store import Store

ANY = "any"


def service(
    store: Store,
    name: str,
    tags: Sequence[str] = (),
    *,
    passing: bool = False,
    node_meta: dict[str, str] | None = None,
) -> Answer[list[Instance]]:
    """The instances of a service with their checks; with `passing`, those all of whose checks pass."""
    lower = name.lower()
    found = instances(store, store.by.services_by_name.get(lower, ()), tags, node_meta, with_checks=True)
    index, tokens = instances_index(store, reported.of_service(lower), with_checks=True)
    return Answer(index, _passing(found) if passing else found, tokens)


def connect(
    store: Store,
    name: str,
    tags: Sequence[str] = (),
    *,
    passing: bool = False,
    node_meta: dict[str, str] | None = None,
) -> Answer[list[Instance]]:
    """The proxies and native instances of a destination; otherwise as `service`."""
    lower = name.lower()
    found = instances(store, store.by.proxies_of.get(lower, ()), tags, node_meta, with_checks=True)
    index, tokens = instances_index(store, reported.of_destination(lower), with_checks=True)
    return Answer(index, _passing(found) if passing else found, tokens)


def _passing(found: list[Instance]) -> list[Instance]:
    return [one for one in found if all(check.status == "passing" for check in one.checks)]


def checks(store: Store, name: str, node_meta: dict[str, str] | None = None) -> Answer[list[CheckRow]]:
    """The checks of a service's instances, without node-level ones."""
    lower = name.lower()
    if node_meta:
        index, tokens = instances_index(store, reported.of_service(lower), with_checks=True)
    else:
        index, tokens = whole(store, reported.CHECKS)
    rows = [
        row
        for key in store.by.services_by_name.get(lower, ())
        if has_meta(store.node(key[0]), node_meta)
        for row in checks_at(store, key)
    ]
    return Answer(index, rows, tokens)


def node(store: Store, name: str) -> Answer[list[CheckRow]]:
    """All checks of a node, its services' included, by id."""
    index, tokens = whole(store, reported.CHECKS)
    return Answer(index, _of_node(store, name.lower()), tokens)


def state(store: Store, status: str, node_meta: dict[str, str] | None = None) -> Answer[list[CheckRow]]:
    """All checks in a status, or all for `any`; another word matches nothing."""
    names = (reported.CHECKS, reported.NODES) if node_meta else (reported.CHECKS,)
    index, tokens = whole(store, *names)
    rows = [
        row
        for name in sorted(store.by.checks_of_node)
        if has_meta(store.node(name), node_meta)
        for row in _of_node(store, name)
        if status in (ANY, row.status)
    ]
    return Answer(index, rows, tokens)


def _of_node(store: Store, name: str) -> list[CheckRow]:
    rows = (store.check(name, check_id) for check_id in store.by.checks_of_node.get(name, ()))
    return [row for row in rows if row is not None]

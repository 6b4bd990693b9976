"""`GET /v1/catalog/services`, `/v1/catalog/service/:name` and `/v1/catalog/connect/:name`.

An instance list is reported at its service's own index. A service without instances has none; then the index of the
last extinction speaks for it or, before the first extinction, the newest of the tables'. Those tables are not waited
on: a missing service cannot appear without its own index row.
"""

from collections.abc import Callable, Iterable, Sequence

from lictor_state import reported_indexes as reported
from lictor_state.queries.answer import Answer, Instance, has_meta, index_token, whole
from lictor_state.rows import CheckRow, Key, NodeRow, ServiceRow, Table
from lictor_state.store import Store
from lictor_state.watches import Token


def services(
    store: Store, node_meta: dict[str, str] | None = None, keep: Callable[[Instance], bool] | None = None
) -> Answer[dict[str, tuple[str, ...]]]:
    """Every service name with the sorted tags of its instances.

    With `node_meta` of instances on such nodes only, with `keep` of those that it holds for. Both may look at nodes,
    whose changes move the index then.
    """
    found: dict[str, tuple[str, ...]] = {}
    if not node_meta and keep is None:
        index, tokens = whole(store, reported.SERVICES)
        for name in sorted(store.by.services_by_name):
            first = _row(store, store.by.services_by_name[name][0])
            found[first.name] = tuple(sorted(store.by.tags_by_name.get(name, ())))
        return Answer(index, found, tokens)
    index, tokens = whole(store, reported.SERVICES, reported.NODES)
    for name in sorted(store.by.services_by_name):
        held = instances(store, store.by.services_by_name[name], (), node_meta, with_checks=False)
        rows = [one.service for one in held if keep is None or keep(one)]
        if rows:
            found[rows[0].name] = tuple(sorted({tag for row in rows for tag in row.tags}))
    return Answer(index, found, tokens)


def service_instances(
    store: Store, name: str, tags: Sequence[str] = (), node_meta: dict[str, str] | None = None
) -> Answer[list[Instance]]:
    """The instances of a service by node name and id, with all of `tags` in any case; their checks are left out."""
    lower = name.lower()
    keys = store.by.services_by_name.get(lower, ())
    found = instances(store, keys, tags, node_meta, with_checks=False)
    index, tokens = instances_index(store, reported.of_service(lower), with_checks=False)
    return Answer(index, found, tokens)


def connect_instances(
    store: Store, name: str, tags: Sequence[str] = (), node_meta: dict[str, str] | None = None
) -> Answer[list[Instance]]:
    """The proxies and native instances of a destination; otherwise as `service_instances`."""
    lower = name.lower()
    keys = store.by.proxies_of.get(lower, ())
    found = instances(store, keys, tags, node_meta, with_checks=False)
    index, tokens = instances_index(store, reported.of_destination(lower), with_checks=False)
    return Answer(index, found, tokens)


def instances_index(store: Store, name: str, *, with_checks: bool) -> tuple[int, tuple[Token, ...]]:
    """The reported index of an instance list and its tokens; `name` is its own index row's."""
    own = store.index_of(name)
    if own:
        return max(store.least_index, own), (index_token(name),)
    tokens = (index_token(name), index_token(reported.SERVICE_EXTINCTION))
    extinct = store.index_of(reported.SERVICE_EXTINCTION)
    if extinct:
        return max(store.least_index, extinct), tokens
    tables = (
        (reported.NODES, reported.SERVICES, reported.CHECKS) if with_checks else (reported.NODES, reported.SERVICES)
    )
    return max(store.least_index, *(store.index_of(table) for table in tables)), tokens


def instances(
    store: Store,
    keys: Iterable[Key],
    tags: Sequence[str],
    node_meta: dict[str, str] | None,
    *,
    with_checks: bool,
) -> list[Instance]:
    """The rows at `keys` joined with their nodes, and with their checks if wanted."""
    wanted = {tag.lower() for tag in tags}
    found = []
    node_name, node = "", None
    node_checks: tuple[CheckRow, ...] = ()
    for key in keys:
        service = _row(store, key)
        if wanted and not wanted <= {tag.lower() for tag in service.tags}:
            continue
        if key[0] != node_name:
            node_name = key[0]
            node = store.node(node_name)
            node_checks = checks_at(store, (node_name, "")) if with_checks else ()
        assert isinstance(node, NodeRow), f"service {key[1]} is on node {key[0]}, which is not there"
        if not has_meta(node, node_meta):
            continue
        checks = node_checks + checks_at(store, key) if with_checks else ()
        found.append(Instance(node, service, checks))
    return found


def checks_at(store: Store, place: Key) -> tuple[CheckRow, ...]:
    """The checks of an instance, or with an empty service id the node-level checks, by id."""
    found = []
    for check_id in store.by.checks_of_service.get(place, ()):
        row = store.get(Table.CHECKS, (place[0], check_id))
        assert isinstance(row, CheckRow)
        found.append(row)
    return tuple(found)


def _row(store: Store, key: Key) -> ServiceRow:
    row = store.get(Table.SERVICES, key)
    assert isinstance(row, ServiceRow)
    return row

"""Instances with their central configuration, for reads with `merge-central-config` (Consul's catalog and health).

Proxies and gateways are merged, other services are as they are. An answer that holds any of them is reported at least
at the index of all config entries, as in Consul, and waits on exactly the entries that were looked at.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from lictor_state import central_merge
from lictor_state import reported_indexes as reported
from lictor_state.queries.answer import Answer, whole
from lictor_state.rows import ProxyDefinition, ServiceRow, Table, config_key
from lictor_state.store import Store
from lictor_state.watches import Token

GATEWAYS = frozenset({"api-gateway", "ingress-gateway", "mesh-gateway", "terminating-gateway"})
PROXY = "connect-proxy"

_NO_PROXY = ProxyDefinition()

Row = TypeVar("Row")


def merged(
    store: Store,
    answer: Answer[list[Row]],
    service_of: Callable[[Row], ServiceRow],
    with_service: Callable[[Row, ServiceRow], Row],
) -> Answer[list[Row]]:
    """The answer with every proxy and gateway merged; `with_service` puts a merged row back into its place."""
    entries = _Entries(store)
    rows: list[Row] = []
    for one in answer.value:
        service = service_of(one)
        is_proxy = service.kind == PROXY or service.kind in GATEWAYS
        rows.append(with_service(one, entries.merged(service)) if is_proxy else one)
    if not entries.tokens:
        return answer
    index, _ = whole(store, reported.CONFIG_ENTRIES)
    tokens = (*answer.tokens, *entries.tokens)
    return Answer(max(answer.index, index), rows, tokens, answer.absent)


class _Entries:
    """The entries that one answer needs, and the tokens of those looked at, whether there or not."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.tokens: dict[Token, None] = {}

    def merged(self, row: ServiceRow) -> ServiceRow:
        """The row with its central configuration."""
        given = row.proxy or _NO_PROXY
        name, named = row.name, []
        if row.kind == PROXY:
            name = given.destination_service_name
            named = [one.destination_name for one in given.upstreams if one.destination_type == "service"]
        proxies, service = self._body("proxy-defaults", "global"), self._body("service-defaults", name)
        upstreams: Sequence[str] = named
        if named or central_merge.is_transparent(given, proxies, service):
            upstreams = (*named, *central_merge.upstream_overrides(service))
        protocols = {one: self._body("service-defaults", one).get("Protocol", "") for one in upstreams}
        central = central_merge.defaults(given, named, proxies, service, protocols)
        return replace(row, proxy=central_merge.merged(given, central))

    def _body(self, kind: str, name: str) -> central_merge.Body:
        self.tokens[("row", Table.CONFIG_ENTRIES, config_key(kind, name))] = None
        row = self._store.config_entry(kind, name)
        return row.body if row is not None else {}

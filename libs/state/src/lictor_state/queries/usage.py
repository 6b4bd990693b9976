"""`GET /v1/operator/usage`: how much is registered, from counts that are kept with every write."""

import msgspec

from lictor_state import reported_indexes as reported
from lictor_state.queries.answer import Answer, whole
from lictor_state.rows import Table
from lictor_state.secondary_indexes import NATIVE
from lictor_state.store import Store

MESH_KINDS = ("api-gateway", "connect-proxy", "ingress-gateway", "mesh-gateway", "terminating-gateway")
STORE_SERVICE = "consul"
"""The members' own service: it is nobody's workload."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Counts. `billable` are plain instances, without proxies, gateways and the members' own service."""

    nodes: int
    services: int
    instances: int
    of_kind: dict[str, int]
    billable: int


def usage(store: Store) -> Answer[Usage]:
    """What is registered now."""
    index, tokens = whole(store, reported.NODES, reported.SERVICES)
    kinds = store.by.instances_of_kind
    own = (store.service(*key) for key in store.by.services_by_name.get(STORE_SERVICE, ()))
    plain = kinds.get("", 0) + kinds.get("typical", 0)
    found = Usage(
        nodes=store.count(Table.NODES),
        services=len(store.by.services_by_name),
        instances=store.count(Table.SERVICES),
        of_kind={kind: kinds.get(kind, 0) for kind in sorted((*MESH_KINDS, NATIVE))},
        billable=plain - sum(1 for row in own if row is not None and row.kind in {"", "typical"}),
    )
    return Answer(index, found, tokens)

"""`GET /v1/catalog/gateway-services/:gateway` and `/v1/health/ingress/:service`."""

from lictor_state import reported_indexes as reported
from lictor_state.mesh_rows import GatewayServiceRow
from lictor_state.queries.answer import Answer, Instance, whole
from lictor_state.queries.services import instances, instances_index
from lictor_state.rows import Key, Table
from lictor_state.store import Store
from lictor_state.watches import Token

INGRESS = "ingress-gateway"


def services(store: Store, gateway: str) -> Answer[list[GatewayServiceRow]]:
    """What a gateway serves, by service and port; reported at the index of what all gateways serve."""
    index, tokens = whole(store, reported.GATEWAY_SERVICES)
    rows = [_row(store, key) for key in store.by.served_by_gateway.get(gateway.lower(), ())]
    return Answer(index, sorted(rows, key=lambda row: (row.service.lower(), row.port)), tokens)


def ingress(store: Store, service: str, node_meta: dict[str, str] | None = None) -> Answer[list[Instance]]:
    """The instances of the ingress gateways that serve a service, with their checks, by gateway, node and id.

    With `node_meta` those on such nodes.

    Reported at the newest of what gateways serve and of the gateways' own indexes.
    """
    index, tokens = whole(store, reported.GATEWAY_SERVICES)
    rows = [_row(store, key) for key in store.by.gateways_of_service.get(service.lower(), ())]
    names = dict.fromkeys(row.gateway.lower() for row in rows if row.kind == INGRESS)
    found: list[Instance] = []
    more: list[Token] = []
    for name in names:
        own, own_tokens = instances_index(store, reported.of_service(name), with_checks=True)
        index = max(index, own)
        more.extend(own_tokens)
        found += [
            one
            for one in instances(store, store.by.services_by_name.get(name, ()), (), node_meta, with_checks=True)
            if one.service.kind == INGRESS
        ]
    return Answer(index, found, tuple(dict.fromkeys((*tokens, *more))))


def _row(store: Store, key: Key) -> GatewayServiceRow:
    row = store.get(Table.GATEWAY_SERVICES, key)
    assert isinstance(row, GatewayServiceRow)
    return row

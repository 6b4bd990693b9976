"""What gateways serve: written whole, shown by gateway and by service, reported at one index."""

from typing import Any

from lictor_state import commands as c
from lictor_state.queries import gateways
from lictor_state.rows import Table
from lictor_state.streams import STREAMS, belongs

S = c.GatewayServiceSpec


def served(state: Any, gateway: str) -> list[tuple[str, int]]:
    return [(row.service, row.port) for row in gateways.services(state.store, gateway).value]


def test_a_gateways_services_are_replaced_whole(state: Any) -> None:
    state.do(c.GatewayServicesSet("GW", "ingress-gateway", (S("web", 80), S("db", 9000), S("web", 443))))
    assert served(state, "gw") == [("db", 9000), ("web", 80), ("web", 443)]
    made = state.last.index
    state.do(c.GatewayServicesSet("gw2", "ingress-gateway", (S("web", 80),)))
    state.do(c.GatewayServicesSet("gw", "ingress-gateway", (S("web", 443),)))
    assert served(state, "GW") == [("web", 443)]
    assert served(state, "gw2") == [("web", 80)]
    (row,) = gateways.services(state.store, "gw").value
    assert (row.create_index, gateways.services(state.store, "none").index) == (made, state.last.index)
    state.do(c.GatewayServicesSet("gw", "ingress-gateway"))
    assert served(state, "gw") == []
    assert state.store.by.gateways_of_service == {"web": [("gw2", "web", "80")]}


def test_the_same_services_are_no_change(state: Any) -> None:
    command = c.GatewayServicesSet("gw", "terminating-gateway", (S("web", sni="x"), S("db", from_wildcard=True)))
    state.do(command)
    index = state.index("gateway-services")
    state.do(command)
    state.do(c.GatewayServicesSet("none", "terminating-gateway"))
    assert (state.last.changes, state.index("gateway-services")) == ((), index)


def test_ingress_asks_for_gateways_of_that_kind_and_wakes_for_their_instances(state: Any) -> None:
    state.register(service="gw", service_id="g1", kind="ingress-gateway")
    state.register(service="gw", service_id="g2")
    state.register(service="tg", kind="terminating-gateway")
    state.do(c.GatewayServicesSet("gw", "ingress-gateway", (S("web", 80), S("web", 81))))
    state.do(c.GatewayServicesSet("tg", "terminating-gateway", (S("web"),)))
    answer = gateways.ingress(state.store, "WEB")
    assert [one.service.service_id for one in answer.value] == ["g1"]
    woken: list[int] = []
    state.store.watches.add(answer.tokens, lambda: woken.append(1))
    state.register(service="other")
    assert woken == []
    state.do(c.CatalogDeregister("n1", "g1"))
    assert woken == [1]
    after = gateways.ingress(state.store, "web")
    assert (after.value, after.index) == ([], state.last.index)


def test_what_gateways_serve_travels_to_dns_and_to_the_mesh() -> None:
    key = ("edge", "web", "8080")
    carried = {stream for stream in STREAMS if belongs(stream, Table.GATEWAY_SERVICES, key)}
    assert carried == {stream for stream in STREAMS if belongs(stream, Table.INDEXES, ("gateway-services",))}
    assert carried == {"all", "discovery", "mesh"}

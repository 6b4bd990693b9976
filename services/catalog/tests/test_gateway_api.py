"""What gateways serve, virtual addresses and counts, as the API shows them."""

from typing import Any

from api_fixture import Catalog, is_asleep, story, waiting

from lictor_state.commands import CatalogDeregister, CatalogRegister, CheckSpec, GatewayServicesSet, ServiceSpec
from lictor_state.commands import GatewayServiceSpec as Served
from lictor_state.rows import ProxyDefinition


def register(catalog: Catalog, service: ServiceSpec, *checks: CheckSpec) -> None:
    catalog.result(CatalogRegister("n1", "10.0.0.5", "dc1", service=service, checks=checks))


@story
async def test_what_a_gateway_serves_is_shown_byte_for_byte() -> None:
    catalog = Catalog()
    answer = await catalog.get("catalog/gateway-services/ig")
    assert (answer.text, answer.headers["x-consul-index"]) == ("null", "1")
    async with waiting(catalog, "catalog/gateway-services/ig?index=1") as read:
        register(catalog, ServiceSpec("web", "web"))
        assert await is_asleep(read)
        catalog.result(GatewayServicesSet("ig", "ingress-gateway", (Served("web", 8080, "http", ("a.b",)),)))
        assert (await read).text == (
            '[{"Gateway":{"Name":"ig"},"Service":{"Name":"web"},"GatewayKind":"ingress-gateway","Port":8080,'
            '"Protocol":"http","Hosts":["a.b"],"CreateIndex":12,"ModifyIndex":12}]'
        )
    catalog.result(GatewayServicesSet("tg", "terminating-gateway", (Served("web", ca_file="/x", sni="s"),)))
    (shown,) = (await catalog.get("catalog/gateway-services/TG")).json()
    assert (shown["CAFile"], shown["SNI"]) == ("/x", "s")
    assert "Port" not in shown
    missing = await catalog.get("catalog/gateway-services/")
    assert (missing.status_code, missing.text) == (400, "Missing gateway name")


@story
async def test_ingress_lists_the_instances_of_the_gateways_that_serve_a_service() -> None:
    catalog = Catalog()
    assert (await catalog.get("health/ingress/web")).text == "[]"
    assert (await catalog.get("health/ingress/")).text == "Missing service name"
    assert (await catalog.get("health/ingress/web?passing=x")).text == "Invalid value for ?passing"
    register(
        catalog, ServiceSpec("ig-1", "ig", kind="ingress-gateway"), CheckSpec("c", "c", "warning", service_id="ig-1")
    )
    register(catalog, ServiceSpec("tg-1", "tg", kind="terminating-gateway"))
    catalog.result(GatewayServicesSet("ig", "ingress-gateway", (Served("web", 8080),)))
    catalog.result(GatewayServicesSet("tg", "terminating-gateway", (Served("web"),)))
    found = await catalog.get("health/ingress/Web")
    assert [one["Service"]["ID"] for one in found.json()] == ["ig-1"]
    assert (await catalog.get("health/ingress/web?passing")).text == "[]"
    index = int(found.headers["x-consul-index"])
    async with waiting(catalog, f"health/ingress/web?index={index}") as read:
        register(catalog, ServiceSpec("web", "web"))
        assert await is_asleep(read)
        register(catalog, ServiceSpec("ig-2", "ig", kind="ingress-gateway"))
        assert len((await read).json()) == 2


@story
async def test_instances_of_the_mesh_show_the_virtual_address_of_their_service() -> None:
    catalog = Catalog()
    register(catalog, ServiceSpec("web", "web", port=80))
    proxy = ServiceSpec("p", "web-proxy", kind="connect-proxy", port=9000, proxy=ProxyDefinition("web"))
    register(catalog, proxy)
    (shown,) = (await catalog.get("health/connect/web")).json()
    virtual = {"consul-virtual": {"Address": "240.0.0.1", "Port": 9000}}
    assert shown["Service"]["TaggedAddresses"] == virtual
    (node,) = (await catalog.get("catalog/service/web-proxy")).json()
    assert node["ServiceTaggedAddresses"] == virtual
    (plain,) = (await catalog.get("health/service/web")).json()
    assert "TaggedAddresses" not in plain["Service"]
    index = await catalog.index("health/connect/web")
    register(catalog, proxy)
    assert await catalog.index("health/connect/web") == index, "the same registration is no change"


@story
async def test_usage_counts_what_is_registered() -> None:
    catalog = Catalog()
    register(catalog, ServiceSpec("web", "web", native=True))
    register(catalog, ServiceSpec("web2", "web"))
    register(catalog, ServiceSpec("p", "web-proxy", kind="connect-proxy", proxy=ProxyDefinition("web")))
    register(catalog, ServiceSpec("mg", "mg", kind="mesh-gateway"))
    register(catalog, ServiceSpec("consul", "consul"))
    answer: Any = (await catalog.get("operator/usage?global")).json()
    assert answer["Usage"] == {
        "dc1": {
            "Nodes": 1,
            "Services": 4,
            "ServiceInstances": 5,
            "ConnectServiceInstances": {
                "api-gateway": 0,
                "connect-native": 1,
                "connect-proxy": 1,
                "ingress-gateway": 0,
                "mesh-gateway": 1,
                "terminating-gateway": 0,
            },
            "BillableServiceInstances": 2,
        }
    }
    catalog.result(CatalogDeregister("n1"))
    usage = (await catalog.get("operator/usage")).json()["Usage"]["dc1"]
    assert (usage["Nodes"], usage["ServiceInstances"], usage["BillableServiceInstances"]) == (0, 0, 0)
    assert set(usage["ConnectServiceInstances"].values()) == {0}

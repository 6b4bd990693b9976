"""`?merge-central-config`: proxies as config entries complete them, in every read that shows proxies."""

from typing import Any

import pytest
from api_fixture import Catalog, is_asleep, story, waiting
from test_event_stream import watching

from lictor_state.commands import GatewayServiceSpec, GatewayServicesSet

READS = {
    "health/connect/web": "0/Service/Proxy",
    "health/service/web-sidecar-proxy": "0/Service/Proxy",
    "catalog/connect/web": "0/ServiceProxy",
    "catalog/service/web-sidecar-proxy": "0/ServiceProxy",
    "catalog/node/n1": "Services/web-sidecar-proxy/Proxy",
    "catalog/node-services/n1": "Services/1/Proxy",
}
"""Where each read shows the sidecar's definition."""


async def entry(catalog: Catalog, kind: str, name: str, **body: Any) -> None:
    answer = await catalog.put("config", {"Kind": kind, "Name": name, **body})
    assert answer.status_code == 200, answer.text


async def with_sidecar() -> Catalog:
    catalog = Catalog()
    upstream = {"DestinationName": "db", "LocalBindPort": 9191}
    body = {"Name": "web", "Port": 80, "Connect": {"SidecarService": {"Proxy": {"Upstreams": [upstream]}}}}
    await catalog.put("agent/service/register", body)
    return catalog


async def proxy(catalog: Catalog, path: str) -> Any:
    asked, _, _ = path.partition("?")
    found = (await catalog.get(path)).json()
    for step in READS[asked].split("/"):
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found


@pytest.mark.parametrize("path", READS)
def test_a_sidecar_is_shown_with_what_entries_say_only_if_that_is_asked_for(path: str) -> None:
    @story
    async def asked() -> None:
        catalog = await with_sidecar()
        plain = await proxy(catalog, path)
        assert await proxy(catalog, f"{path}?merge-central-config") == plain, "there are no entries"
        await entry(catalog, "proxy-defaults", "global", Config={"x": 1}, AccessLogs={"Enabled": True})
        await entry(catalog, "service-defaults", "web", Protocol="http", EnvoyExtensions=[{"Name": "builtin/lua", "Arguments": {"ProxyType": "connect-proxy", "Listener": "inbound", "Script": "x"}}])  # fmt: skip
        await entry(catalog, "service-defaults", "db", Protocol="grpc")
        assert await proxy(catalog, path) == plain
        found = await proxy(catalog, f"{path}?merge-central-config")
        changed = {name: value for name, value in found.items() if plain.get(name) != value}
        assert changed == {
            "Config": {"x": 1, "protocol": "http"},
            "Upstreams": [{**plain["Upstreams"][0], "Config": {"protocol": "grpc"}}],
            "AccessLogs": {"Enabled": True},
            "EnvoyExtensions": [
                {
                    "Name": "builtin/lua",
                    "Required": False,
                    "Arguments": {"ProxyType": "connect-proxy", "Listener": "inbound", "Script": "x"},
                    "ConsulVersion": "",
                    "EnvoyVersion": "",
                }
            ],
        }

    asked()


@story
async def test_a_transparent_proxy_shows_the_upstreams_that_only_entries_name() -> None:
    catalog = await with_sidecar()
    await entry(catalog, "service-defaults", "web", Mode="transparent", UpstreamConfig={"Overrides": [{"Name": "cache", "ConnectTimeoutMs": 7}]})  # fmt: skip
    found = await proxy(catalog, "health/connect/web?merge-central-config")
    assert found["Mode"] == "transparent"
    assert found["Upstreams"][1] == {
        "DestinationType": "",
        "DestinationNamespace": "default",
        "DestinationPartition": "default",
        "DestinationName": "cache",
        "Datacenter": "",
        "Config": {"connect_timeout_ms": 7},
        "MeshGateway": {},
        "CentrallyConfigured": True,
    }


@story
async def test_a_filter_judges_what_is_shown() -> None:
    catalog = await with_sidecar()
    await entry(catalog, "service-defaults", "web", Mode="direct")
    asked = 'health/connect/web?filter=Service.Proxy.Mode=="direct"'
    assert (await catalog.get(asked)).json() == []
    assert len((await catalog.get(f"{asked}&merge-central-config")).json()) == 1


@pytest.mark.parametrize("path", READS)
def test_a_reader_is_woken_by_the_entries_that_it_is_shown_and_sleeps_through_others(path: str) -> None:
    @story
    async def asked() -> None:
        catalog = await with_sidecar()
        await entry(catalog, "service-defaults", "other", Protocol="http")
        merged = f"{path}?merge-central-config"
        index = await catalog.index(merged)
        assert index == catalog.view.store.index, "that of the entries, whichever they are"
        async with waiting(catalog, f"{merged}&index={index}") as reader:
            await entry(catalog, "service-defaults", "other", Protocol="grpc")
            await entry(catalog, "service-defaults", "web", ExternalSNI="not.shown")
            assert await is_asleep(reader)
            await entry(catalog, "service-defaults", "db", Protocol="http2")
            answer = await reader
            assert "http2" in answer.text
            assert int(answer.headers["x-consul-index"]) == catalog.view.store.index
        async with waiting(catalog, f"{path}?index={await catalog.index(path)}") as plain:
            await entry(catalog, "service-defaults", "db", Protocol="http")
            assert await is_asleep(plain)

    asked()


@story
async def test_a_stream_is_told_of_the_entries_that_change_what_it_shows() -> None:
    catalog = await with_sidecar()
    async with watching(catalog, "health/connect/web?merge-central-config&watch=sse") as watcher:
        await watcher.told(1)
        await entry(catalog, "service-defaults", "other", Protocol="http")
        await watcher.quiet(catalog)
        count = len(watcher.events)
        await entry(catalog, "service-defaults", "web", Protocol="http")
        assert "http" in str((await watcher.told(count + 1))[count:])


@story
async def test_ingress_gateways_are_merged_filtered_and_ordered_like_others() -> None:
    catalog = Catalog()
    for node, meta in (("a", "1"), ("b", "2")):
        body = {"Node": node, "Address": "10.0.0.1", "NodeMeta": {"m": meta}, "Service": {"Service": "edge", "Kind": "ingress-gateway", "Port": 1}}  # fmt: skip
        await catalog.put("catalog/register", body)
    catalog.result(GatewayServicesSet("edge", "ingress-gateway", (GatewayServiceSpec("web", 8080),)))
    await entry(catalog, "service-defaults", "edge", Protocol="http")
    both = (await catalog.get("health/ingress/web?merge-central-config")).json()
    assert [one["Service"]["Proxy"]["Config"] for one in both] == [{"protocol": "http"}] * 2
    for chosen in ("node-meta=m:2", "filter=Node.Node==b"):
        found = (await catalog.get(f"health/ingress/web?{chosen}")).json()
        assert [one["Node"]["Node"] for one in found] == ["b"]
        assert "Config" not in found[0]["Service"]["Proxy"]


@story
async def test_the_agent_shows_a_proxy_merged_and_its_hash_follows_the_entries() -> None:
    catalog = await with_sidecar()
    before = (await catalog.get("agent/service/web-sidecar-proxy")).json()
    async with waiting(catalog, f"agent/service/web-sidecar-proxy?hash={before['ContentHash']}") as reader:
        await entry(catalog, "service-defaults", "other", Protocol="http")
        assert await is_asleep(reader)
        await entry(catalog, "proxy-defaults", "global", Config={"envoy_stats_tags": ["a=b"]}, MeshGateway={"Mode": "local"})  # fmt: skip
        after = (await reader).json()
    assert after["Proxy"]["Config"] == {"envoy_stats_tags": ["a=b"]}
    assert (after["Proxy"]["MeshGateway"], after["Proxy"]["Upstreams"][0]["MeshGateway"]) == ({"Mode": "local"},) * 2
    assert after["ContentHash"] != before["ContentHash"]
    assert "Proxy" not in (await catalog.get("agent/service/web")).json()

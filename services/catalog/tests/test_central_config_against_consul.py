"""Proxies completed by config entries: what a real Consul's agent shows of them is what we show.

The peer (1.8) merges into every read of its agent's proxies and does not know `merge-central-config`; it knows neither
modes nor `UpstreamConfig` yet, so what is compared are configuration, gateways, exposed paths and protocols.
"""

import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from api_fixture import Catalog, story
from test_against_consul import CONSUL, free_ports, plain, wait_until_up

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not CONSUL, reason="no consul binary: set CONSUL_BIN or put it on the path"),
]

PROXY = {
    "Config": {"o": {"b": 2}, "zero": 0, "own": "x"},
    "Upstreams": [
        {"DestinationName": "dbSIDE", "LocalBindPort": 9191, "Config": {"k": 1, "protocol": ""}},
        {"DestinationName": "cache", "LocalBindPort": 9192},
        {"DestinationName": "q", "DestinationType": "prepared_query", "LocalBindPort": 9193},
    ],
}


def shared(**body: Any) -> dict[str, Any]:
    return {"Kind": "proxy-defaults", "Name": "global", **body}


def service(name: str, **body: Any) -> dict[str, Any]:
    return {"Kind": "service-defaults", "Name": name, **body}


ENTRIES: list[list[dict[str, Any]]] = [
    [],
    [shared(Config={"protocol": "http", "own": "y", "zero": 5, "o": {"a": 1, "b": 1}, "more": {"deep": {"x": 1}}})],
    [service("webSIDE", Protocol="grpc")],
    [shared(Config={"protocol": "http"}), service("webSIDE", Protocol="grpc"), service("dbSIDE", Protocol="http2")],
    [service("dbSIDE", Protocol="http2"), service("webSIDE-sidecar-proxy", Protocol="http")],
    [shared(MeshGateway={"Mode": "local"})],
    [service("webSIDE", MeshGateway={"Mode": "remote"}), shared(MeshGateway={"Mode": "local"}), service("dbSIDE", MeshGateway={"Mode": "none"})],
    [shared(Expose={"Checks": True, "Paths": [{"Path": "/a", "ListenerPort": 21500, "LocalPathPort": 8, "Protocol": "http"}]})],
    [shared(Expose={"Checks": True}), service("webSIDE", Expose={"Paths": [{"Path": "/b", "ListenerPort": 21501, "LocalPathPort": 9, "Protocol": "http2"}]})],
]  # fmt: skip


@pytest.fixture(scope="module")
def merging_consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert CONSUL
    ports = free_ports(6)
    names = ("http", "dns", "serf-lan", "serf-wan", "server", "grpc")
    flags = [part for name, port in zip(names, ports, strict=True) for part in (f"-{name}-port", str(port))]
    merges = ["-hcl", "enable_central_service_config = true"]
    log = tmp_path_factory.mktemp("consul") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [CONSUL, "agent", "-dev", "-node", "n1", "-bind", "127.0.0.1", *flags, *merges], stdout=out, stderr=out
        )
    url = f"http://127.0.0.1:{ports[0]}/v1/"
    try:
        wait_until_up(url, log)
        yield url
    finally:
        process.terminate()
        process.wait(10)


async def shown(side: httpx.AsyncClient, case: int) -> Any:
    """The sidecar's definition, for services of this case alone: the peer's agent keeps what it has resolved once."""
    entries, proxy = msgspec.json.decode(msgspec.json.encode((ENTRIES[case], PROXY)).replace(b"SIDE", b"%d" % case))
    for one in entries:
        assert (await side.put("config", json=one)).status_code == 200
    body = {"Name": f"web{case}", "Port": 80, "Connect": {"SidecarService": {"Proxy": proxy}}}
    assert (await side.put("agent/service/register", json=body)).status_code == 200
    found = plain((await side.get(f"agent/service/web{case}-sidecar-proxy")).json()["Proxy"])
    for one in entries:
        await side.delete(f"config/{one['Kind']}/{one['Name']}")
    return found


@pytest.mark.parametrize("case", range(len(ENTRIES)))
def test_a_sidecar_is_completed_as_by_a_real_consul(case: int, merging_consul: str) -> None:
    @story
    async def compared() -> None:
        async with httpx.AsyncClient(base_url=merging_consul, timeout=8) as theirs:
            assert await shown(Catalog().http, case) == await shown(theirs, case)

    compared()

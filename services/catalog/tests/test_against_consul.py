"""The same requests to a real Consul and to us: equal status and body, but for what must differ.

Needs a `consul` binary (environment CONSUL_BIN, or on the path). The peer may be older than the interface we speak:
fields that a newer Consul added are taken out of our side before comparing, named one by one below.
"""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from api_fixture import Catalog, story

CONSUL = os.environ.get("CONSUL_BIN") or shutil.which("consul")
pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not CONSUL, reason="no consul binary: set CONSUL_BIN or put it on the path"),
]
START_S = 30.0

# (`Output` is what checks said when they ran; here nobody runs ours.)
VOLATILE = {"CreateIndex", "ModifyIndex", "ContentHash", "Hash", "CreatedAt", "UpdatedAt", "Output"}
NEWER = {
    "consul-virtual",
    "Interval",
    "Timeout",
    "ExposedPort",
    "PeerName",
    "ServiceSocketPath",
    "ServiceLocality",
    "Datacenter",
    "Mode",
}
"""Fields that 1.21 shows and 1.8 does not (or, `Datacenter`, not everywhere)."""

OLDER = {"DefaultAddr", "DefaultPort"}


def plain(value: Any) -> Any:
    """What must be equal: without volatile fields, and without those that one version lacks or omits when empty."""
    if isinstance(value, dict):
        kept = {key: plain(one) for key, one in value.items() if key not in VOLATILE | NEWER | OLDER}
        return {key: one for key, one in kept.items() if one not in ("", 0, {}, [], None)}
    return [plain(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert CONSUL
    ports = free_ports(6)
    names = ("http", "dns", "serf-lan", "serf-wan", "server", "grpc")
    flags = [part for name, port in zip(names, ports, strict=True) for part in (f"-{name}-port", str(port))]
    log = tmp_path_factory.mktemp("consul") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [CONSUL, "agent", "-dev", "-node", "n1", "-bind", "127.0.0.1", *flags], stdout=out, stderr=out
        )
    url = f"http://127.0.0.1:{ports[0]}/v1/"
    try:
        wait_until_up(url, log)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def wait_until_up(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(url + "health/node/n1", timeout=2)
            if answer.status_code == 200 and any(one["CheckID"] == "serfHealth" for one in answer.json()):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"consul did not start: {log.read_text()[-2000:]}")


WEB = {"Name": "web", "ID": "web-1", "Tags": ["v1"], "Address": "10.0.0.9", "Port": 80, "Meta": {"k": "<&>"}, "Check": {"TTL": "1h"}, "Connect": {"SidecarService": {}}}  # fmt: skip
PROXY = {"Name": "px", "Kind": "connect-proxy", "Port": 7777, "Proxy": {"DestinationServiceName": "web", "Upstreams": [{"DestinationName": "db", "LocalBindPort": 9191, "Config": {"a": 1}}], "Config": {"protocol": "http"}, "Expose": {"Checks": True, "Paths": [{"Path": "/h", "ListenerPort": 21500, "LocalPathPort": 80}]}}}  # fmt: skip
EXTERNAL = {"Node": "ext", "Address": "1.2.3.4", "NodeMeta": {"m": "1"}, "Service": {"Service": "api", "Tags": ["b", "a"]}, "Check": {"Name": "c1", "ServiceID": "api", "Definition": {"HTTP": "http://x", "Interval": "10s", "DeregisterCriticalServiceAfter": "1m"}}}  # fmt: skip

WRITES: list[tuple[str, str, Any]] = [
    ("PUT", "agent/service/register", WEB),
    ("PUT", "agent/service/register", PROXY),
    ("PUT", "agent/service/register", {"name": "low", "enabletagoverride": True, "tagged_addresses": {"wan": {"Address": "h", "Port": 1}}}),
    ("PUT", "agent/check/register", {"Name": "node-ttl", "TTL": "1h", "Status": "passing", "Notes": "n"}),
    ("PUT", "catalog/register", EXTERNAL),
    ("PUT", "catalog/register", {"Node": "a", "Address": "1.1.1.1"}),
    ("PUT", "catalog/register", {"Node": "a"}),
    ("PUT", "catalog/register", {"Address": "a"}),
    ("PUT", "catalog/register", {"Node": "a", "Address": "b", "Foo": 1}),
    ("PUT", "catalog/register", {"Node": "a", "Address": "b", "Datacenter": "dc9"}),
    ("PUT", "catalog/register", {"Node": "a", "Address": "b", "ID": "x"}),
    ("PUT", "catalog/register", b""),
    ("PUT", "catalog/deregister", {}),
    ("PUT", "catalog/deregister", {"Node": "zzz"}),
    ("PUT", "agent/service/register", {"Nam": "x"}),
    ("PUT", "agent/service/register", {"ID": "x"}),
    ("PUT", "agent/service/register", b""),
    ("PUT", "agent/service/register", {"Name": "a", "Address": "0.0.0.0"}),
    ("PUT", "agent/service/register", {"Name": "a", "Meta": {"a b": "c"}}),
    ("PUT", "agent/service/register", {"Name": "a", "Meta": {"consul-x": "c"}}),
    ("PUT", "agent/service/register", {"Name": "a", "Weights": {"Passing": 0, "Warning": 1}}),
    ("PUT", "agent/service/register", {"Name": "a", "Weights": {"Passing": 70000, "Warning": 1}}),
    ("PUT", "agent/service/register", {"Name": "a", "Check": {"Interval": "10s"}}),
    ("PUT", "agent/service/register", {"Name": "a", "Check": {"Interval": "10s", "TTL": "5s"}}),
    ("PUT", "agent/service/register", {"Name": "a", "Check": {"Interval": "xx", "TTL": "5s"}}),
    ("PUT", "agent/service/register", {"Name": "a", "Check": {"Status": "bad", "TTL": "5s"}}),
    ("PUT", "agent/check/register", {"TTL": "10s"}),
    ("PUT", "agent/check/register", {"Name": "z"}),
    ("PUT", "agent/check/register", {"Name": "z", "TTL": "10s", "Status": "x"}),
    ("PUT", "agent/check/register", {"Name": "z", "AliasService": "web", "TTL": "10s"}),
    ("PUT", "agent/check/register", {"Name": "z", "TTL": "10s", "OutputMaxSize": -1}),
    ("PUT", "agent/check/update/node-ttl", {"Status": "foo"}),
    ("PUT", "kv/app/x?flags=18446744073709551615", b"test"),
    ("PUT", "kv/app/sub/y", b""),
    ("PUT", "kv/app/x?cas=0", b"no"),
    ("PUT", "kv/app/x?cas=1&acquire=z", b"1"),
    ("PUT", "kv/app/x?flags=x", b"1"),
    ("PUT", "kv/", b"1"),
    ("DELETE", "kv/", None),
    ("DELETE", "kv/none?cas=3", None),
    ("DELETE", "kv/app/x?cas=1&recurse", None),
    ("POST", "connect/intentions", {"SourceName": "web", "DestinationName": "db", "Action": "deny"}),
    ("POST", "agent/services", None),
    ("PUT", "connect/intentions/11111111-1111-1111-1111-111111111111", {"SourceName": "x", "DestinationName": "y", "Action": "deny"}),
]  # fmt: skip
READS = [
    "health/service/web", "health/service/web?passing", "health/service/WEB", "health/service/none", "health/service/web?tag=V1",
    "health/connect/web", "health/node/n1", "health/node/none", "health/checks/web", "health/state/critical", "health/state/bogus",
    "catalog/service/web", "catalog/service/px", "catalog/service/api", "catalog/service/none", "catalog/connect/web",
    "catalog/node/ext", "catalog/node/none", "catalog/node-services/none", "catalog/nodes?node-meta=m:1",
    "catalog/datacenters", "agent/services", "agent/checks", "agent/service/px", "agent/service/web-1-sidecar-proxy", "agent/service/none",
    "kv/app/x", "kv/app/?recurse", "kv/app/?keys&separator=/", "kv/?keys", "kv/none", "kv/none?keys", "kv/app/x?raw", "kv/",
    "kv/a?index=-1", "kv/a?wait=x", "kv/a?stale&consistent", "kv/a?max_stale=x", "kv/a?dc=x",
    "health/service/web?passing=x", "health/service/", "catalog/node/", "health/state/",
    "connect/intentions", "connect/intentions/match?by=destination&name=db&name=none", "connect/intentions/match", "connect/intentions/check?source=web&destination=db",
    "connect/intentions/check?source=web&destination=free", "connect/intentions/check", "agent/service/register",
]  # fmt: skip


def shown(answer: httpx.Response, path: str) -> tuple[int, Any]:
    if answer.headers.get("content-type", "").startswith("application/json"):
        value = answer.json()
        if path == "connect/intentions" and isinstance(value, dict):
            return answer.status_code, sorted(value)
        return answer.status_code, plain(normal(value))
    return answer.status_code, answer.text.strip()


def normal(value: Any) -> Any:
    """Take out who the node is: ids, addresses, the server's own service, and the ids of intentions."""
    if isinstance(value, list):
        return [normal(one) for one in value if not (isinstance(one, dict) and one.get("ServiceName") == "consul")]
    if isinstance(value, dict):
        if value.get("Node") == "n1" and "Address" in value:
            value = {key: one for key, one in value.items() if key == "Node" or key.startswith("Service")}
        if "SourceName" in value:
            value = {key: one for key, one in value.items() if key != "ID"}
        return {key: normal(one) for key, one in value.items()}
    return value


def test_a_real_consul_answers_the_same(consul: str) -> None:
    @story
    async def compared() -> None:
        ours = Catalog()
        theirs = httpx.AsyncClient(base_url=consul, timeout=8)
        differences: list[str] = []

        async def compare(method: str, path: str, body: Any) -> None:
            kind = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
            mine, other = await asyncio.gather(
                ours.http.request(method, path, **kind), theirs.request(method, path, **kind)
            )
            left, right = shown(mine, path), shown(other, path)
            if left != right:
                differences.append(f"{method} {path} {body}\n  ours   {left}\n  theirs {right}")

        for method, path, body in WRITES:
            await compare(method, path, body)
        for path in READS:
            await compare("GET", path, None)
        await theirs.aclose()
        assert not differences, "\n".join(differences)

    compared()


AUTOPILOT = "operator/autopilot/configuration"
SETTINGS: list[tuple[str, str, Any]] = [
    ("PUT", AUTOPILOT, {"CleanupDeadServers": True, "LastContactThreshold": "100ms", "MaxTrailingLogs": 5, "MinQuorum": 3, "ServerStabilizationTime": "1m30s"}),
    ("GET", AUTOPILOT, None), ("PUT", AUTOPILOT, {}), ("GET", AUTOPILOT, None), ("PUT", AUTOPILOT, {"LastContactThreshold": 5}),
    ("PUT", AUTOPILOT, {"lastcontactthreshold": "1.5s", "ServerStabilizationTime": None, "ModifyIndex": 7}), ("GET", AUTOPILOT, None),
    ("PUT", AUTOPILOT + "?cas=1", {}), ("PUT", AUTOPILOT + "?cas=0", {}), ("PUT", AUTOPILOT + "?cas=x", {}), ("PUT", AUTOPILOT, b"null"), ("GET", AUTOPILOT, None),
    *[("PUT", AUTOPILOT, body) for body in (b"", {"Foo": 1}, {"LastContactThreshold": "x"}, {"LastContactThreshold": "10"}, {"MaxTrailingLogs": "a"}, {"CleanupDeadServers": "x"})],
    ("POST", AUTOPILOT, {}), ("PUT", "operator/autopilot/health", {}),
]  # fmt: skip


def test_settings_of_autopilot_are_those_of_a_real_consul(consul: str) -> None:
    @story
    async def compared() -> None:
        theirs = httpx.AsyncClient(base_url=consul, timeout=8)
        ours = Catalog().http
        differences = []
        for method, path, body in SETTINGS:
            kind = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
            answers = [await side.request(method, path, **kind) for side in (ours, theirs)]
            mine, other = [told(one) for one in answers]
            if mine != other:
                differences.append(f"{method} {path} {body}\n  ours   {mine}\n  theirs {other}")
        health, their_health = [await judged(side) for side in (ours, theirs)]
        await theirs.aclose()
        assert set(health) == set(their_health)
        assert set(health["Servers"][0]) == set(their_health["Servers"][0])
        assert not differences, "\n".join(differences)

    compared()


def told(answer: httpx.Response) -> tuple[int, Any]:
    """Status and content without indexes; 1.8 says `Bad request` before its reason."""
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return answer.status_code, answer.text.strip().removeprefix("Bad request: ")
    value = answer.json()
    if isinstance(value, dict):
        value = {name: one for name, one in value.items() if name not in VOLATILE}
    return answer.status_code, value


async def judged(side: httpx.AsyncClient) -> Any:
    """Autopilot's health, once it has looked."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        health = (await side.get("operator/autopilot/health")).json()
        if health["Servers"]:
            return health
        await asyncio.sleep(0.1)
    return pytest.fail("autopilot has not looked")


NOBODY = "00000000-0000-4000-8000-00000000abcd"
DROPPED = re.compile(r'"(CreateIndex|ModifyIndex)":\d+')
PREFIX = "raft apply failed: "
"""1.21 puts it before what the log's machine refuses, 1.8 does not."""

REFUSED: list[Any] = [
    {"TTL": "1s"}, {"TTL": "xx"}, {"TTL": 10}, {"TTL": "25h"}, {"TTL": "-5s"}, {"LockDelay": "zz"}, {"LockDelay": "20"}, {"Behavior": "foo"},
    {"Node": "nope"}, {"Node": ""}, {"Checks": ["nope"]}, {"NodeChecks": ["nope"]}, {"ServiceChecks": [{"ID": "nope"}]}, {"Name": 5},
]  # fmt: skip
TAKEN: list[Any] = [
    {"TTL": "0"}, {"TTL": "0s"}, {"TTL": "90000ms"}, {"LockDelay": 20}, {"LockDelay": 1000}, {"LockDelay": 0.5}, {"LockDelay": -5}, {"LockDelay": "-5s"},
    {"LockDelay": True}, {"LockDelay": None}, {"Behavior": ""}, {"ID": "abc"}, {"Checks": ["serfHealth", "serfHealth"]}, {"Checks": None}, {"NodeChecks": None},
    {"Checks": ["serfHealth"], "NodeChecks": []}, {"ServiceChecks": [{"id": "serfHealth", "Namespace": "x"}]}, {"ServiceChecks": []}, {"Unknown": 1}, b"null",
]  # fmt: skip
# (A write without a session is not among them: 1.8 sets a held key's LockIndex back to 0 then.)
SESSIONS: list[tuple[str, str, Any]] = [
    ("PUT", "session/create", None), ("PUT", "session/create", {"LockDelay": 0, "Behavior": "delete", "TTL": "10s"}),
    ("PUT", "session/create", {"LockDelay": "0s", "name": "x", "Checks": []}),
    ("GET", "session/list", None), ("GET", "session/info/{1}", None), ("GET", "session/info/{2}", None), ("GET", "session/info/{3}", None),
    ("GET", "session/node/N1", None), ("GET", "session/node/none", None), ("GET", f"session/info/{NOBODY}", None),
    ("PUT", "kv/l/a?acquire={1}", b"1"), ("GET", "kv/l/a", None), ("PUT", "kv/l/a?acquire={1}", b"1"), ("PUT", "kv/l/a?acquire={1}", b"2"),
    ("GET", "kv/l/a", None), ("PUT", "kv/l/a?acquire={2}", b"3"), ("PUT", "kv/l/a?release={2}", b"3"), ("GET", "kv/l/a", None),
    ("PUT", "kv/l/a?release={1}&flags=7", b"4"), ("GET", "kv/l/a", None), ("PUT", "kv/l/a?release={1}", b"4"), ("PUT", "kv/l/none?release={1}", b"4"),
    ("PUT", f"kv/l/a?acquire={NOBODY}", b"1"), ("PUT", f"kv/l/a?release={NOBODY}", b"1"), ("PUT", "kv/l/a?acquire=", b"1"), ("PUT", "kv/l/a?release", b"1"),
    ("PUT", "kv/l/a?acquire={1}&release={1}", b"1"), ("PUT", "kv/l/a?acquire={1}&cas=1", b"1"),
    ("PUT", "kv/l/a?acquire={1}", b"5"), ("PUT", "kv/l/d?acquire={2}", b"5"), ("PUT", "kv/l/e?acquire={3}", b"5"), ("GET", "kv/l/?recurse", None),
    ("PUT", "session/renew/{2}", None), ("PUT", "session/renew/{1}", None), ("PUT", f"session/renew/{NOBODY}", None),
    ("PUT", "session/destroy/{1}", None), ("PUT", "session/destroy/{2}", None), ("PUT", f"session/destroy/{NOBODY}", None),
    ("GET", "kv/l/a", None), ("GET", "kv/l/d", None), ("GET", "kv/l/?recurse", None), ("GET", "session/info/{1}", None),
    ("PUT", "kv/l/a?acquire={3}", b"6"), ("PUT", f"kv/l/a?acquire={NOBODY}", b"6"), ("PUT", "kv/l/d?acquire={3}", b"6"),
    ("PUT", "catalog/register", {"Node": "locker", "Address": "1.1.1.1", "Checks": [{"CheckID": "c", "Name": "c", "Status": "passing"}, {"CheckID": "bad", "Name": "b", "Status": "critical"}]}),
    ("PUT", "session/create", {"Node": "locker", "NodeChecks": ["c"]}), ("PUT", "session/create", {"Node": "LOCKER", "Checks": ["c"], "NodeChecks": []}),
    ("PUT", "session/create", {"Node": "locker", "NodeChecks": ["bad"]}), ("PUT", "session/create", {"Node": "locker"}),
    ("PUT", "kv/l/f?acquire={4}", b"1"), ("PUT", "kv/l/g?acquire={5}", b"1"), ("GET", "session/node/locker", None),
    ("PUT", "catalog/register", {"Node": "locker", "Address": "1.1.1.1", "Check": {"CheckID": "c", "Name": "c", "Status": "critical"}}),
    ("GET", "session/node/locker", None), ("GET", "kv/l/f", None), ("GET", "kv/l/g", None),
    ("PUT", "catalog/deregister", {"Node": "locker"}), ("GET", "session/list", None), ("GET", "kv/l/?recurse", None),
    *[("PUT", "session/create", body) for body in (*REFUSED, *TAKEN)],
    *[("GET", f"session/info/{{{number}}}", None) for number in range(6, 26)],
    ("PUT", "session/destroy/", None), ("PUT", "session/renew/", None), ("GET", "session/info/", None), ("GET", "session/node/", None),
    ("GET", "session/create", None), ("PUT", "session/list", None), ("GET", "session/destroy/x", None), ("POST", "session/create", None),
]  # fmt: skip


class Side:
    """One of the two, with the ids of the sessions that it made, by the order of their making."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._ids: list[str] = []

    async def ask(self, method: str, path: str, body: Any) -> tuple[int, str]:
        for number, session in enumerate(self._ids, 1):
            path = path.replace(f"{{{number}}}", session)
        kind = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        answer = await self._http.request(method, path, **kind)
        text = answer.text.strip()
        if path == "session/create" and answer.status_code == 200:
            self._ids.append(answer.json()["ID"])
        if text[:1] in {"[", "{"}:  # a development agent answers in the pretty form
            value = answer.json()
            if path.startswith("session/") and isinstance(value, list):  # in the order of ids, which are random
                value.sort(key=lambda one: self._ids.index(one["ID"]))
            text = msgspec.json.encode(value).decode()
        for number, session in enumerate(self._ids, 1):
            text = text.replace(session, f"<{number}>")
        return answer.status_code, DROPPED.sub("", text.removeprefix(PREFIX))


def test_sessions_and_locks_are_those_of_a_real_consul(consul: str) -> None:
    @story
    async def compared() -> None:
        theirs = httpx.AsyncClient(base_url=consul, timeout=8)
        left, right = Side(Catalog().http), Side(theirs)
        differences = []
        for method, path, body in SESSIONS:
            mine, other = await asyncio.gather(left.ask(method, path, body), right.ask(method, path, body))
            if mine != other:
                differences.append(f"{method} {path} {body}\n  ours   {mine}\n  theirs {other}")
        await theirs.aclose()
        assert not differences, "\n".join(differences)

    compared()

"""The process behind the agent: reload, host, metrics, and its log as a stream."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from api_fixture import Catalog, story, until
from serving_fixture import Served

from lictor_catalog import host_facts, log_lines
from lictor_catalog.asgi import Message
from lictor_catalog.metrics_summary import NOTHING, dotted, look, summary
from lictor_catalog.streams import STREAMS_MAX
from lictor_kit import Metrics, logs
from lictor_kit.log_taps import LINES_MAX


class Client:
    """One request whose answer is read while it goes on."""

    def __init__(self, catalog: Catalog, path: str, query: str = "") -> None:
        self.messages: list[Message] = []
        self.gone = asyncio.Event()
        self.may_send = asyncio.Event()
        self.may_send.set()
        self._asked = False
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": [],
        }  # fmt: skip
        self.task: asyncio.Task[None] = asyncio.ensure_future(self._answer(catalog, scope))

    async def _answer(self, catalog: Catalog, scope: dict[str, Any]) -> None:
        await catalog.api.app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self.may_send.wait()
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(one.get("body", b"") for one in self.messages[1:])

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])


@asynccontextmanager
async def reading(catalog: Catalog, path: str, query: str = "") -> AsyncIterator[Client]:
    client = Client(catalog, path, query)
    before = catalog.process.streams.count
    try:
        await until(lambda: len(client.messages) >= 2 and catalog.process.streams.count >= before)
        yield client
    finally:
        client.gone.set()
        await client.task


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    logs.configure("catalog", "n1", "info", stream=io.StringIO())
    yield
    structlog.reset_defaults()


@story
async def test_reload_asks_every_part_and_tells_what_cannot_be_used() -> None:
    catalog = Catalog()
    answer = await catalog.put("agent/reload")
    assert (answer.status_code, answer.content, catalog.leader.reloads) == (200, b"", 1)
    catalog.leader.reload_refusal = "web.json: unknown field"
    answer = await catalog.put("agent/reload")
    assert (answer.status_code, answer.text) == (500, "web.json: unknown field")


@story
async def test_host_has_consuls_parts() -> None:
    shown = (await Catalog().get("agent/host")).json()
    assert set(shown) == {"Memory", "CPU", "Host", "Disk", "CollectionTime", "Errors"}
    assert shown["Errors"] is None
    assert 0 < shown["Memory"]["used"] < shown["Memory"]["total"]
    assert shown["CPU"][0]["cpu"] == 0
    assert shown["Host"]["os"] == "linux"
    assert (shown["Disk"]["path"], shown["Disk"]["fstype"] != "") == ("/", True)
    assert abs(shown["CollectionTime"] - time.time_ns()) < 60e9


def test_what_cannot_be_read_of_a_host_is_named() -> None:
    shown = host_facts.collect("/no/such/disk", 5)
    assert shown["Disk"] is None
    assert shown["Errors"][0].startswith("Disk: ")


def test_an_interval_holds_what_was_added_in_it() -> None:
    metrics = Metrics("catalog")
    counter = metrics.counter("requests_total", "x", ("route",))
    seconds = metrics.histogram("request_seconds", "x", buckets=(1, 2, 4))
    metrics.gauge("waiting_count", "x").set(3)
    counter.labels("a").inc(5)
    before = look(metrics.registry.collect())
    counter.labels("a").inc(20)
    for value in (1.5, 1.5, 3.0, 9.0):
        seconds.observe(value)
    shown = summary(before, look(metrics.registry.collect()), "t", 10.0)
    assert shown["Gauges"] == [{"Name": "lictor.catalog.waiting_count", "Value": 3.0, "Labels": {}}]
    assert shown["Counters"] == [
        {
            "Name": "lictor.catalog.requests", "Count": 20, "Rate": 2.0, "Sum": 20.0, "Min": 1.0, "Max": 1.0, "Mean": 1.0,
            "Stddev": 0.0, "Labels": {"route": "a"},
        }
    ]  # fmt: skip
    (sample,) = shown["Samples"]
    assert (sample["Name"], sample["Count"], sample["Sum"], sample["Mean"]) == (
        "lictor.catalog.request_seconds",
        4,
        15.0,
        3.75,
    )
    assert (sample["Min"], sample["Max"]) == (1.5, 4.0)
    assert sample["Stddev"] > 0
    again = summary(look(metrics.registry.collect()), look(metrics.registry.collect()), "t", 10.0)
    assert (again["Counters"], again["Samples"], again["Points"]) == ([], [], [])
    assert summary(NOTHING, NOTHING, "t", 0.0) == {
        "Timestamp": "t",
        "Gauges": [],
        "Points": [],
        "Counters": [],
        "Samples": [],
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("lictor_catalog_requests", "lictor.catalog.requests"),
        ("lictor_dns_a_b", "lictor.dns.a_b"),
        ("process_cpu_seconds", "lictor.process.cpu_seconds"),
        ("up", "lictor.up"),
    ],
)
def test_names_have_dots(given: str, name: str) -> None:
    assert dotted(given) == name


@story
async def test_metrics_are_json_or_prometheus_text() -> None:
    catalog = Catalog()
    await catalog.get("agent/self")
    shown = (await catalog.get("agent/metrics")).json()
    assert set(shown) == {"Timestamp", "Gauges", "Points", "Counters", "Samples"}
    assert shown["Timestamp"] == "2027-01-15 08:00:00 +0000 UTC"
    assert any(one["Labels"].get("route") == "/v1/agent/self" for one in shown["Counters"])
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    for asked in ({"params": {"format": "prometheus"}}, {"headers": {"Accept": accept}}):
        text = await catalog.get("agent/metrics", **asked)
        assert text.headers["content-type"].startswith("text/plain; version=")
        assert "lictor_catalog_requests_total{" in text.text


@story
async def test_the_last_whole_interval_is_shown_and_streamed_as_it_ends() -> None:
    catalog = Catalog()
    async with reading(catalog, "/v1/agent/metrics/stream") as client:
        await until(lambda: client.body.count(b"\n") == 1)
        catalog.now += 10
        await catalog.process.telemetry.turn()
        await until(lambda: client.body.count(b"\n") == 2)
        first, second = (json.loads(line) for line in client.body.splitlines())
        assert first["Timestamp"] == second["Timestamp"] == "2027-01-15 08:00:00 +0000 UTC"
        assert dict(client.messages[0]["headers"])[b"content-type"] == b"application/json"
    catalog.now += 10
    await catalog.process.telemetry.turn()
    assert (await catalog.get("agent/metrics")).json()["Timestamp"] == "2027-01-15 08:00:10 +0000 UTC"


@story
async def test_the_log_is_streamed_from_its_level_on_until_the_client_goes() -> None:
    catalog = Catalog()
    log = structlog.get_logger()
    async with reading(catalog, "/v1/agent/monitor", "loglevel=warn") as client:
        assert (client.status, client.body) == (200, b"")
        log.info("too small")
        log.warning("disk is slow", disk="sda 1", ms=12)
        await until(lambda: client.body.endswith(b"\n"))
        (line,) = client.body.decode().splitlines()
        stamp, _, rest = line.partition(" ")
        assert rest == '[WARN]  catalog: disk is slow: disk="sda 1" ms=12 node=n1'
        assert (stamp[-1], stamp[-5]) == ("Z", ".")
    assert catalog.process.streams.count == 0


@story
async def test_debug_lines_reach_a_monitor_of_a_process_that_writes_from_info() -> None:
    catalog = Catalog()
    async with reading(catalog, "/v1/agent/monitor", "loglevel=DEBUG&logjson") as client:
        structlog.get_logger().debug("detail", index=7)
        await until(lambda: client.body.endswith(b"\n"))
        shown = json.loads(client.body)
        assert shown.pop("@timestamp").endswith("Z")
        assert shown == {"@level": "debug", "@message": "detail", "@module": "catalog", "node": "n1", "index": 7}


@story
async def test_a_slow_monitor_is_told_what_it_missed() -> None:
    catalog = Catalog()
    async with reading(catalog, "/v1/agent/monitor") as client:
        client.may_send.clear()
        for number in range(LINES_MAX + 50):
            structlog.get_logger().info("line", number=number)
        client.may_send.set()
        await until(lambda: b"lines dropped" in client.body)
        assert b"count=50" in client.body
    assert "lictor_catalog_log_lines_dropped_total 50.0" in (await catalog.get("agent/metrics?format=prometheus")).text


@pytest.mark.parametrize("asked", ["x", "warning", "1"])
def test_an_unknown_level_is_refused(asked: str) -> None:
    @story
    async def told() -> None:
        answer = await Catalog().get(f"agent/monitor?loglevel={asked}")
        assert (answer.status_code, answer.text) == (400, f"Unknown log level: {asked}")

    told()


@pytest.mark.parametrize("asked", ["", "trace", "DEBUG", "info", "Warn", "err", "ERROR"])
def test_levels_are_consuls_in_any_case(asked: str) -> None:
    assert log_lines.level_of(asked) in {5, 10, 20, 30, 40}


@story
async def test_streams_are_few_and_end_with_the_process() -> None:
    catalog = Catalog()
    clients = [Client(catalog, "/v1/agent/monitor") for _ in range(STREAMS_MAX)]
    await until(lambda: catalog.process.streams.count == STREAMS_MAX)
    assert (await catalog.get("agent/monitor")).status_code == 429
    catalog.process.streams.close()
    await asyncio.gather(*(client.task for client in clients))
    assert all(client.messages[-1] == {"type": "http.response.body", "body": b""} for client in clients)
    assert (await catalog.get("agent/monitor")).status_code == 503


@story
async def test_over_a_socket_the_head_comes_before_the_first_line_and_an_end_with_the_process() -> None:
    async with Served() as served:
        reader, writer = await asyncio.open_connection(*served.listener.getsockname()[:2])
        writer.write(b"GET /v1/agent/monitor HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head.splitlines()[0]
        assert b"transfer-encoding: chunked" in head.lower()
        await until(lambda: structlog.get_logger().info("line") is None and served.catalog.process.streams.count == 1)
        assert b"[INFO]  catalog: line" in await reader.readuntil(b"line")
        served.catalog.process.streams.close()
        assert (await reader.readuntil(b"\r\n0\r\n\r\n")).endswith(b"0\r\n\r\n")
        writer.close()


@story
async def test_over_a_socket_a_client_that_goes_frees_its_place() -> None:
    async with Served() as served:
        reader, writer = await asyncio.open_connection(*served.listener.getsockname()[:2])
        writer.write(b"GET /v1/agent/metrics/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"Timestamp")
        assert served.catalog.process.streams.count == 1
        writer.close()
        await until(lambda: served.catalog.process.streams.count == 0, pause_s=0.001)

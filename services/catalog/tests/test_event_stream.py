"""Watching reads as event streams: over the application itself, and over a real socket."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from api_fixture import Catalog, story, until
from serving_fixture import Served

from lictor_catalog import event_stream

Event = tuple[str, str, Any]


class Watcher:
    """One client of the application: what it was sent, as events and comments; `taking` may hold it up."""

    def __init__(self, catalog: Catalog, target: str, client: str = "", **headers: str) -> None:
        path, _, query = target.partition("?")
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": f"/v1/{path}",
            "query_string": query.encode(),
            "client": (client, 4711),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.events: list[Event] = []
        self.comments: list[str] = []
        self.text = b""
        self.taking = asyncio.Event()
        self.taking.set()
        self.leaves = asyncio.Event()
        self.task = asyncio.create_task(self._run(catalog))

    async def _run(self, catalog: Catalog) -> None:
        await catalog.api.app(self.scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.taking.wait()
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.text += message["body"]
        while self.status == 200 and b"\n\n" in self.text:
            block, _, self.text = self.text.partition(b"\n\n")
            if block.startswith(b": "):
                self.comments.append(block[2:].decode())
            elif not block.startswith(b"retry"):
                fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
                self.events.append((fields["event"], fields["id"], msgspec.json.decode(fields["data"])))

    async def told(self, count: int) -> list[Event]:
        await until(lambda: len(self.events) >= count)
        return self.events

    async def quiet(self, catalog: Catalog) -> None:
        await until(lambda: catalog.api.queries.waiting > 0)
        for _ in range(20):
            await asyncio.sleep(0)


@asynccontextmanager
async def watching(catalog: Catalog, target: str, **headers: str) -> AsyncIterator[Watcher]:
    watcher = Watcher(catalog, target, **headers)
    try:
        yield watcher
    finally:
        watcher.leaves.set()
        await watcher.task


@story
async def test_instances_come_as_a_snapshot_and_then_as_deltas() -> None:
    catalog = Catalog()
    await catalog.put("agent/service/register", {"Name": "web", "ID": "w1", "Port": 1})
    async with watching(catalog, "health/service/web?watch=sse") as watcher:
        [(kind, tag, instances)] = await watcher.told(1)
        answer = await catalog.get("health/service/web")
        assert (kind, tag, instances) == ("snapshot", answer.headers["x-consul-index"], answer.json())
        assert (watcher.status, watcher.headers[b"content-type"]) == (200, b"text/event-stream")
        await watcher.quiet(catalog)
        await catalog.put("agent/service/register", {"Name": "web", "ID": "w2", "Port": 2})
        kind, tag, data = (await watcher.told(2))[1]
        answer = await catalog.get("health/service/web")
        assert (kind, tag) == ("delta", answer.headers["x-consul-index"])
        assert data == {"Put": [one for one in answer.json() if one["Service"]["ID"] == "w2"], "Delete": []}
        await catalog.put("agent/service/deregister/w1")
        assert (await watcher.told(3))[2][2] == {"Put": [], "Delete": [{"Node": "n1", "ServiceID": "w1"}]}


@story
async def test_another_services_change_is_not_told() -> None:
    catalog = Catalog()
    await catalog.put("agent/service/register", {"Name": "web"})
    async with watching(catalog, "health/service/web", accept="text/event-stream") as watcher:
        await watcher.told(1)
        await watcher.quiet(catalog)
        await catalog.put("agent/service/register", {"Name": "other"})
        await watcher.quiet(catalog)
        assert len(watcher.events) == 1


@story
async def test_a_key_that_is_not_there_is_null_until_it_is() -> None:
    catalog = Catalog()
    async with watching(catalog, "kv/a?watch=sse") as watcher:
        assert (await watcher.told(1))[0][2] is None
        await watcher.quiet(catalog)
        await catalog.put("kv/other", content=b"1")
        await catalog.put("kv/a", content=b"1")
        kind, _, data = (await watcher.told(2))[1]
        assert (kind, [one["Key"] for one in data["Put"]]) == ("delta", ["a"])
        await watcher.quiet(catalog)
        await catalog.http.delete("kv/a")
        assert (await watcher.told(3))[2][2] == {"Put": [], "Delete": [{"Key": "a"}]}


@story
async def test_names_of_keys_and_whole_values() -> None:
    catalog = Catalog()
    await catalog.put("kv/d/a", content=b"1")
    async with (
        watching(catalog, "kv/d/?keys&watch=sse") as keys,
        watching(catalog, "catalog/services?watch=sse") as services,
    ):
        assert (await keys.told(1))[0][2] == ["d/a"]
        await services.told(1)
        await until(lambda: catalog.api.queries.waiting == 2)
        await catalog.put("kv/d/b", content=b"1")
        assert (await keys.told(2))[1][2] == {"Put": ["d/b"], "Delete": []}
        await catalog.put("agent/service/register", {"Name": "web"})
        assert (await services.told(2))[1][::2] == ("value", {"web": []})


@story
async def test_a_client_that_comes_back_hears_only_what_it_does_not_have() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"1")
    index = (await catalog.get("kv/a")).headers["x-consul-index"]
    async with (
        watching(catalog, "kv/a?watch=sse", last_event_id=index) as by_header,
        watching(catalog, f"kv/a?watch=sse&index={index}") as by_query,
        watching(catalog, "kv/a?watch=sse", last_event_id="from another life") as stranger,
    ):
        assert [kind for kind, _, _ in await stranger.told(1)] == ["snapshot"]
        await until(lambda: catalog.api.queries.waiting == 3)
        assert by_header.events == by_query.events == []
        await catalog.put("kv/a", content=b"2")
        assert [kind for kind, _, _ in await by_header.told(1)] == ["delta"]
        assert await by_query.told(1) == by_header.events
    async with watching(catalog, "kv/a?watch=sse", last_event_id=index) as late:
        assert [kind for kind, _, _ in await late.told(1)] == ["snapshot"]


@story
async def test_a_client_that_is_ahead_of_this_replica_is_not_told_the_past_at_once() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"1")
    index = int((await catalog.get("kv/a")).headers["x-consul-index"])
    async with watching(catalog, "kv/a?watch=sse&stale", last_event_id=str(index + 1)) as watcher:
        await watcher.quiet(catalog)
        assert watcher.events == []
        await catalog.put("kv/b", content=b"1")
        await catalog.put("kv/a", content=b"2")
        [(kind, tag, _)] = await watcher.told(1)
        assert (kind, int(tag) > index + 1) == ("snapshot", True)


@story
async def test_a_slow_client_is_told_the_newest_state_and_nothing_is_queued() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"0")
    async with watching(catalog, "kv/a?watch=sse") as watcher:
        await watcher.told(1)
        await watcher.quiet(catalog)
        watcher.taking.clear()
        for number in range(1, 50):
            await catalog.put("kv/a", content=str(number).encode())
            await asyncio.sleep(0)
        await asyncio.sleep(2 * event_stream.SLOW_S)
        watcher.taking.set()
        await until(lambda: len(watcher.events) > 1 and watcher.events[-1][2]["Put"][0]["Value"] == "NDk=")
        assert len(watcher.events) <= 4
        assert catalog.api.streams.slow == 1


@story
async def test_all_who_watch_one_read_share_its_computation() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"0")
    watchers = [Watcher(catalog, "kv/a?watch=sse") for _ in range(100)]
    for watcher in watchers:
        await watcher.told(1)
    await until(lambda: catalog.api.queries.waiting == 100)
    computed, made = catalog.api.queries.computed, catalog.api.streams.deltas.made
    await catalog.put("kv/a", content=b"1")
    for watcher in watchers:
        await watcher.told(2)
    assert catalog.api.queries.computed - computed <= 1
    assert catalog.api.streams.deltas.made - made == 1
    for watcher in watchers:
        watcher.leaves.set()
        await watcher.task
    assert (catalog.api.streams.open, catalog.api.queries.waiting) == (0, 0)


@story
async def test_silence_is_broken_by_heartbeats_and_the_leaders_absence_is_told() -> None:
    catalog = Catalog()
    catalog.api.streams._heartbeat_s = 0.01
    async with watching(catalog, "kv/a?watch=sse") as watcher:
        await until(lambda: watcher.comments.count("heartbeat") >= 3, pause_s=0.001)
        catalog.leader.away = True
        await until(lambda: "No cluster leader" in watcher.comments, pause_s=0.001)
        catalog.leader.away = False
        await catalog.put("kv/a", content=b"1")
        await until(lambda: len(watcher.events) == 2, pause_s=0.001)


@story
async def test_a_restore_is_told() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"1")
    saved = (await catalog.get("snapshot")).content
    async with watching(catalog, "kv/a?watch=sse") as watcher:
        await watcher.told(1)
        await watcher.quiet(catalog)
        assert (await catalog.put("snapshot", content=saved)).status_code == 200
        events = await watcher.told(3)
        assert [kind for kind, _, _ in events] == ["snapshot", "reset", "snapshot"]
        assert int(events[2][1]) > int(events[0][1])


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("agent/services?watch=sse", 400, event_stream.NOT_WATCHABLE),
        ("agent/service/none?watch=sse", 404, "unknown service ID: none"),
        ("kv/a?raw&watch=sse", 400, event_stream.NOT_JSON),
        ("kv/a?watch=sse&stale&consistent", 400, "conflicting semantics"),
        ("health/service/?watch=sse", 400, "Missing service name"),
    ],
)
def test_what_cannot_be_watched_is_refused(target: str, status: int, text: str) -> None:
    @story
    async def refused() -> None:
        catalog = Catalog()
        await catalog.put("kv/a", content=b"1")
        watcher = Watcher(catalog, target)
        await watcher.task
        assert (watcher.status, text in watcher.text.decode()) == (status, True)

    refused()


@story
async def test_a_service_of_the_agent_is_watched_by_its_hash() -> None:
    catalog = Catalog()
    await catalog.put("agent/service/register", {"Name": "web", "Port": 1})
    watcher = Watcher(catalog, "agent/service/web?watch=sse")
    [(kind, tag, value)] = await watcher.told(1)
    assert (kind, tag) == ("snapshot", value["ContentHash"])
    await watcher.quiet(catalog)
    await catalog.put("agent/service/register", {"Name": "web", "Port": 2})
    assert (await watcher.told(2))[1][2]["Port"] == 2
    await watcher.quiet(catalog)
    await catalog.put("agent/service/deregister/web")
    await watcher.task
    assert watcher.events[2][::2] == ("value", None)


@story
async def test_too_many_streams_are_refused() -> None:
    catalog = Catalog()
    catalog.api.streams.open = event_stream.STREAMS_MAX
    watcher = Watcher(catalog, "kv/a?watch=sse")
    await watcher.task
    assert (watcher.status, watcher.headers[b"retry-after"]) == (429, b"5")


@story
async def test_one_client_leaves_streams_to_the_others() -> None:
    catalog = Catalog()
    catalog.api.streams._of_client["10.0.0.1"] = event_stream.STREAMS_PER_CLIENT_MAX
    async with watching(catalog, "kv/a?watch=sse") as other:
        await other.told(1)
        greedy = Watcher(catalog, "kv/a?watch=sse", client="10.0.0.1")
        await greedy.task
        assert (greedy.status, greedy.text) == (429, b"too many event streams of this client, try again later")
    assert set(catalog.api.streams._of_client) == {"10.0.0.1"}


@story
async def test_over_a_socket_a_stream_runs_until_the_stop_and_ends_cleanly() -> None:
    async with Served() as served, httpx.AsyncClient(base_url=served.url) as client:
        await client.put("kv/a", content=b"1")
        async with client.stream("GET", "kv/a?watch=sse") as answer:
            lines = answer.aiter_lines()
            heard = [line async for line in _until_data(lines)]
            assert heard[0] == "retry: 1000"
            await until(lambda: served.catalog.api.queries.waiting == 1, pause_s=0.001)
            await client.put("kv/a", content=b"2")
            assert "event: delta" in [line async for line in _until_data(lines)]
            await until(lambda: served.catalog.api.queries.waiting == 1, pause_s=0.001)
            served.catalog.api.streams.close()
            served.catalog.api.queries.close()
            assert [line async for line in lines if line] == []
    assert served.catalog.api.streams.open == 0


@story
async def test_a_client_that_hangs_up_ends_its_stream() -> None:
    async with Served() as served, httpx.AsyncClient(base_url=served.url) as client:
        async with client.stream("GET", "kv/a?watch=sse"):
            await until(lambda: served.catalog.api.streams.open == 1, pause_s=0.001)
        await until(lambda: served.catalog.api.streams.open == 0, pause_s=0.001)


HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "watch.md"


@story
async def test_the_client_of_the_handbook_keeps_the_instances() -> None:
    code = HOWTO.read_text().split("```python\n")[1].split("```")[0]
    async with Served() as served:
        await served.catalog.put("agent/service/register", {"Name": "web", "ID": "w1", "Port": 81})
        host = served.url.split("/")[2]
        client = await asyncio.create_subprocess_exec(sys.executable, "-c", code, host, "web", stdout=PIPE)
        assert client.stdout is not None
        assert b"[81]" in await client.stdout.readline()
        await served.catalog.put("agent/service/register", {"Name": "web", "ID": "w2", "Port": 82})
        assert b"[81, 82]" in await client.stdout.readline()
        await served.catalog.put("agent/service/deregister/w1")
        assert b"[82]" in await client.stdout.readline()
        served.catalog.api.streams.close()
        served.catalog.api.queries.close()
        assert await client.wait() == 0


async def _until_data(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line.startswith("data: "):
            return

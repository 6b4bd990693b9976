"""The application behind the real server, on a real socket."""

import asyncio
from typing import Self

import httpx
from api_fixture import Catalog, story, until

from lictor_catalog.app import _config, _listen, _Server
from lictor_catalog.settings import CatalogSettings


class Served:
    """A catalog on a free port."""

    def __init__(self) -> None:
        self.catalog = Catalog()
        settings = CatalogSettings(catalog_http_port=0)
        self.listener = _listen(settings)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1/"
        self.server = _Server(_config(self.catalog.api, settings))

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.server.serve(sockets=[self.listener]))
        await until(lambda: self.server.started, pause_s=0.001)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.catalog.api.queries.close()
        await self.task


@story
async def test_a_client_that_hangs_up_frees_its_waiter_at_once() -> None:
    async with Served() as served:
        await served.catalog.put("kv/a", content=b"1")
        index = await served.catalog.index("kv/a")
        reader, writer = await asyncio.open_connection(*served.listener.getsockname()[:2])
        writer.write(f"GET /v1/kv/a?index={index} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await until(lambda: served.catalog.api.queries.waiting == 1, pause_s=0.001)
        writer.close()
        await until(lambda: served.catalog.api.queries.waiting == 0, pause_s=0.001)
        assert reader is not None


@story
async def test_the_stop_answers_who_waits_before_it_closes() -> None:
    async with Served() as served, httpx.AsyncClient(base_url=served.url) as client:
        await client.put("kv/a", content=b"1")
        index = (await client.get("kv/a")).headers["x-consul-index"]
        waiter = asyncio.create_task(client.get(f"kv/a?index={index}"))
        await until(lambda: served.catalog.api.queries.waiting == 1, pause_s=0.001)
        served.server.should_exit = True
        served.catalog.api.queries.close()
        answer = await waiter
        await served.task
    assert (answer.status_code, answer.headers["x-consul-index"]) == (200, index)


@story
async def test_a_connection_is_kept_and_keys_keep_their_bytes() -> None:
    async with Served() as served, httpx.AsyncClient(base_url=served.url) as client:
        value = bytes(range(256))
        assert (await client.put("kv/a%2Fé", content=value)).text == "true"
        assert (await client.get("kv/a/é?raw")).content == value
        assert (await client.get("kv/a/é")).json()[0]["Key"] == "a/é"
        too_much = await client.put("kv/big", content=b"x" * 600_000)
        assert too_much.status_code == 413
        assert (await client.head("kv/a")).status_code == 405

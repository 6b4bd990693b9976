"""A catalog in memory behind the real server, on a real socket."""

import asyncio
from typing import Self

from api_fixture import Catalog, until

from lictor_catalog.app import _listen
from lictor_catalog.client_limits import ClientLimits
from lictor_catalog.hot_reads import HotReads
from lictor_catalog.hot_writes import HotWrites
from lictor_catalog.http_protocol import server as http_server
from lictor_catalog.settings import CatalogSettings


class NoHotReads(HotReads):
    """Sends every request the long way."""

    def __init__(self) -> None:
        """Know nothing."""

    def known(self, request: bytes) -> None:
        return None

    def find(self, url: bytes, headers: object) -> None:
        return None


class NoHotWrites(HotWrites):
    """Sends every request the long way."""

    def __init__(self) -> None:
        """Know nothing."""

    def known(self, request: bytes, client: str) -> None:
        return None

    def find(self, method: str, url: bytes, headers: object, client: str) -> None:
        return None


class Served:
    """A catalog on a free port; without `hot` no request takes the short way."""

    def __init__(
        self,
        catalog: Catalog | None = None,
        *,
        hot: bool = True,
        connections: int = 0,
        rate: float = 0,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.catalog = catalog or Catalog()
        settings = CatalogSettings(catalog_http_port=0)
        self.listener = _listen(settings)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1/"
        reads = self.catalog.api.hot if hot else NoHotReads()
        writes = self.catalog.api.hot_writes if hot else NoHotWrites()
        self.limits = ClientLimits(connections, rate)
        self.server = http_server(
            self.catalog.api.app,
            reads,
            writes,
            self.limits,
            self.catalog.crowd,
            settings.catalog_connections_max,
            headers,
        )

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.server.serve(sockets=[self.listener]))
        await until(lambda: self.server.started, pause_s=0.001)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.catalog.api.queries.close()
        await self.task

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of our own."""
        return await asyncio.open_connection(*self.listener.getsockname()[:2])


async def response(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
    return head, await reader.readexactly(int(length.split()[1]))


async def exchange(served: Served, request: bytes) -> bytes:
    """One answer, as it comes, on a connection of its own."""
    reader, writer = await served.open()
    writer.write(request)
    head, body = await response(reader)
    writer.close()
    return head + body

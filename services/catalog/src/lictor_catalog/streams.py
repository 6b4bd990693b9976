"""Answers that go on until the client has enough: a head at once, then pieces as they come.

Each has a place among few, so that readers who never leave cannot hold every connection; all end when the process
stops. A piece waits for the client to take the one before, so a slow client holds nothing here but its own place.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from lictor_catalog.asgi import EVERY_ANSWER, Receive, Scope, Send
from lictor_catalog.errors import ApiError

STREAMS_MAX = 64
"""At once in one process: people and tools that watch it, each of which costs as long as it looks on. Beyond: 429."""


class Streams:
    """The places."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def close(self) -> None:
        """End them all and take no more."""
        self._closing = True
        for task in self._open:
            task.cancel()

    async def serve(
        self, pieces: AsyncGenerator[bytes], content_type: bytes, _scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send the pieces until they end, the client goes or the process stops; raises `ApiError` 429."""
        if self._closing:
            raise ApiError(503, "this process is stopping")
        if len(self._open) >= STREAMS_MAX:
            raise ApiError(429, f"{STREAMS_MAX} clients read streams of this process already")
        headers = [*EVERY_ANSWER, (b"content-type", content_type), (b"x-content-type-options", b"nosniff")]
        sending = asyncio.create_task(_send_all(pieces, headers, send), name="stream")
        leaving = asyncio.create_task(_left(receive), name="stream's client")
        self._open.add(sending)
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(sending)
            gone = leaving.done()
            for task in (sending, leaving):
                task.cancel()
            await asyncio.wait((sending, leaving))
        if sending.cancelled():
            if not gone:  # the process stops: an end, so that the client does not take it for a broken connection
                await send({"type": "http.response.body", "body": b""})
        else:
            sending.result()


async def _send_all(pieces: AsyncGenerator[bytes], headers: list[tuple[bytes, bytes]], send: Send) -> None:
    async with contextlib.aclosing(pieces):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # An empty piece takes the head to the client, who may wait long for the first line.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

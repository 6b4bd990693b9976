"""The gossip port's TCP half: short streams of one request and at most one answer.

Both directions are bounded in size (by the assembler), in time (one deadline for the whole exchange) and in number.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from lictor_swim import Endpoint, StreamAssembler, WireError

STREAMS_MAX = 128
"""Most streams served at once, as in memberlist: each may hold some MiB. Further ones are closed unanswered."""

_READ_BYTES = 64 * 1024


class TcpEndpoint:
    """One listening socket, and the streams that this node opens.

    Args:
        tasks: owns the task of every stream that is served.
        serve: turns a request and its source into the answer, or None to close without one.
        timeout_s: for one served stream, from accepting to the last byte of the answer.
    """

    def __init__(
        self, tasks: asyncio.TaskGroup, serve: Callable[[bytes, Endpoint], Awaitable[bytes | None]], timeout_s: float
    ) -> None:
        self.streams_refused = 0
        self._tasks = tasks
        self._serve = serve
        self._timeout_s = timeout_s
        self._server: asyncio.Server | None = None
        self._served: set[asyncio.Task[None]] = set()

    async def open(self, bind: Endpoint) -> None:
        """Listen.

        Raises:
            OSError: the address is not there or in use.
        """
        self._server = await asyncio.start_server(self._accept, bind.host, bind.port, limit=_READ_BYTES)

    async def close(self) -> None:
        """Stop listening, and end the streams that are being served."""
        if self._server is None:
            return
        self._server.close()
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._served) >= STREAMS_MAX:
            self.streams_refused += 1
            writer.close()
            return
        task = self._tasks.create_task(self._serve_stream(reader, writer), name="gossip stream")
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                request = await _read_message(reader)
                peer = writer.get_extra_info("peername")
                reply = await self._serve(request, Endpoint(peer[0], peer[1]))
                if reply is not None:
                    writer.write(reply)
                    await writer.drain()
        except (OSError, TimeoutError, WireError):
            self.streams_refused += 1
        finally:
            await _close(writer)


async def exchange(destination: Endpoint, request: bytes, timeout_s: float) -> bytes:
    """Open a stream, write the request, and read the one message that answers it.

    Raises:
        OSError: no connection, or it ended before the answer was whole.
        TimeoutError: the exchange took longer than `timeout_s`.
        WireError: the answer is larger than the limit or not a stream message.
    """
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(destination.host, destination.port, limit=_READ_BYTES)
        try:
            writer.write(request)
            await writer.drain()
            return await _read_message(reader)
        finally:
            await _close(writer)


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    assembler = StreamAssembler()
    while True:
        piece = await reader.read(_READ_BYTES)
        if not piece:
            raise ConnectionError("closed before the message was whole")
        message = assembler.feed(piece)
        if message is not None:
            return message


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    # The peer may be gone already; the message was handled either way.
    with contextlib.suppress(OSError):
        await writer.wait_closed()

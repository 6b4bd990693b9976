"""DNS over TCP (RFC 7766): messages behind their length, pipelined, with limits on connections and idleness."""

import asyncio
from collections.abc import Callable

from lictor_dns.client_address import packed_address
from lictor_dns.outcome import Outcome, Recurse, Recursion
from lictor_dnswire import FrameReader, frame

IDLE_S = 30.0
"""A connection without a complete query for this long is closed (RFC 7766, section 6.2.3, leaves the time to us)."""

READ_BYTES = 64 * 1024


class TcpServer:
    """Answers queries on connections; use `open`, …, `close`."""

    def __init__(
        self,
        answer: Callable[[bytes, bytes], Outcome],
        recurse: Recursion,
        connections_max: int,
        idle_s: float = IDLE_S,
    ) -> None:
        self._answer, self._recurse = answer, recurse
        self._connections_max, self._idle_s = connections_max, idle_s
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.refused = 0

    @property
    def port(self) -> int:
        """The bound port."""
        assert self._server is not None, "open first"
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self, host: str, port: int) -> None:
        """Bind and begin to answer.

        Raises:
            OSError: the port is not free.
        """
        self._server = await asyncio.start_server(self._serve, host, port)

    async def close(self) -> None:
        """Stop listening and close what is open."""
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= self._connections_max:
            self.refused += 1
            writer.close()
            return
        self._writers.add(writer)
        try:
            await self._answer_all(reader, writer)
        except (OSError, TimeoutError):
            return  # the peer has gone, or has been idle for too long
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader()
        client = packed_address(writer.get_extra_info("peername")[0])
        while True:
            async with asyncio.timeout(self._idle_s):
                data = await reader.read(READ_BYTES)
            if not data:
                return
            for query in frames.feed(data):
                reply = await self._finished(self._answer(query, client))
                if reply is None:
                    return
                writer.write(frame(reply))
            # A client that does not read its answers is waited for, but not longer than an idle one.
            async with asyncio.timeout(self._idle_s):
                await writer.drain()

    async def _finished(self, outcome: Outcome) -> bytes | None:
        """The reply, once the recursors have said theirs where they are asked."""
        if not isinstance(outcome, Recurse):
            return outcome
        done: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

        def reply(finished: bytes | None) -> None:
            if not done.done():
                done.set_result(finished)

        self._recurse(outcome, reply)
        return await done

"""Just enough HTTP/1.1 for the demo applications: one request per connection, bodies as text."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import NamedTuple

HEAD_BYTES_MAX = 16 * 1024
READ_TIMEOUT_S = 10.0


class Request(NamedTuple):
    """What the demo needs to know of a request."""

    method: str
    path: str


Answer = Callable[[Request], Awaitable[tuple[int, str]]]


def serve(host: str, port: int, answer: Answer) -> None:
    """Serve until SIGTERM or SIGINT."""
    asyncio.run(_serve(host, port, answer))


async def _serve(host: str, port: int, answer: Answer) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            status, body = await answer(Request(method, path))
            data = body.encode()
            writer.write(
                f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode()
            )
            writer.write(data)
            await writer.drain()
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # a client that does not speak HTTP gets no answer
        finally:
            writer.close()

    server = await asyncio.start_server(connection, host, port, limit=HEAD_BYTES_MAX)
    async with server:
        await stopping.wait()


async def fetch(host: str, port: int, path: str) -> tuple[int, str]:
    """GET one page; its status and text."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(READ_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        async with asyncio.timeout(READ_TIMEOUT_S):
            body = await reader.read()
        if b"transfer-encoding: chunked" in head.lower():
            body = _unchunk(body)
        return status, body.decode(errors="replace")
    finally:
        writer.close()


def _unchunk(body: bytes) -> bytes:
    """The content of a chunked body (RFC 9112 §7.1)."""
    whole = bytearray()
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if not length:
            break
        whole += body[:length]
        body = body[length + 2 :]
    return bytes(whole)

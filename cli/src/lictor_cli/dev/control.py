"""How a second `lictor dev …` command speaks to the running one: one JSON line each way over a Unix socket."""

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOCKET_NAME = "dev.sock"
ANSWER_TIMEOUT_S = 5.0
Command = Callable[[dict[str, Any]], dict[str, Any]]


async def listen(data_dir: Path, command: Command) -> asyncio.Server:
    """Serve commands at the socket in `data_dir`."""
    path = data_dir / SOCKET_NAME
    path.unlink(missing_ok=True)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                asked = json.loads(await reader.readline())
            writer.write(json.dumps(command(asked)).encode() + b"\n")
            await writer.drain()
        except (ValueError, OSError, TimeoutError):
            return  # whoever asked has gone, or did not ask in JSON
        finally:
            writer.close()

    before = os.umask(0o077)
    try:
        return await asyncio.start_unix_server(connection, str(path))
    finally:
        os.umask(before)


def ask(data_dir: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Send one command.

    Raises:
        OSError: no `lictor dev` runs on this data directory.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(ANSWER_TIMEOUT_S)
        client.connect(str(data_dir / SOCKET_NAME))
        client.sendall(json.dumps(asked).encode() + b"\n")
        with client.makefile("rb") as answer:
            found: dict[str, Any] = json.loads(answer.readline())
            return found

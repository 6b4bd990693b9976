"""Two real Envoys as sidecars: calls through both, intentions, endpoints and rotation, seen from the application."""

import asyncio
import contextlib
import functools
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from lictor_mesh import bootstrap
from lictor_state.rows import ServiceRow, Table

ENVOY = Path(sys.executable).parent / "envoy"

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not ENVOY.exists(), reason="no Envoy here"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

ENFORCED_WITHIN_S = 2.0


class Echo:
    """An HTTP application: answers 200 and knows how many connections it has had."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
                await writer.drain()
        writer.close()


class Caller:
    """One keep-alive connection of the frontend's application to its sidecar."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> "Caller":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def status(self) -> int:
        self.writer.write(b"GET / HTTP/1.1\r\nhost: backend\r\n\r\n")
        await self.writer.drain()
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length")
            )
            await self.reader.readexactly(length)
        return int(head.split()[1])

    def close(self) -> None:
        self.writer.close()


class Envoy:
    def __init__(self, process: asyncio.subprocess.Process, admin: int) -> None:
        self.process, self.admin = process, admin

    async def get(self, path: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.admin)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
        body = await reader.read()
        writer.close()
        return body.decode()

    async def stat(self, name: str) -> int:
        text = await self.get(f"/stats?filter={name}")
        return sum(int(line.rpartition(":")[2]) for line in text.splitlines() if name in line and ": " in line)


@contextlib.asynccontextmanager
async def envoy(row: ServiceRow, xds_port: int, directory: Path) -> AsyncIterator[Envoy]:
    config = bootstrap(
        row,
        xds_host="127.0.0.1",
        xds_port=xds_port,
        admin_host="127.0.0.1",
        admin_port=0,
        node_name=row.node,
        datacenter="dc1",
    )
    file, admin = directory / f"{row.service_id}.json", directory / f"{row.service_id}.admin"
    file.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        ENVOY, "-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "warning",
        "--admin-address-path", admin, "--drain-time-s", "1",
        stderr=(directory / f"{row.service_id}.log").open("w"),
    )  # fmt: skip
    try:
        # made first and written then
        await until(lambda: admin.exists() and admin.read_text().rpartition(":")[2], 20)
        yield Envoy(process, int(admin.read_text().rpartition(":")[2]))
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


async def until(holds: Callable[[], Any], limit_s: float) -> float:
    """Ask until it holds; how long it took."""
    started = time.monotonic()
    while True:
        answer = holds()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return time.monotonic() - started
        assert time.monotonic() - started < limit_s, f"did not hold within {limit_s} s"
        await asyncio.sleep(0.02)


def free_ports(count: int) -> list[int]:
    import socket  # noqa: PLC0415

    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


async def new_connection_status(port: int) -> int:
    """The status on a fresh connection; 0 when it is closed without an answer."""
    caller = await Caller.connect(port)
    try:
        return await caller.status()
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0
    finally:
        caller.close()


def test_a_call_through_two_sidecars_obeys_intentions_at_once_and_survives_rotation(
    control_plane: Any, tmp_path: Path
) -> None:
    asyncio.run(_story(control_plane, tmp_path))


async def _story(plane: Any, tmp_path: Path) -> None:
    echo = Echo()
    application = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = application.sockets[0].getsockname()[1]
    bind, front, back = free_ports(3)
    plane.rotate()
    plane.entry("service-defaults", "backend", Protocol="http")
    plane.sidecar("frontend", front, 1, ("backend", bind))
    plane.sidecar("backend", back, echo.port)
    rows = [row for _, row in plane.store.rows(Table.SERVICES)]
    backend_row, frontend_row = sorted(rows, key=lambda row: row.service_id)
    async with (
        application,
        plane.running(),
        envoy(frontend_row, plane.port, tmp_path) as frontend,
        envoy(backend_row, plane.port, tmp_path) as backend,
    ):
        await until(lambda: _answers(bind, 200), 20)
        assert b"x-forwarded-client-cert" in echo.requests[-1].lower()
        assert b"/svc/frontend" in echo.requests[-1]

        # An HTTP intention is enforced on the next request of an open connection, on both legs of the call.
        caller = await Caller.connect(bind)
        assert await caller.status() == 200
        legs = await backend.stat("http.public_listener.downstream_cx_total")
        took = {}
        for action, status in (("deny", 403), ("allow", 200), ("deny", 403), ("allow", 200)):
            plane.intention("frontend", "backend", action)
            took[action] = await until(functools.partial(_is, caller, status), ENFORCED_WITHIN_S)
        assert await backend.stat("http.public_listener.downstream_cx_total") == legs
        assert max(took.values()) < ENFORCED_WITHIN_S

        # A rotation of the root gives both a new leaf; open and new connections go on.
        leaves = [_leaf_serial(await one.get("/certs")) for one in (frontend, backend)]
        assert "" not in leaves
        plane.rotate()
        await until(lambda: _trusts(backend, 2), ENFORCED_WITHIN_S)
        plane.wall_clock = lambda: time.time() + 40  # past the window in which leaves move to the new root
        plane.leaves.roots_changed()
        await until(lambda: _has_another_leaf(frontend, leaves[0]), 5)
        await until(lambda: _has_another_leaf(backend, leaves[1]), 5)
        assert await caller.status() == 200
        assert await new_connection_status(bind) == 200

        # A TCP intention is enforced for every new connection.
        caller.close()
        plane.entry("service-defaults", "backend", Protocol="tcp")
        await until(lambda: _listens(backend, "tcp_proxy"), 10)
        await until(lambda: _answers(bind, 200), 5)
        plane.intention("frontend", "backend", "deny")
        await until(lambda: _answers(bind, 0), ENFORCED_WITHIN_S)
        plane.intention("frontend", "backend", "allow")
        await until(lambda: _answers(bind, 200), ENFORCED_WITHIN_S)

        # Without an endpoint there is no answer, at once.
        plane.deregister("backend-proxy")
        await until(lambda: _answers(bind, 0), ENFORCED_WITHIN_S)

        reports = plane.states.reports()
        assert {report.proxy_id: report.streams for report in reports} == {"backend-proxy": 1, "frontend-proxy": 1}
        for report in reports:
            assert not report.rejected
            assert {one.type for one in report.types} >= {"cds", "lds", "sds"}
            assert all(one.acks > 0 and one.nacks == 0 for one in report.types)
        assert await frontend.stat("cluster_manager.warming_clusters") == 0


async def _answers(port: int, status: int) -> bool:
    try:
        return await new_connection_status(port) == status
    except ConnectionError:
        return False


async def _is(caller: Caller, status: int) -> bool:
    return await caller.status() == status


async def _trusts(one: Envoy, roots: int) -> bool:
    return (await one.get("/certs")).partition('"cert_chain"')[0].count("serial_number") == roots


async def _has_another_leaf(one: Envoy, serial: str) -> bool:
    return _leaf_serial(await one.get("/certs")) not in {"", serial}


def _leaf_serial(certificates: str) -> str:
    chain = certificates.partition('"cert_chain"')[2]
    return chain.partition('"serial_number": "')[2].partition('"')[0]


async def _listens(one: Envoy, word: str) -> bool:
    return word in await one.get("/config_dump?resource=dynamic_listeners")

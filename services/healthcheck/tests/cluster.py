"""A store, a leader and presence in memory: what a healthcheck sees of its cluster, small enough to read."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import msgspec

from lictor_bus import Committed, NoLeaderError
from lictor_healthcheck.driver import CheckDriver
from lictor_healthcheck.metrics import HealthcheckMetrics
from lictor_healthcheck.ownership import Replica
from lictor_kit import Metrics
from lictor_state import Store
from lictor_state.commands import CheckTransition, Command, Result
from lictor_state.rows import Change, CheckDefinition, CheckRow, Row, ServiceRow, Table

SECOND = 1_000_000_000
PATIENCE_S = 8.0


class Cluster:
    """Rows, and drivers that follow them; transitions apply as in the store."""

    def __init__(self) -> None:
        self.index = 100
        self.store = Store("cluster", keeps_digest=False)
        self.drivers: list[CheckDriver] = []
        self.present: list[Replica] = []
        self.echo_age_s = 0.0
        self.leader = True
        self.proposed: list[CheckTransition] = []
        self.tried = 0

    # -- the store

    def put(self, table: Table, key: tuple[str, ...], row: Row | None) -> None:
        self.index += 1
        change = Change(table, key, row)
        self.store.load(self.index, [change])
        for driver in self.drivers:
            driver.load([change])

    def register(self, check_id: str, definition: CheckDefinition, node: str = "n1", **more: object) -> None:
        """An agent check, critical as Consul registers it unless told otherwise."""
        fields = {"status": "critical", "agent": True, **more}
        row = CheckRow(
            node,
            check_id,
            check_id,
            definition=definition,
            definition_index=self.index + 1,
            **fields,  # type: ignore[arg-type]
        )
        self.put(Table.CHECKS, (node, check_id), row)

    def service(self, service_id: str, node: str = "n1") -> None:
        self.put(Table.SERVICES, (node, service_id), ServiceRow(node, service_id, service_id))

    def check(self, check_id: str, node: str = "n1") -> CheckRow:
        row = self.store.check(node, check_id)
        assert row is not None
        return row

    async def propose(self, command: Command, timeout_s: float = 10.0) -> Committed:
        assert isinstance(command, CheckTransition)
        self.tried += 1
        await asyncio.sleep(0)
        if not self.leader:
            raise NoLeaderError
        self.proposed.append(command)
        key = (command.node.lower(), command.check_id)
        row = self.store.check(*key)
        if row is None or row.definition_index != command.definition_index:
            self.index += 1
            return Committed(self.index, Result(error="stale definition"))
        self.put(Table.CHECKS, key, msgspec.structs.replace(row, status=command.status, output=command.output))
        return Committed(self.index, Result(value=True))

    # -- a healthcheck

    @contextlib.asynccontextmanager
    async def healthcheck(
        self, instance: str = "i1", node: str = "n1", *, announced: bool = True, **more: object
    ) -> AsyncIterator[CheckDriver]:
        """A running driver, present until the end."""
        own = Replica(node, instance)
        options: dict[str, object] = {
            "probes_max": 64,
            "output_interval_s": 300.0,
            "output_bytes_max": 4096,
            "echo_age_s_max": 1.0,
            "dice": lambda: 0.0,
            **more,
        }
        driver = CheckDriver(
            own=own,
            proposer=self,
            replicas=lambda: list(self.present),
            echo_age_s=lambda: self.echo_age_s,
            wait_for_view=self._view_is_there,
            metrics=HealthcheckMetrics(Metrics("healthcheck")),
            clock=time.monotonic,
            **options,  # type: ignore[arg-type]
        )
        self.drivers.append(driver)
        if announced:
            self.announce(own)
        driver.reset(self.store)
        tasks = [asyncio.create_task(driver.run()), asyncio.create_task(driver.proposals.run())]
        try:
            yield driver
        finally:
            self.drivers.remove(driver)
            self.withdraw(own)
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(ended, asyncio.CancelledError), ended

    def announce(self, replica: Replica) -> None:
        self.present.append(replica)
        for driver in self.drivers:
            driver.presence_changed()

    def withdraw(self, replica: Replica) -> None:
        if replica in self.present:
            self.present.remove(replica)
        for driver in self.drivers:
            driver.presence_changed()

    async def _view_is_there(self, _index: int, _timeout_s: float) -> bool:
        return True


async def until(predicate: Callable[[], bool]) -> None:
    """Wait for something that must come; fails after `PATIENCE_S`."""
    async with asyncio.timeout(PATIENCE_S):
        while not predicate():  # noqa: ASYNC110  the predicates look at state that no one event covers
            await asyncio.sleep(0.002)


class Target:
    """An HTTP server that counts and can be told what to say."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.body = "fine"
        self.hang = False
        self.requests = 0
        self.open = 0
        self.open_max = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/health"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open += 1
        self.open_max = max(self.open_max, self.open)
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            if self.hang:
                await reader.read()  # until the peer goes
                return
            body = self.body.encode()
            writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()


@contextlib.asynccontextmanager
async def target() -> AsyncIterator[Target]:
    """A running `Target`."""
    server = Target()
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


def http(url: str, interval_s: float = 1.0, timeout_s: float = 0.5, **more: object) -> CheckDefinition:
    """An HTTP definition."""
    return CheckDefinition(
        http=url,
        interval_ns=int(interval_s * SECOND),
        timeout_ns=int(timeout_s * SECOND),
        **more,  # type: ignore[arg-type]
    )

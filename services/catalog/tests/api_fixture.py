"""A catalog in memory: the whole HTTP application over a store that the fake proposer applies commands to."""

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx

from lictor_bus.frames import (
    Beacon,
    Member,
    MemberHealth,
    NodeJudgement,
    Order,
    PeerProgress,
    ReadAnswer,
    StatusAnswer,
)
from lictor_bus.gossip_orders import KeyringAnswer, KeyringOrder, Ordered
from lictor_bus.pool_frames import EventNotice, PoolMember, PoolMembers, Story, StoryLine
from lictor_bus.proposer import Committed, NoLeaderError, ProposeError
from lictor_catalog.access import Access
from lictor_catalog.agent_process import AgentProcess
from lictor_catalog.agent_self import AgentNode, Ports
from lictor_catalog.api import EVERYBODY, Api, Chance
from lictor_catalog.ca_service import CAService
from lictor_catalog.crowd_writer import CrowdWriter
from lictor_catalog.errors import ApiError
from lictor_catalog.metrics import CatalogMetrics
from lictor_catalog.telemetry import Telemetry
from lictor_catalog.writes import Writes
from lictor_kit import Metrics
from lictor_state import Command, Envelope, Result, Store, apply
from lictor_state.commands import AgentJoin
from lictor_state.levels import LEVEL_MAX
from lictor_state.rows import CheckRow

CLUSTER = "11111111-2222-4333-8444-555555555555"
LEVEL = LEVEL_MAX  # the feature level at which every command may be used
NODE_ID = "6a0e0000-0000-4000-8000-000000000001"


class FakeView:
    """A view that is always at the leader's index, unless `lag` holds it back."""

    def __init__(self) -> None:
        self.store = Store(CLUSTER)
        self.store.raise_level(LEVEL)
        self.ready = asyncio.Event()
        self.ready.set()
        self.silence_s = 0.0

    async def wait_for(self, index: int, timeout_s: float) -> bool:
        return self.store.index >= index

    def when(self, index: int, timeout_s: float, reached: Callable[[bool], None]) -> None:
        reached(self.store.index >= index)

    def reached(self, answer: ReadAnswer) -> bool:
        return self.store.index >= answer.applied

    async def reach(self, answer: ReadAnswer, timeout_s: float) -> bool:
        return self.store.index >= answer.applied

    def last_contact_s(self) -> float:
        return self.silence_s


class FakeLeader:
    """Applies proposals at once; `away` makes it no leader. Also the read gate, the cluster and the TTL owner."""

    def __init__(self, view: FakeView) -> None:
        self.view = view
        self.away = False
        self.asks: list[bool] = []
        self.ttl_updates: list[tuple[str, str, str]] = []
        self.left: list[str] = []
        self.orders: list[tuple[Order, int]] = []
        self.instructed: list[tuple[str, Ordered]] = []
        self.gossip_refusal = ""
        self.keyring_orders: list[KeyringOrder] = []
        self.keyring_answer = KeyringAnswer(keys={"a2V5": 2}, primary_keys={"a2V5": 2}, nodes=2)
        self.announced: list[EventNotice] = []
        self.judgements: tuple[NodeJudgement, ...] = ()
        self.told_stories: list[Story] = [
            Story("n1", "run-1", 0, True, "failed", 3, True, False, (StoryLine(2.5, "suspected", "n3", 3, 0),))
        ]
        self.reloads = 0
        self.reload_refusal = ""
        self.refusal = ""
        self.second_is_well = True
        self.ttl_answer = (200, "")
        self.renewed: list[str] = []
        self._raft_index = itertools.count(10)

    async def propose(self, command: Command, timeout_s: float = 10.0) -> Committed:
        if self.away:
            raise NoLeaderError
        return self.apply(command)

    def submit(self, command: Command, done: Callable[[Committed | ProposeError], None]) -> None:
        if self.away:
            asyncio.get_running_loop().call_soon(done, NoLeaderError())
        else:
            asyncio.get_running_loop().call_soon(done, self.apply(command))

    def apply(self, command: Command) -> Committed:
        applied = apply(self.view.store, next(self._raft_index), Envelope(0, 0, 0, command))
        return Committed(applied.index, applied.result)

    def join(self, settled: Callable[[ReadAnswer | None], None], *, consistent: bool) -> None:
        self.asks.append(consistent)
        settled(None if self.away else ReadAnswer("ok", 1, 1, 1, self.view.store.index, {}))

    async def ask(self, *, consistent: bool) -> ReadAnswer:
        self.asks.append(consistent)
        if self.away:
            raise NoLeaderError
        return ReadAnswer("ok", 1, 1, 1, self.view.store.index, {})

    @property
    def leader_address(self) -> str:
        return "" if self.away else "10.0.0.1:8300"

    @property
    def peer_addresses(self) -> list[str]:
        return ["10.0.0.1:8300", "10.0.0.2:8300"]

    @property
    def beacon(self) -> Beacon | None:
        members = (Member(1, "server-1", "10.0.0.1:8300"), Member(2, "server-2", "10.0.0.2:8300", voter=False))
        return None if self.away else Beacon("c", 1, 3, 1, 90, {}, members, conf=(1, 2))

    async def statuses(self) -> list[StatusAnswer]:
        healths = (
            MemberHealth(1, "server-1", True, True, 0.0, 90, 1_799_999_000.7),
            MemberHealth(2, "server-2", False, self.second_is_well, 0.02, 80, None),
        )
        peers = (PeerProgress(1, 90, "replicate", 0.0, 0), PeerProgress(2, 80, "replicate", 0.02, 0))
        return [
            StatusAnswer(
                1,
                "server-1",
                3,
                "leader",
                1,
                90,
                90,
                7,
                "run",
                last_index=90,
                voters=(1,),
                learners=(2,),
                peers=peers,
                healths=healths,
                judgements=self.judgements,
            )
        ]

    async def order(self, order: Order, member: int) -> str:
        self.orders.append((order, member))
        return self.refusal

    async def leave(self, node: str) -> None:
        self.left.append(node)

    async def instruct(self, node: str, order: Ordered) -> None:
        self.instructed.append((node, order))
        if self.gossip_refusal:
            raise ApiError(500, self.gossip_refusal)

    async def keyring(self, node: str, order: KeyringOrder) -> KeyringAnswer:
        assert node == "n1"
        self.keyring_orders.append(order)
        return self.keyring_answer

    async def pool(self, node: str) -> PoolMembers:
        if self.gossip_refusal:
            raise ApiError(500, self.gossip_refusal)
        own = PoolMember("n1", "10.0.0.5", 8301, "alive", 2, 60.0, True)
        plain = PoolMember("plain", "10.0.0.9", 7946, "failed", 1, 3.25, False, {"role": "db"})
        return PoolMembers(node, "run-1", 1, False, (own, plain))

    async def stories(self, node: str) -> list[Story]:
        return self.told_stories

    async def announce(self, notice: EventNotice) -> None:
        self.announced.append(notice)

    async def reload(self) -> None:
        if self.reload_refusal:
            raise ApiError(500, self.reload_refusal)
        self.reloads += 1

    async def renew(self, session_id: str) -> bool:
        if self.away:
            raise NoLeaderError
        self.renewed.append(session_id)
        return self.view.store.session(session_id) is not None

    async def update(self, check: CheckRow, status: str, output: str) -> tuple[int, str]:
        self.ttl_updates.append((check.check_id, status, output))
        return self.ttl_answer


class Catalog:
    """The application with its fakes and a client."""

    def __init__(self, *, joined: bool = True, access: Access = EVERYBODY) -> None:
        self.view = FakeView()
        self.leader = FakeLeader(self.view)
        self.now = 1_800_000_000.0
        ids = itertools.count(1)
        measured = Metrics("catalog")
        metrics = CatalogMetrics(measured)
        writes = Writes(self.leader, self.view)
        self.authority = CAService(
            self.view,
            writes,
            "dc1",
            now=lambda: self.now,
            dice=lambda n: bytes([next(ids) % 256] * n),
            metrics=metrics,
        )
        self.process = AgentProcess(
            Telemetry(measured.registry, lambda: self.now), [self.leader], dropped=metrics.lines_dropped
        )
        self.crowd = CrowdWriter(helpers=2)
        self.api = Api(
            node=AgentNode("n1", "10.0.0.5", "dc1"),
            ports=Ports(8500, 8502),
            version="1.21.4",
            view=self.view,
            gate=self.leader,
            writes=writes,
            cluster=self.leader,
            ttl=self.leader,
            gossip=self.leader,
            store_operator=self.leader,
            renewals=self.leader,
            authority=self.authority,
            process=self.process,
            chance=Chance(
                now=lambda: self.now,
                now_text=lambda: "2027-01-15T08:00:00Z",
                new_id=lambda: f"00000000-0000-4000-8000-{next(ids):012d}",
                dice=lambda: 0.5,
            ),
            metrics=metrics,
            access=access,
            crowd=self.crowd,
        )
        if joined:
            self.leader.apply(AgentJoin("n1", NODE_ID, "run-1", "10.0.0.5", 8301, "dc1", tags={"role": "node"}))
        transport = httpx.ASGITransport(self.api.app, raise_app_exceptions=True)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://catalog/v1/")

    async def get(self, path: str, **more: object) -> httpx.Response:
        return await self.http.get(path, **more)  # type: ignore[arg-type]

    async def put(self, path: str, json: object = None, **more: object) -> httpx.Response:
        if json is not None:
            more["json"] = json
        return await self.http.put(path, **more)  # type: ignore[arg-type]

    async def index(self, path: str) -> int:
        return int((await self.get(path)).headers["x-consul-index"])

    def result(self, command: Command) -> Result:
        return self.leader.apply(command).result


@asynccontextmanager
async def waiting(catalog: Catalog, path: str) -> AsyncIterator["asyncio.Task[httpx.Response]"]:
    """A request that is known to be asleep as a blocking query."""
    before = catalog.api.queries.waiting
    task = asyncio.create_task(catalog.get(path))
    for _ in range(200):
        await asyncio.sleep(0)
        if catalog.api.queries.waiting > before:
            break
    assert catalog.api.queries.waiting > before, f"{path} did not block: {await task}"
    try:
        yield task
    finally:
        task.cancel()


async def is_asleep(task: "asyncio.Task[httpx.Response]") -> bool:
    """Whether a request still sleeps after everything that was due has run."""
    for _ in range(50):
        await asyncio.sleep(0)
    return not task.done()


def story(told: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an asynchronous test in a loop of its own, at most ten seconds."""

    @functools.wraps(told)
    def run() -> None:
        async def bounded() -> None:
            async with asyncio.timeout(10):
                await told()

        asyncio.run(bounded())

    return run


async def until(holds: Callable[[], bool], pause_s: float = 0.0) -> None:
    """Wait, bounded, until something holds."""
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(pause_s)
    raise AssertionError("it never came to hold")

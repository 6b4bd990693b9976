"""A client as a process of the simulation: the real proposer, read gate, views and presence, and workers that use them.

Workers set, compare and set, delete and read a few contended keys, and set keys that nobody else writes, once each.
Holders take and give back locks with sessions, which they and others end.
Followers wait on a view as blocking queries do. What they see goes to the history, which is judged at the end.
"""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from lictor_bus import (
    LeaderTracker,
    NoLeaderError,
    NoSpaceError,
    OutcomeUnknownError,
    OverloadedError,
    Presence,
    ProposeError,
    Proposer,
    ReadGate,
    RefusedError,
    View,
)
from lictor_sim.members_bus import SERVERS, SimBus, SimNetwork
from lictor_sim.members_checks import Oracle, ViewWatch, require
from lictor_sim.members_history import LOCKS, Call, History
from lictor_sim.virtual_loop import Owner, VirtualLoop
from lictor_state.commands import CatalogRegister, Command, KVDelete, KVSet, SessionCreate, SessionDestroy
from lictor_state.streams import STREAMS, Stream

KEYS = ("kv/a", "kv/b", "kv/c")
LOCK_KEYS = (f"{LOCKS}a", f"{LOCKS}b")
WRITE_TIMEOUT_S = 2.0
REACH_TIMEOUT_S = 1.0
THINK_S_MAX = 0.06
FOLLOW_TIMEOUT_S = 1.0
LARGE_SHARE = 0.15
LARGE_BYTES = (5_000, 150_000)
"""Some values are large, so that segments fill and what is kept of the feed runs out."""


class ClientProcess:
    """One run of a client; begins at once."""

    def __init__(
        self,
        *,
        number: int,
        run: int,
        loop: VirtualLoop,
        network: SimNetwork,
        oracle: Oracle,
        history: History,
        dice: Random,
        failed: Callable[["ClientProcess", BaseException], None],
        workers: int = 3,
    ) -> None:
        self.number, self.loop, self.network, self.dice = number, loop, network, dice
        self._oracle, self._history, self._failed = oracle, history, failed
        self.name = f"client-{number}"
        self.owner = Owner(self.name, 1.0 + dice.uniform(-0.05, 0.05))
        self.alive = True
        self.busy = True
        self._run_number = run
        self._once = 0
        self._workers = workers
        self.bus = SimBus(network, self.owner, number % SERVERS)
        self.tracker = LeaderTracker(self.bus, clock=self._clock)
        self.proposer = Proposer(self.bus, self.tracker, self.name, clock=self._clock)
        self.gate = ReadGate(self.bus, self.tracker, give_up_s=2.0)
        self.view = View(self.bus, self.tracker, "all", dice)
        stream: Stream = STREAMS[1 + number % 2]
        self.part = View(self.bus, self.tracker, stream, dice)
        self.watch = ViewWatch(oracle, self.view)
        ViewWatch(oracle, self.part)
        self.spawn("main", self._main())

    def _clock(self) -> float:
        return 7000.0 + self.loop.now * self.owner.rate

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run work as this process."""
        self.loop.create_task(self._guarded(work), name=f"{self.name} {name}", context=self.owner.context)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  a client that ends by itself is a finding
            if self.alive:
                self._failed(self, error)

    async def _main(self) -> None:
        await self.tracker.start()
        presence = Presence(self.bus, "catalog", self.name, f"{self.name}-{self._run_number}", clock=self._clock)
        for part in (presence, self.proposer, self.gate, self.view, self.part):
            self.spawn(type(part).__name__, part.run())
        await self.view.ready.wait()
        for worker in range(self._workers):
            self.spawn("worker", self._work(worker))
        self.spawn("holder", self._hold((self.number * 100 + self._run_number) * 10 + self._workers))
        self.spawn("follower", self._follow())

    def kill(self) -> None:
        """Gone; what it had under way may or may not have happened."""
        self.alive = False
        self.bus.vanish()
        self.loop.hold(self.owner)

    # -- work

    async def _work(self, worker: int) -> None:
        process = (self.number * 100 + self._run_number) * 10 + worker
        while True:
            await asyncio.sleep(self.dice.random() * THINK_S_MAX)
            if not self.busy:
                continue
            roll = self.dice.random()
            if roll < 0.3:
                await self.read(process, self.dice.choice(KEYS), consistent=self.dice.random() < 0.5)
            elif roll < 0.5:
                await self._set(process)
            elif roll < 0.7:
                await self._cas(process)
            elif roll < 0.75:
                key = self.dice.choice(KEYS)
                await self._write(process, "delete", key, None, KVDelete(key))
            else:
                await self.set_once(process)

    def _value(self, process: int) -> bytes:
        self._once += 1
        value = b"%d-%d" % (process, self._once)
        if self.dice.random() < LARGE_SHARE:
            value = value.ljust(self.dice.randint(*LARGE_BYTES), b".")
        return value

    async def _set(self, process: int) -> None:
        key, value = self.dice.choice(KEYS), self._value(process)
        await self._write(process, "set", key, value, KVSet(key, value))

    async def _cas(self, process: int) -> None:
        key, value = self.dice.choice(KEYS), self._value(process)
        row = self.view.store.kv(key)
        expected = row.modify_index if row is not None else 0
        await self._write(process, "cas", key, (expected, value), KVSet(key, value, cas=expected))

    async def set_once(self, process: int) -> Call:
        """Set a key that nobody else writes: applied twice, it would be refused the second time."""
        value = self._value(process)
        key = f"once/{value[:20].decode().rstrip('.')}"
        return await self._write(process, "set-once", key, value, KVSet(key, value, cas=0))

    async def _write(self, process: int, kind: str, key: str, argument: Any, command: Command) -> Call:
        history = self._history
        call = history.begin(process, kind, key, argument, self.loop.now, command)
        try:
            done = await self.proposer.propose(command, WRITE_TIMEOUT_S)
        except (NoLeaderError, NoSpaceError, OverloadedError):
            history.never(call)
        except OutcomeUnknownError:
            return call
        except RefusedError as error:
            require("feature level" in str(error), f"{kind} was refused: {error}")
            history.never(call)
        else:
            if kind == "acquire" and "invalid session" in done.result.error:
                history.never(call)
                return call
            require(not done.result.error, f"{kind} of {key}: {done.result.error}")
            history.written(call, done.index, done.result.value, self.loop.now)
        return call

    async def read(self, process: int, key: str, *, consistent: bool) -> None:
        """One strong read, by lease or by a quorum round."""
        call = self._history.begin(process, "read", key, None, self.loop.now)
        try:
            answer = await self.gate.ask(consistent=consistent)
        except NoLeaderError:
            self._history.never(call)
            return
        if not await self.view.reach(answer, REACH_TIMEOUT_S):
            self._history.never(call)
            return
        self.watch.look()
        row = self.view.store.kv(key)
        if key.startswith(LOCKS):
            holding = (row.session or None, row.lock_index) if row is not None else (None, 0)
            self._history.looked(call, holding, self.view.index, self.loop.now)
        else:
            found = (row.value, row.modify_index) if row is not None else None
            self._history.looked(call, found, self.view.index, self.loop.now)

    # -- locks

    async def _hold(self, process: int) -> None:
        """Take and give back locks with a session, and end it, or somebody else's, now and then."""
        session = await self._open_session()
        while session:
            await asyncio.sleep(self.dice.random() * THINK_S_MAX)
            if not self.busy:
                continue
            key, roll = self.dice.choice(LOCK_KEYS), self.dice.random()
            if roll < 0.25:
                await self.read(process, key, consistent=self.dice.random() < 0.5)
            elif roll < 0.65:
                command = KVSet(key, self._value(process), acquire=session)
                call = await self._write(process, "acquire", key, session, command)
                if not call.happened:
                    session = await self._open_session()
            elif roll < 0.95:
                await self._write(process, "release", key, session, KVSet(key, self._value(process), release=session))
            else:
                row = self.view.store.kv(key)
                ended = row.session if row is not None and row.session else session
                for one in LOCK_KEYS:  # it gives back whatever it holds, by the time that the answer comes or later
                    self._history.begin(process, "release", one, ended, self.loop.now)
                await self._settled(SessionDestroy(ended))
                if ended == session:
                    session = await self._open_session()

    async def _open_session(self) -> str:
        session = f"{self.dice.getrandbits(128):032x}"
        while not await self._settled(CatalogRegister(self.name, "10.1.0.1", "dc1")):  # noqa: ASYNC110  asks anew
            await asyncio.sleep(THINK_S_MAX)
        await self._settled(SessionCreate(session, self.name, node_checks=(), lock_delay_ns=0))
        return session

    async def _settled(self, command: Command) -> bool:
        """Propose a command that belongs to no history; whether it was applied."""
        try:
            done = await self.proposer.propose(command, WRITE_TIMEOUT_S)
        except ProposeError:
            return False
        return not done.result.error

    async def _follow(self) -> None:
        """Wait for what comes, as a blocking query does: woken by the change, or by the time limit."""
        seen = 0
        while True:
            index = self.view.index
            require(index >= seen, f"a follower went from {seen} back to {index}")
            seen = index
            await self.view.wait_for(index + 1, FOLLOW_TIMEOUT_S)
            self.watch.look()

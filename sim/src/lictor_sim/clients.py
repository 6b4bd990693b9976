"""Clients that write, compare and set, lock and read, and write down what they saw.

A client does one thing at a time. It asks a member over a network of its own, waits, asks again (the same command
under the same number) and at last gives up: then the outcome is unknown and stays so. Two clients share a proposer,
as requests of one process do, so that several commands of one session are under way.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from lictor_sim.linearizability import UNKNOWN, Operation
from lictor_sim.process import SimProcess
from lictor_sim.service import Reply, Service
from lictor_sim.state_machine import REFUSED, REGISTER, Command, encode_command
from lictor_sim.world import World

THINK_S_MAX = 0.05
TIMEOUT_S = (0.1, 0.6)
"""How long a client waits for an answer: from well above a round trip to two election timeouts."""
STRAY = 0.08
"""How often a client asks anybody instead of whom it believes to lead."""
RETRY_S_MAX = 0.1
"""How soon a client asks again that was sent elsewhere."""
READERS = 2
"""Names under which clients read: a name is one process that serves many, and is used again and again."""
ATTEMPTS_MAX = 8
LOST = 0.01
"""The part of requests, and of answers, that gets lost while the world is not calm."""
DELAY_S_MAX = 0.01

WEIGHTS = {
    ("r", "read"): 30,
    ("r", "write"): 20,
    ("r", "cas"): 16,
    ("l", "acquire"): 10,
    ("l", "release"): 8,
    ("l", "read"): 4,
    ("s", "add"): 6,
    ("s", "read"): 6,
}
KEYS = {"r": ("r0", "r1"), "l": ("l0",), "s": ("s0",)}


class Proposer:
    """One session, and the numbers of its commands that are under way."""

    def __init__(self) -> None:
        self.session = 0
        self._number = 0
        self._open: list[int] = []

    def take(self) -> int:
        """A number for a new command."""
        self._number += 1
        self._open.append(self._number)
        return self._number

    def close(self, number: int) -> None:
        """The command is answered or given up."""
        self._open.remove(number)

    def low(self) -> int:
        """The lowest number under way."""
        return self._open[0] if self._open else self._number + 1


class Workload:
    """What all clients share: the members, the history, and values that are never used twice.

    Args:
        world: time and chance.
        members: whom to ask.
        modes: how reads are made, each as likely as it is often in here.
    """

    def __init__(self, world: World, members: Sequence[SimProcess], modes: Sequence[str]) -> None:
        self.world = world
        self.members = {member.id: member for member in members}
        self.modes = modes
        self.history: list[Operation] = []
        self.calm = False
        self.answered = 0
        self._values = 0

    def fresh(self) -> int:
        """A value that nobody has written."""
        self._values += 1
        return self._values

    def carry(self, event: Callable[[], None]) -> None:
        """Let a request or an answer travel."""
        if self.calm or not self.world.chance(LOST):
            self.world.after(self.world.rng.random() * DELAY_S_MAX, event)


class Client:
    """One client.

    Args:
        number: names it in the history, as the owner of locks, and to the core as a reader.
        workload: what it shares.
        proposer: its session.
    """

    def __init__(self, number: int, workload: Workload, proposer: Proposer) -> None:
        self.number = number
        self._workload = workload
        self._proposer = proposer
        self._rng = workload.world.rng
        self._seen: dict[str, Any] = {}
        self._leader = 0
        self._serial = 0
        self._attempts = 0
        self._kind = self._key = ""
        self._argument: Any = None
        self._command: Command | None = None
        self._invoked_at = 0.0
        workload.world.after(self._rng.random() * THINK_S_MAX, self._next)

    # --- one operation ----------------------------------------------------------------------------------------

    def _next(self) -> None:
        if self._proposer.session == 0:
            self._begin(REGISTER, "", None)
            return
        (kind_of_key, kind), *_ = self._rng.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))
        key = self._rng.choice(KEYS[kind_of_key])
        argument: Any = None
        if kind in ("write", "add"):
            argument = self._workload.fresh()
        elif kind == "cas":
            argument = (self._seen.get(key), self._workload.fresh())
        elif kind in ("acquire", "release"):
            argument = self.number
        self._begin(kind, key, argument)

    def _begin(self, kind: str, key: str, argument: Any) -> None:
        self._serial += 1
        self._attempts = 0
        self._kind, self._key, self._argument = kind, key, argument
        self._invoked_at = self._workload.world.now
        self._command = None
        if kind != "read":
            number = 0 if kind == REGISTER else self._proposer.take()
            self._command = Command(self._proposer.session, number, 0, kind, key, argument)
        self._try()

    def _try(self) -> None:
        workload, rng = self._workload, self._rng
        self._attempts += 1
        if not self._leader or rng.random() < STRAY:
            self._leader = rng.choice(list(workload.members))
        hear = partial(self._hear, self._serial)
        command = self._command
        if command is not None:
            data = encode_command(Command(command.session, command.number, self._proposer.low(), *self._what()))
            self._ask(self._leader, lambda service: service.propose(data, hear))
        else:
            key, mode, reader = self._key, rng.choice(workload.modes), self.number % READERS
            elsewhere = rng.random() < 0.5
            self._ask(self._leader, lambda service: service.read(key, mode, reader, hear, index_only=elsewhere))
        workload.world.after(rng.uniform(*TIMEOUT_S), partial(self._time_out, self._serial, self._attempts))

    def _what(self) -> tuple[str, str, Any]:
        return self._kind, self._key, self._argument

    def _ask(self, member: int, request: Callable[[Service], None]) -> None:
        self._workload.carry(partial(self._workload.members[member].serve, request))

    def _hear(self, serial: int, reply: Reply) -> None:
        """A member answers; the answer has to travel."""
        self._workload.carry(partial(self._take, serial, reply))

    def _take(self, serial: int, reply: Reply) -> None:
        if serial != self._serial:
            return
        if reply.status == "elsewhere":
            self._leader = reply.leader
            if self._attempts < ATTEMPTS_MAX:
                again = partial(self._try_again, serial, self._attempts)
                self._workload.world.after(self._rng.random() * RETRY_S_MAX, again)
        elif reply.status == "index":
            self._read_at(serial, reply.value)
        elif reply.value == REFUSED:
            if self._command is not None and self._command.session == self._proposer.session:
                self._proposer.session = 0
            # One attempt that was refused has not happened; an earlier one may have.
            self._end(UNKNOWN, happened=self._attempts > 1)
        else:
            self._end(reply.value)

    def _read_at(self, serial: int, index: int) -> None:
        key, member = self._key, self._rng.choice(list(self._workload.members))
        self._ask(member, lambda service: service.read_at(index, key, partial(self._hear, serial)))

    def _try_again(self, serial: int, attempt: int) -> None:
        if serial == self._serial and attempt == self._attempts:
            self._try()

    def _time_out(self, serial: int, attempt: int) -> None:
        if serial != self._serial or attempt != self._attempts:
            return
        if self._rng.random() < 0.5:
            self._leader = 0
        if self._attempts < ATTEMPTS_MAX:
            self._try()
        else:
            self._end(UNKNOWN)

    def _end(self, result: Any, *, happened: bool = True) -> None:
        workload = self._workload
        if self._kind == REGISTER:
            if result is not UNKNOWN:
                self._proposer.session = result
        else:
            if self._command is not None:
                self._proposer.close(self._command.number)
            if happened:
                self._note(result)
        if result is not UNKNOWN:
            workload.answered += 1
            workload.world.note(f"client {self.number} {self._kind} {self._key} {result}")
        self._serial += 1
        workload.world.after(self._rng.random() * THINK_S_MAX, self._next)

    def _note(self, result: Any) -> None:
        if result is not UNKNOWN and self._kind in ("read", "write"):
            self._seen[self._key] = self._argument if self._kind == "write" else result
        now = self._workload.world.now
        self._workload.history.append(
            Operation(self.number, self._kind, self._argument, result, self._invoked_at, now, self._key)
        )

    def give_up(self) -> None:
        """The run is over: what is under way has an unknown outcome."""
        if self._kind and self._kind != REGISTER and self._command is not None:
            self._note(UNKNOWN)

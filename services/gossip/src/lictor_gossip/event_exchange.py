"""User events between the store and the pool, as pure decisions (ADR 0015).

An event is one row of the store and one event of the pool, wherever it came from; the id tells that two are one. All
gossips hear of every event, from the pool and by notices of what the store has, and few act:

    fired through the API   row ─▶ notice ─▶ the first gossip tells the pool ─▶ all hear it: the id is known
    fired in the pool       all hear it ─▶ the first gossip makes the row ─▶ notice ─▶ the others' turns lapse

Who is first is rendezvous hashing of the id over the gossips that are present on the bus. The second and third come
with a delay each, and act only if what the first was to do has not been heard of by then. So nothing is lost with one
process, and what two do after all changes nothing: the store drops an id that it has.

`now` is seconds of any steady clock. Nothing here sends or proposes.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from lictor_bus.pool_frames import EventNotice
from lictor_state.commands import EventFire

Present = Callable[[], Iterable[str]]
"""Gives the gossips that are present on the bus; called only for what is new."""

TURNS = 3
"""Gossips that stand ready for one event."""

FIRST_TURN_S = 0.2
"""Before the row of an event of the pool is proposed: a notice of the same event may be on its way."""

TURN_S = 2.0
"""Between two turns: a proposal and its notice take milliseconds, a lost leader a second or two."""

RETRY_S = 2.0
GIVE_UP_S = 300.0
"""After so long without a leader an event of the pool is dropped and counted: it is news no more."""

KNOWN_MAX = 4096
"""Ids remembered: sixteen times what the store keeps, eight times what Serf remembers."""

PENDING_MAX = 512
"""Events that wait for their turn; more in two seconds than Serf's whole ring of events holds are dropped, counted."""


@dataclass(frozen=True, slots=True)
class Propose:
    """Make a row of an event of the pool, which was heard `since` then."""

    command: EventFire
    since: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the pool of an event of the store."""

    notice: EventNotice


@dataclass(slots=True)
class _Turn:
    act: Propose | Tell
    at: float


class EventExchange:
    """What one gossip does about events."""

    def __init__(self, own: str) -> None:
        """`own` is this gossip's instance on the bus."""
        self.dropped = 0
        self._own = own
        self._in_store: OrderedDict[str, None] = OrderedDict()
        self._in_pool: OrderedDict[str, None] = OrderedDict()
        self._turns: dict[str, _Turn] = {}

    def heard(self, command: EventFire, present: Present, now: float) -> None:
        """The pool has this event."""
        event_id = command.event_id
        _remember(self._in_pool, event_id)
        waiting = self._turns.get(event_id)
        if waiting is not None and isinstance(waiting.act, Tell):
            del self._turns[event_id]
        if event_id not in self._in_store:
            self._plan(event_id, Propose(command, now), present, now, FIRST_TURN_S)

    def noticed(self, notice: EventNotice, present: Present, now: float) -> None:
        """The store has this event."""
        event_id = notice.event_id
        _remember(self._in_store, event_id)
        waiting = self._turns.get(event_id)
        if waiting is not None and isinstance(waiting.act, Propose):
            del self._turns[event_id]
        if notice.in_pool:
            _remember(self._in_pool, event_id)
        if event_id not in self._in_pool:
            self._plan(event_id, Tell(notice), present, now, 0.0)

    def due(self, now: float) -> list[Propose | Tell]:
        """What to do now. A row that could not be made is given back with `again`."""
        found = [(event_id, turn) for event_id, turn in self._turns.items() if turn.at <= now]
        for event_id, _ in found:
            del self._turns[event_id]
        return [turn.act for _, turn in found]

    def again(self, act: Propose, now: float) -> None:
        """No leader took the row: try later, until the event is old."""
        event_id = act.command.event_id
        if event_id in self._in_store:
            return
        if now - act.since > GIVE_UP_S or len(self._turns) >= PENDING_MAX:
            self.dropped += 1
            return
        self._turns[event_id] = _Turn(act, now + RETRY_S)

    def next_at(self) -> float:
        """When `due` has something; infinite when nothing waits."""
        return min((turn.at for turn in self._turns.values()), default=float("inf"))

    def _plan(self, event_id: str, act: Propose | Tell, present: Present, now: float, first_s: float) -> None:
        if event_id in self._turns:
            return
        rank = turn_of(event_id, self._own, present())
        if rank >= TURNS:
            return
        if len(self._turns) >= PENDING_MAX:
            self.dropped += 1
            return
        self._turns[event_id] = _Turn(act, now + first_s + rank * TURN_S)


def turn_of(event_id: str, own: str, present: Iterable[str]) -> int:
    """How many gossips come before this one for an event, by rendezvous hash; one that sees nobody is the first."""
    weight = _weight(event_id, own)
    return sum(_weight(event_id, one) < weight for one in set(present) - {own})


def _weight(event_id: str, instance: str) -> bytes:
    return blake2b(f"{event_id}\0{instance}".encode(), digest_size=8).digest()


def _remember(known: OrderedDict[str, None], event_id: str) -> None:
    known[event_id] = None
    known.move_to_end(event_id)
    if len(known) > KNOWN_MAX:
        known.popitem(last=False)

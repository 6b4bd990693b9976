"""A connection's turns: what stands for it while one of its hot requests is read and answered.

A turn is what `hot_reads` and `hot_writes` speak to, and has at the same time what uvicorn looks at in the cycle of a
request, so that it queues what comes behind. Each connection has one of each kind, used again and again.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from lictor_catalog.consistency import Contact
from lictor_catalog.errors import ApiError
from lictor_catalog.hot_reads import HotRead, HotReads
from lictor_catalog.hot_writes import HotWrite, HotWrites
from lictor_catalog.page import Page
from lictor_state.commands import Result

if TYPE_CHECKING:
    from lictor_catalog.blocking_query import Sleeper


class Connection(Protocol):
    """What a turn needs of its connection."""

    address: str

    def answer(self, turn: "ReadTurn | WriteTurn", status: int, head: bytes, body: bytes) -> None:
        """Send the answer, in one write, and take the next request."""


class _Signal:
    """Stands where a cycle has the event that its application waits on."""

    def set(self) -> None:
        """Nobody waits."""


_NO_SIGNAL = _Signal()


class ReadTurn:
    """A connection's turn of answering a hot read (`hot_reads.Turn`), and the cycle that uvicorn sees meanwhile."""

    __slots__ = (
        "_hot", "_protocol", "confirming", "contact", "disconnected", "keep_alive", "message_event", "read",
        "response_complete", "sleeper", "started",
    )  # fmt: skip

    read: HotRead
    started: float

    def __init__(self, protocol: Connection, hot: HotReads) -> None:
        self._protocol = protocol
        self._hot = hot
        self.contact: Contact | None = None
        self.confirming = False
        self.sleeper: Sleeper | None = None
        self.response_complete = True
        self.keep_alive = True
        self.disconnected = False
        self.message_event = _NO_SIGNAL

    @property
    def client(self) -> str:
        """The client's address."""
        return self._protocol.address

    def settled(self, outcome: Contact | ApiError) -> None:
        """The read may be answered now, or cannot be."""
        self._hot.settled(self, outcome)

    def woken(self, page: Page | None) -> None:
        """A change, or the time limit, ends the wait."""
        self._hot.woken(self, page)

    def send(self, status: int, head: bytes, body: bytes) -> None:
        """Send the answer, in one write, and take the next request."""
        self._protocol.answer(self, status, head, body)


class WriteTurn:
    """A connection's turn of reading and answering a hot write (`hot_writes.WriteTurn`), from its head on."""

    __slots__ = (
        "body", "disconnected", "keep_alive", "message_event", "response_complete", "send", "started", "told", "write",
    )  # fmt: skip

    write: HotWrite
    started: float
    told: Callable[[Result | ApiError], None]
    send: Callable[[int, bytes, bytes], None]

    def __init__(self, protocol: Connection, hot: HotWrites) -> None:
        self.told = partial(hot.told, self)  # made once, and no call of their own for each request
        self.send = partial(protocol.answer, self)
        self.body: list[bytes] = []
        self.response_complete = True
        self.keep_alive = True
        self.disconnected = False
        self.message_event = _NO_SIGNAL

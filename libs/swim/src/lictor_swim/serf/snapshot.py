"""Serf's snapshot: the members and clocks that an agent writes down, so that it finds its pool again after a restart.

The format is Serf's: one record a line, `alive: NAME IP:PORT`, `not-alive: NAME`, `clock: N`, `event-clock: N`,
`query-clock: N`, `leave`; the last record about a thing holds. The driver appends `drain()` to the file, at most
every `FLUSH_S`, and puts `compacted()` in its place when `wants_compaction` says so (write a new file, sync, rename).
This module touches no file.
"""

from msgspec import Struct

from lictor_swim.addresses import Endpoint
from lictor_swim.serf.events import (
    LeaveStarted,
    MemberChange,
    MemberEvent,
    QueryReceived,
    SerfEvent,
    UserEventReceived,
)
from lictor_swim.serf.lamport import LTIME_MAX
from lictor_swim.serf.members import MEMBERS_MAX

FLUSH_S = 0.5
"""How long what is new may wait before it is written, as in Serf."""

COMPACTION_BYTES_MIN = 128 * 1024
"""A file smaller than this is never worth rewriting."""

NODE_BYTES = 128
"""What one member takes in a file; above twice that for each member, half of the file is old news."""

LINE_BYTES_MAX = 2048
"""Longer lines are damage: a name has at most 512 bytes."""


class Clocks(Struct, frozen=True, gc=False):
    """The three Lamport clocks: intents about members, user events, queries."""

    members: int = 0
    events: int = 0
    queries: int = 0


class Remembered(Struct, frozen=True):
    """What a snapshot tells.

    Attributes:
        members: who was alive, and where.
        clocks: the newest times seen.
        left: the agent had left its pool; it should not join again by itself.
    """

    members: dict[str, Endpoint] = {}
    clocks: Clocks = Clocks()
    left: bool = False


def replay(data: bytes, *, rejoin_after_leave: bool = False) -> Remembered:
    """Read a snapshot. A line that is torn, unknown or too long is passed over: what the others say still holds.

    Args:
        data: the whole file; empty when there is none.
        rejoin_after_leave: whether members and clocks of before a leave still count.
    """
    members: dict[str, Endpoint] = {}
    clocks = {b"clock": 0, b"event-clock": 0, b"query-clock": 0}
    left = False
    # What follows the last newline was cut off by a crash.
    for line in data.split(b"\n")[:-1]:
        if len(line) > LINE_BYTES_MAX:
            continue
        word, _, rest = line.partition(b": ")
        if word == b"alive":
            left = False
            name, _, where = rest.decode("utf-8", "surrogateescape").rpartition(" ")
            endpoint = _endpoint(where)
            if name and endpoint and (name in members or len(members) < MEMBERS_MAX):
                members[name] = endpoint
        elif word == b"not-alive":
            members.pop(rest.decode("utf-8", "surrogateescape"), None)
        elif word in clocks and rest.isdigit():
            clocks[word] = min(int(rest[:20]), LTIME_MAX)
        elif line == b"leave" and not rejoin_after_leave:
            members.clear()
            clocks = dict.fromkeys(clocks, 0)
            left = True
    return Remembered(members, Clocks(*clocks.values()), left)


class Snapshot:
    """What an agent writes down.

    Args:
        own_name: this node, whose own row is of no use to itself.
        file_bytes: the size of the file that lines are appended to.
        remembered: what that file says.
    """

    def __init__(self, own_name: str, file_bytes: int = 0, remembered: Remembered | None = None) -> None:
        before = remembered or Remembered()
        self._own_name = own_name
        self._file_bytes = file_bytes
        self._members = dict(before.members)
        self._clocks = before.clocks
        self._left = before.left
        self._leaving = False
        self._lines: list[str] = []

    def observe(self, event: SerfEvent) -> None:
        """Take note of what the node told."""
        match event:
            case MemberEvent(change, member) if member.name != self._own_name:
                self._observe_member(change, member.name, member.endpoint)
            case UserEventReceived(user_event):
                self._tick(Clocks(self._clocks.members, user_event.ltime, self._clocks.queries))
            case QueryReceived(query):
                self._tick(Clocks(self._clocks.members, self._clocks.events, query.ltime))
            case LeaveStarted():
                # Nothing before this counts at the next start, and nothing that is seen while leaving.
                self._members.clear()
                self._clocks = Clocks()
                self._lines = ["leave"]
                self._left = self._leaving = True
            case _:
                pass

    def _observe_member(self, change: MemberChange, name: str, endpoint: Endpoint) -> None:
        if self._leaving or "\n" in name:
            return
        if change in (MemberChange.JOINED, MemberChange.UPDATED):
            self._left = False
            if self._members.get(name) != endpoint:
                self._members[name] = endpoint
                self._lines.append(_alive(name, endpoint))
        elif change is not MemberChange.LEAVING and self._members.pop(name, None) is not None:
            self._lines.append(f"not-alive: {name}")

    def _tick(self, clocks: Clocks) -> None:
        """Clocks only go up, and a line is written for one that did."""
        before = self._clocks
        after = Clocks(
            max(before.members, clocks.members), max(before.events, clocks.events), max(before.queries, clocks.queries)
        )
        self._lines.extend(_changed(before, after))
        self._clocks = after

    def drain(self, clocks: Clocks) -> bytes:
        """What to append now; the size of the file is counted as if it was.

        Args:
            clocks: the node's clocks at this moment.
        """
        self._tick(clocks)
        data = _encoded(self._lines)
        self._lines = []
        self._file_bytes += len(data)
        return data

    @property
    def wants_compaction(self) -> bool:
        """Whether most of the file is old news."""
        return self._file_bytes > max(COMPACTION_BYTES_MIN, len(self._members) * NODE_BYTES * 2)

    def compacted(self) -> bytes:
        """The whole file that says the same in as few lines as can be. What waited to be appended is in it."""
        lines = [_alive(name, endpoint) for name, endpoint in self._members.items()]
        if self._left:
            lines.append("leave")
        lines.extend(_changed(Clocks(), self._clocks))
        data = _encoded(lines)
        self._lines = []
        self._file_bytes = len(data)
        return data


def _alive(name: str, endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"alive: {name} {host}:{endpoint.port}"


def _changed(before: Clocks, after: Clocks) -> list[str]:
    pairs = (
        ("clock", before.members, after.members),
        ("event-clock", before.events, after.events),
        ("query-clock", before.queries, after.queries),
    )
    return [f"{word}: {new}" for word, old, new in pairs if new > old]


def _encoded(lines: list[str]) -> bytes:
    return "".join([line + "\n" for line in lines]).encode("utf-8", "surrogateescape")


def _endpoint(text: str) -> Endpoint | None:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or len(port) > 5:
        return None
    return Endpoint(host.removeprefix("[").removesuffix("]"), int(port))

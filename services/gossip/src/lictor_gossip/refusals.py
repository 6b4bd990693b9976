"""What this member refused to take from others: counted by kind, and told in the log once for each kind and source.

A wrong key, a wrong protocol version or a name that two nodes bear are mistakes of people, who look at both ends: the
line says what is wrong and where. Everything else is noise that anybody can send to an open port; it is counted, and
one line for each source is enough. How many sources are remembered is bounded, and how many are told of in a minute:
forged ones cost nothing.
"""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

import structlog

from lictor_gossip.shown_text import shown
from lictor_swim import InputRefused, JoinFailed, NameConflict, NameLost, PacketsBlocked

MINUTE_S = 60.0
LINES_PER_MINUTE = 20
"""Lines at most: sources can be forged without end."""

SOURCES_MAX = 256
"""Sources and kinds told of and remembered; when more come, the longest silent one may be told of again."""

HINTS = {
    "key": "its gossip key is not among ours: compare LICTOR_GOSSIP_KEY, or install the key in the pool",
    "clear": "one side encrypts and the other does not: give both the key",
    "version": "its protocol version and ours have no overlap: upgrade the older one",
    "stranger": "it is of another datacenter or segment: point its seeds at its own pool",
    "identity": "two nodes bear one id: one of them was copied from the other; give it a data directory of its own",
    "label": "it belongs to a pool with another label",
    "name": "two nodes bear one name: set LICTOR_NODE on one of them",
    "blocked": "it answers on TCP and not by UDP: open the gossip port for both, in both directions",
    "full": "this member's list is full",
    "malformed": "not a message of memberlist or Serf, or a broken one",
}
"""The kinds of refusals, with what a person should look at."""

_MARKS = (
    ("could decrypt", "key"),
    ("too small to decrypt", "key"),
    ("empty payload", "key"),
    ("encryption version", "key"),
    ("not encrypted", "clear"),
    ("encryption is not configured", "clear"),
    ("incompatible", "version"),
    ("version vector", "version"),
    ("protocol version", "version"),
    ("of datacenter", "stranger"),
    ("of segment", "stranger"),
    ("has the node id", "identity"),
    ("label", "label"),
    ("list is full", "full"),
)


def kind_of(reason: str) -> str:
    """The kind of a refusal, by its text: one of `HINTS`."""
    return next((kind for mark, kind in _MARKS if mark in reason), "malformed")


class Refusals:
    """Counts and tells for one member."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self.counts: Counter[str] = Counter(dict.fromkeys(HINTS, 0))
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._clock = clock
        self._lines: deque[float] = deque(maxlen=LINES_PER_MINUTE)
        self._log = structlog.get_logger()

    def refused(self, event: InputRefused) -> None:
        """A message, or a claim about a member, was not taken."""
        # A source is `host:port`, where the port of a stream says nothing, or the name of a member.
        host, colon, port = event.source.rpartition(":")
        self._note(kind_of(event.reason), host if colon and port.isdigit() else event.source, event.reason)

    def join_failed(self, event: JoinFailed) -> None:
        """A member that was to be joined refused us, or we it; a member that is not there is no refusal."""
        kind = kind_of(event.reason)
        if kind != "malformed":
            self._note(kind, event.seed.host, event.reason)

    def conflict(self, event: NameConflict) -> None:
        """Somebody claims a living member's name from another address."""
        claimed = f"{event.claimed.host}:{event.claimed.port}"
        held = f"{event.member.endpoint.host}:{event.member.endpoint.port}"
        self._note("name", claimed, f"{event.member.name} is at {held}")

    def lost_name(self, event: NameLost) -> None:
        """The pool has voted on our name, and most know another node by it."""
        claimed = f"{event.claimed.host}:{event.claimed.port}"
        self._note(
            "name", f"vote for {claimed}", f"{event.for_us} of {event.votes} members know our name at our address"
        )

    def blocked(self, event: PacketsBlocked) -> None:
        """A member answers on streams only."""
        self._note("blocked", event.member.name, "no packet came back, neither directly nor through others")

    def _note(self, kind: str, source: str, reason: str) -> None:
        self.counts[kind] += 1
        source, reason = shown(source), shown(reason)
        if (kind, source) in self._told:
            self._told.move_to_end((kind, source))
            return
        now = self._clock()
        if len(self._lines) == LINES_PER_MINUTE and now - self._lines[0] < MINUTE_S:
            return
        self._lines.append(now)
        if len(self._told) >= SOURCES_MAX:
            self._told.popitem(last=False)
        self._told[kind, source] = None
        self._log.warning("refused from the pool", kind=kind, source=source, reason=reason, hint=HINTS[kind])

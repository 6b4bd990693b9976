"""What this node remembers of the accusations about each member: the evidence behind a suspicion or a failure.

Nothing in the protocol reads it. It is for the person who asks why a node was declared dead: who suspected it, who
confirmed, how late its answers were, and how healthy the observer itself was at that time (Lifeguard: an observer with
a bad network accuses others first).
"""

from collections import OrderedDict, deque
from enum import Enum

from msgspec import Struct

ENTRIES_MAX = 32
"""Most entries kept of one member; older ones are dropped. A story from suspicion to failure takes five to ten."""

NAMES_MAX = 1024
"""Most members with a story; the one whose story grew least recently is dropped. Healthy members have none."""


class HistoryKind(Enum):
    """What happened. `by` of the entry is whoever said or did it."""

    PROBE_FAILED = "no answer to this node's probe, neither direct, nor through others, nor by stream"
    ACK_LATE = "the answer to a probe came after the probe timeout"
    STREAM_ONLY = "answered on a stream, but packets did not get through"
    SUSPECTED = "suspected"
    CONFIRMED = "suspicion confirmed by another member"
    REFUTED = "the member contradicted"
    FAILED = "declared dead"
    LEFT = "left of its own will"
    RETURNED = "alive again after it was dead or had left"


class HistoryEntry(Struct, frozen=True, gc=False):
    """One line of a member's story.

    Attributes:
        at: seconds on the driver's clock.
        what: the kind.
        by: the accuser or confirmer; the member itself for REFUTED, LEFT, RETURNED and ACK_LATE.
        incarnation: the member's, as the claim named it.
        own_health: this node's own health score at that moment: 0 is well.
        after_s: for ACK_LATE and PROBE_FAILED, seconds since the probe was sent; else 0.
        detail: for PROBE_FAILED, what the relays said; else empty.
    """

    at: float
    what: HistoryKind
    by: str
    incarnation: int
    own_health: int
    after_s: float = 0.0
    detail: str = ""


class History:
    """The stories of members, bounded in number and length."""

    __slots__ = ("_stories",)

    def __init__(self) -> None:
        self._stories: OrderedDict[str, deque[HistoryEntry]] = OrderedDict()

    def record(self, name: str, entry: HistoryEntry) -> None:
        """Add a line to a member's story."""
        story = self._stories.get(name)
        if story is None:
            if len(self._stories) >= NAMES_MAX:
                self._stories.popitem(last=False)
            story = self._stories[name] = deque(maxlen=ENTRIES_MAX)
        self._stories.move_to_end(name)
        story.append(entry)

    def of(self, name: str) -> tuple[HistoryEntry, ...]:
        """A member's story, oldest line first; empty when nothing was ever held against it."""
        return tuple(self._stories.get(name, ()))

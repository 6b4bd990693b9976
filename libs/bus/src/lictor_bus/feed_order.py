"""Which feed message a view may take in next (design rule 3.7), as a pure decision.

A message covers the span from `prev` (the last earlier index that changed the stream) to `last`. It fits when
`prev ≤ own index < last`; what ends at or below the own index is old; what begins beyond it means that something in
between was missed. A large change comes in numbered parts, which are joined here before the same rule applies.
"""

from enum import Enum, auto

from lictor_bus.frames import Feed

PARTS_BYTES_MAX = 16 * 1024 * 1024
"""The leader never cuts a change above 8 MiB; twice that is more than any true one."""


class Verdict(Enum):
    """What to do with a message."""

    TAKE = auto()
    OLD = auto()
    INCOMPLETE = auto()
    GAP = auto()


class FeedOrder:
    """Judges messages of one stream against the own epoch and index; keeps the parts of one cut change."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._parts_of = 0
        self._parts_bytes = 0

    def judge(self, epoch: int, index: int, feed: Feed) -> tuple[Verdict, list[bytes]]:
        """Decide about one message; with `TAKE` come the encoded groups to load.

        Args:
            epoch: the view's epoch.
            index: the view's index.
            feed: the message.
        """
        if feed.epoch != epoch:
            return (Verdict.GAP if feed.epoch > epoch else Verdict.OLD), []
        if feed.last <= index:
            return Verdict.OLD, []
        if feed.resume or feed.prev > index:
            return Verdict.GAP, []
        if feed.parts == 1:
            return Verdict.TAKE, feed.groups
        return self._join(feed)

    def _join(self, feed: Feed) -> tuple[Verdict, list[bytes]]:
        if feed.part == 0:
            self._parts, self._parts_of, self._parts_bytes = [], feed.last, 0
        self._parts_bytes += sum(map(len, feed.groups))
        if feed.last != self._parts_of or feed.part != len(self._parts) or self._parts_bytes > PARTS_BYTES_MAX:
            self._parts, self._parts_of = [], 0
            return Verdict.GAP, []
        self._parts.append(b"".join(feed.groups))
        if feed.part + 1 < feed.parts:
            return Verdict.INCOMPLETE, []
        whole, self._parts, self._parts_of = b"".join(self._parts), [], 0
        return Verdict.TAKE, [whole]

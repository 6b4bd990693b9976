"""Changes that are applied and wait a few milliseconds, to be published together with those behind them.

A crowd of writers makes a round every few milliseconds, and each round's feed message wakes every view in every
process: at 32 writers that was a tenth of what a write cost. So after a round of many entries the feed may wait for the
next ones, as long as nobody waits for it:

- a proposer waits for its own view to show its write (design rule 3.6), unless the answer has brought it all changes;
- a reader waits for the index that the leader has named, unless it is such a proposer;
- whoever follows few writers is to hear of each write at once: a round of few entries is never held, nor what waits.

A message that covers several rounds says what theirs would have said one by one (rule 3.7): `prev` of the first, `last`
of the last, every index's rows together. Pure: the time is handed in.
"""

from collections.abc import Mapping

from lictor_raft_store.machine import StreamChanges
from lictor_state.streams import Stream

PACE_S = 0.025
"""Longest that a change waits: two to five rounds of a crowd."""

CROWD = 8
"""Entries that make a round of many writers."""

BYTES_MAX = 256 * 1024
"""Held at most, over all streams; beyond it publishing at once costs less than waiting."""


class HeldChanges:
    """What one leader has yet to publish."""

    def __init__(self) -> None:
        self._streams: dict[Stream, StreamChanges] = {}
        self._bytes = 0
        self._due_at = 0.0
        self._told: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything is held."""
        return bool(self._streams)

    def add(
        self, streams: Mapping[Stream, StreamChanges], entries: int, told: frozenset[str], now: float
    ) -> dict[Stream, StreamChanges]:
        """Take in what a round has changed; what is to be published now.

        Args:
            streams: the changes of each stream.
            entries: how many entries the round had.
            told: the proposers whose answers bring all of it to them; empty if one of them is not told by its answer.
            now: seconds of a steady clock.
        """
        if not self._streams:
            if entries < CROWD:
                return dict(streams)
            self._due_at, self._told = now + PACE_S, told
        for stream, changes in streams.items():
            held = self._streams.get(stream)
            if held is None:
                self._streams[stream] = StreamChanges(changes.prev, changes.last, list(changes.groups))
            else:
                held.last = changes.last
                held.groups += changes.groups
            self._bytes += sum([len(encoded) for _, encoded in changes.groups])
        if entries < CROWD or self._bytes > BYTES_MAX or self.due(now):
            return self.take()
        if "all" in self._streams and (not told or not told <= self._told):
            self._told = frozenset()
            return {"all": self._streams.pop("all")}
        self._told = told
        return {}

    def due(self, now: float) -> bool:
        """Whether what is held has waited long enough."""
        return bool(self._streams) and now >= self._due_at

    def waits_for(self, reader: str) -> bool:
        """Whether a reader's view lacks some of what is held."""
        return "all" in self._streams and reader not in self._told

    def take(self) -> dict[Stream, StreamChanges]:
        """Everything that is held."""
        taken, self._streams, self._bytes = self._streams, {}, 0
        return taken

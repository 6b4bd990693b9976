"""The recent changes of each stream, kept by every member for views that resume (design rule 3.9).

Bounded by bytes over all streams; what falls out at the old end can only be had as a snapshot. Pure: no sending here.
"""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from lictor_raft_store.machine import StreamChanges
from lictor_state.streams import Stream


@dataclass(slots=True)
class _Kept:
    """One stream's groups; `after` is the index that the oldest of them directly follows."""

    after: int
    groups: deque[tuple[int, bytes]] = field(default_factory=deque)


class FeedLog:
    """What views may still ask for change by change."""

    def __init__(self, streams: tuple[Stream, ...], start: int, bytes_max: int) -> None:
        """Begin at store index `start`: nothing before it is kept."""
        self._kept = {stream: _Kept(start) for stream in streams}
        self._bytes_max = bytes_max
        self.bytes = 0

    def add(self, stream: Stream, changes: StreamChanges) -> None:
        """Keep a batch's changes."""
        self._kept[stream].groups.extend(changes.groups)
        self.bytes += sum([len(encoded) for _, encoded in changes.groups])
        while self.bytes > self._bytes_max:
            self._drop_oldest()

    def since(self, stream: Stream, index: int, bytes_max: int) -> tuple[list[bytes], int, bool] | None:
        """The groups after `index`: as many as fit, the last index among them, and whether more follow.

        None when changes after `index` are no longer kept, or the next one alone is larger than `bytes_max`: only a
        snapshot helps.
        """
        kept = self._kept[stream]
        if index < kept.after:
            return None
        first = bisect_right(kept.groups, index, key=lambda group: group[0])
        found: list[bytes] = []
        size, last = 0, index
        for at, encoded in islice(kept.groups, first, None):
            size += len(encoded)
            if size > bytes_max:
                return (found, last, True) if found else None
            found.append(encoded)
            last = at
        return found, last, False

    def clear(self, start: int) -> None:
        """Begin anew at store index `start`: a snapshot or a restore has replaced the state."""
        for stream in self._kept:
            self._kept[stream] = _Kept(start)
        self.bytes = 0

    def _drop_oldest(self) -> None:
        stream = min((one for one in self._kept if self._kept[one].groups), key=lambda one: self._kept[one].groups[0])
        kept = self._kept[stream]
        index, encoded = kept.groups.popleft()
        kept.after = index
        self.bytes -= len(encoded)

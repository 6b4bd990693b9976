"""The recent changes of each stream, kept by every member for views that resume (design rule 3.9).

A leader has its changes encoded, since it tells of them; a follower's stay as they are until somebody asks.

Bounded by bytes over all streams; what falls out at the old end can only be had as a snapshot. Pure: no sending here.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from lictor_raft_store.machine import StreamChanges, UnencodedGroup
from lictor_state.codec import GroupEncoder
from lictor_state.streams import Stream
from lictor_state.tables import KV

CHANGE_BYTES = 240
"""What a change that is not encoded holds in memory beside the values that came with its entry: the row, its place in
the list, and mostly the row that has since taken its place."""


@dataclass(slots=True)
class _Kept:
    """One stream's groups; `after` is the index that the oldest of them directly follows."""

    after: int
    groups: deque[tuple[int, bytes | UnencodedGroup]] = field(default_factory=deque)


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

    def add_unencoded(self, groups: Iterable[UnencodedGroup]) -> None:
        """Keep a follower's changes."""
        for group in groups:
            kept = (group.index, group)
            for stream in group.streams:
                self._kept[stream].groups.append(kept)
            self.bytes += _share_bytes(group) * len(group.streams)
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
        for at, body in islice(kept.groups, first, None):
            encoded = body if isinstance(body, bytes) else GroupEncoder().encode(at, body.changes).get(stream)
            if encoded is None:  # what was written on this stream was put back in the same index
                continue
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
        streams = [kept for kept in self._kept.values() if kept.groups]
        oldest = min([kept.groups[0][0] for kept in streams])
        for kept in streams:
            if kept.groups[0][0] == oldest:
                _, body = kept.groups.popleft()
                self.bytes -= len(body) if isinstance(body, bytes) else _share_bytes(body)
                kept.after = oldest


def _share_bytes(group: UnencodedGroup) -> int:
    """What one of its streams answers for of a group that is not encoded.

    A session's end gives keys back with values that came long before: they count though its entry is short.
    """
    values = 0
    for change in group.changes:
        if change.table is KV and change.row is not None:
            values += len(change.row.value or b"")  # type: ignore[union-attr]  # by its table
    return (max(group.entry_bytes, values) + CHANGE_BYTES * len(group.changes)) // len(group.streams)

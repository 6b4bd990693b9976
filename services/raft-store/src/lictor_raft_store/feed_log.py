"""The recent changes, kept by every member for views that resume (design rule 3.9).

They are kept encoded, the changes of each batch that was applied in one piece, whole: what one stream carries of them
is cut out for whoever asks, which few do. As rows they would cost less to keep and more to forget: beside a row that
stays for years lies one that goes a minute later, and with a heap full of such holes applying a registration took a
third longer.

Bounded by bytes; what falls out at the old end can only be had as a snapshot. Pure: no sending here.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from lictor_state.codec import join_groups, project_group, split_groups
from lictor_state.streams import STREAMS, Stream

BATCH_BYTES = 500
"""What a batch takes in memory beside its groups."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """`last` is the newest index that it changed, `lasts` the same for each stream; `groups` are joined."""

    last: int
    lasts: Mapping[Stream, int]
    groups: bytes

    @property
    def size(self) -> int:
        return len(self.groups) + BATCH_BYTES


class FeedLog:
    """What views may still ask for change by change."""

    def __init__(self, start: int, bytes_max: int) -> None:
        """Begin at store index `start`: nothing before it is kept."""
        self._batches: deque[_Batch] = deque()
        self._after: dict[Stream, int] = dict.fromkeys(STREAMS, start)
        self._bytes_max = bytes_max
        self.bytes = 0

    def add(self, groups: Sequence[bytes], lasts: Mapping[Stream, int]) -> None:
        """Keep what a batch has changed.

        Args:
            groups: the changes of each index as `codec.encode_group` encodes them, in order.
            lasts: the last index that changed each stream, for those streams that the batch has changed.
        """
        if not groups:
            return
        batch = _Batch(max(lasts.values()), lasts, join_groups(groups))
        self._batches.append(batch)
        self.bytes += batch.size
        while self.bytes > self._bytes_max:
            oldest = self._batches.popleft()
            self.bytes -= oldest.size
            self._after.update(oldest.lasts)

    def since(self, stream: Stream, index: int, bytes_max: int) -> tuple[list[bytes], int, bool] | None:
        """The groups after `index`: as many as fit, the last index among them, and whether more follow.

        None when changes after `index` are no longer kept, or the next one alone is larger than `bytes_max`: only a
        snapshot helps.
        """
        if index < self._after[stream]:
            return None
        first = bisect_right(self._batches, index, key=lambda batch: batch.last)
        found: list[bytes] = []
        size, last = 0, index
        for batch in islice(self._batches, first, None):
            if batch.lasts.get(stream, 0) <= index:
                continue
            for group in split_groups(batch.groups):
                at, encoded = project_group(stream, group)
                if at <= index or encoded is None:
                    continue
                size += len(encoded)
                if size > bytes_max:
                    return (found, last, True) if found else None
                found.append(encoded)
                last = at
        return found, last, False

    def clear(self, start: int) -> None:
        """Begin anew at store index `start`: a snapshot or a restore has replaced the state."""
        self._batches.clear()
        self._after = dict.fromkeys(STREAMS, start)
        self.bytes = 0

"""Proposals and reads that wait for the log (pure bookkeeping of the leader's side of design rules 3.2, 3.6, 3.12).

A batch of proposals is answered once its last entry is applied; when leadership is lost, every open batch is answered
`lost` and its proposer asks again, which the numbering makes harmless. A read waits until its index is applied.
"""

import heapq
from dataclasses import dataclass, field

ENTRIES_OPEN_MAX = 65_536
"""Entries proposed and not yet applied; a batch beyond it is answered `full` and comes again later."""


@dataclass(slots=True, eq=False)
class OpenBatch:
    """A batch of proposals, and where its answer goes."""

    reply: str
    first_index: int
    count: int
    term: int
    with_feed: bool = False
    results: list[tuple[int, bytes]] = field(default_factory=list)


class OpenBatches:
    """The batches proposed and not yet answered, in log order."""

    def __init__(self) -> None:
        self._by_index: dict[int, OpenBatch] = {}
        self.entries = 0

    def room_for(self, count: int, *, ahead: int = 0) -> bool:
        """Whether a batch of `count` entries may be proposed now, behind `ahead` others."""
        before = self.entries + ahead
        return not before or before + count <= ENTRIES_OPEN_MAX

    def add(self, reply: str, first_index: int, count: int, term: int, *, with_feed: bool = False) -> None:
        """A batch has been proposed at `first_index`."""
        batch = OpenBatch(reply, first_index, count, term, with_feed)
        self._by_index.update(dict.fromkeys(range(first_index, first_index + count), batch))
        self.entries += count

    def applied(self, results: dict[int, tuple[int, int, bytes]]) -> tuple[list[OpenBatch], list[OpenBatch]]:
        """Take in applied entries; returns the batches that are complete, and those overwritten by another leader."""
        complete: list[OpenBatch] = []
        lost: list[OpenBatch] = []
        take = self._by_index.pop
        for index, (term, store_index, encoded) in results.items():
            batch = take(index, None)
            if batch is None:
                continue
            self.entries -= 1
            if term == batch.term:
                done = batch.results
                done.append((store_index, encoded))
                if len(done) == batch.count:
                    complete.append(batch)
            elif batch not in lost:
                lost.append(batch)
        return complete, lost

    def lose_all(self) -> list[OpenBatch]:
        """Leadership is gone: every open batch, to be answered `lost`."""
        lost = list(dict.fromkeys(self._by_index.values()))
        self._by_index.clear()
        self.entries = 0
        return lost


@dataclass(order=True, slots=True)
class _Read:
    index: int
    reply: str = field(compare=False)


class OpenReads:
    """Reads whose index is known and not yet applied, and reads that wait for a quorum round."""

    def __init__(self) -> None:
        self._by_index: list[_Read] = []
        self._by_context: dict[int, list[str]] = {}
        self._contexts = 0

    def at(self, index: int, reply: str) -> None:
        """A read may be answered once the Raft index `index` is applied."""
        heapq.heappush(self._by_index, _Read(index, reply))

    def round(self, replies: list[str]) -> int:
        """Reads that wait for one quorum round; returns the context to hand to the core."""
        self._contexts += 1
        self._by_context[self._contexts] = replies
        return self._contexts

    def confirmed(self, context: int, index: int) -> None:
        """The quorum round of `context` is done: its reads wait for `index`."""
        for reply in self._by_context.pop(context, ()):
            self.at(index, reply)

    def dropped(self, context: int) -> list[str]:
        """The quorum round of `context` will not end: its reads."""
        return self._by_context.pop(context, [])

    def due(self, applied: int) -> list[str]:
        """Reads that may be answered now."""
        found: list[str] = []
        while self._by_index and self._by_index[0].index <= applied:
            found.append(heapq.heappop(self._by_index).reply)
        return found

    def lose_all(self) -> list[str]:
        """Leadership is gone: every open read."""
        lost = [read.reply for read in self._by_index]
        lost += [reply for replies in self._by_context.values() for reply in replies]
        self._by_index.clear()
        self._by_context.clear()
        return lost

"""Reads that wait for a quorum to confirm that the leader still leads.

Thesis 6.4: the leader notes its commit index, then a quorum answers a round that began afterwards. A request is keyed
by the round it waits for, which the leader makes and which only grows. Keying it by what the caller sent would let a
late answer to one request confirm another with the same name, and a deposed leader serve a stale read.

Requests before the first commit of the leader's term are parked: until then the commit index may be behind what earlier
leaders acknowledged (thesis 6.4, step 1). The bound is on parked and waiting requests together.
"""

from collections import deque

from lictor_raft.messages import ReadState

PENDING_READS_MAX = 4096
"""Requests waiting at one leader; a driver asks once for all the reads that wait, so this many means that no quorum
answers."""


class PendingReads:
    """The requests of one leadership."""

    __slots__ = ("_parked", "_waiting")

    def __init__(self) -> None:
        self._parked: deque[int] = deque()
        self._waiting: deque[tuple[int, int, int]] = deque()

    def __len__(self) -> int:
        return len(self._parked) + len(self._waiting)

    def full(self) -> bool:
        """Whether no further request may be taken."""
        return len(self) >= PENDING_READS_MAX

    def park(self, context: int) -> None:
        """Keep a request until the leader has committed in its term."""
        self._parked.append(context)

    def unpark(self) -> tuple[int, ...]:
        """Take back everything parked, in order."""
        contexts = tuple(self._parked)
        self._parked.clear()
        return contexts

    def wait_for(self, round_number: int, index: int, context: int) -> None:
        """Let a request wait for a round that has not been started yet."""
        assert not self._waiting or self._waiting[-1][0] <= round_number, "rounds only grow"
        self._waiting.append((round_number, index, context))

    def confirm(self, quorum_round: int) -> list[ReadState]:
        """Release every request whose round, or a later one, a quorum has answered."""
        waiting = self._waiting
        confirmed = []
        while waiting and waiting[0][0] <= quorum_round:
            _, index, context = waiting.popleft()
            confirmed.append(ReadState(index, context))
        return confirmed

    def drop_all(self) -> list[int]:
        """Forget every request, because the leadership ended; returns their contexts."""
        dropped = [*(context for _, _, context in self._waiting), *self._parked]
        self._waiting.clear()
        self._parked.clear()
        return dropped

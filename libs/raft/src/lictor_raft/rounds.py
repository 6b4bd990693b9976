"""The leader's rounds, and the lease that rests on them.

Every heartbeat and append carries the number of the newest round that the leader had started, and the response echoes
it. So an answer proves that its sender recognised this leader at some time after that round began. Two things follow:

- a read that came before a round began is confirmed once a quorum has answered that round or a later one
  (`read_index`);
- voters that heard a leader grant no vote for one election timeout. Counted from when the quorum-answered round was
  *sent*, no other leader can exist for that long; the lease takes 0.8 of it, and the rest pays for clocks that run at
  different rates.

Thesis 6.4.1 describes the lease; that it must run from the sending time, not from the arrival of the answers, is what
makes a paused leader safe. Numbers start anew with every leadership: answers to an older one carry an older term and
are never seen.
"""

from collections import deque

from lictor_raft.config import LEASE_FRACTION
from lictor_raft.quorum import EVERYTHING

MARKS_PER_LEASE = 64
"""Sending times closer together than a lease / 64 share one mark (the earlier time): a bound on what is kept."""


class Rounds:
    """Round numbers of one leadership, with the times at which they were started."""

    __slots__ = ("_granularity_s", "_lease_s", "_marks", "newest")

    def __init__(self, election_timeout_s: float) -> None:
        self._lease_s = LEASE_FRACTION * election_timeout_s
        self._granularity_s = self._lease_s / MARKS_PER_LEASE
        self._marks: deque[tuple[int, float]] = deque()
        self.newest = 0

    def reset(self) -> None:
        """A new leadership begins."""
        self._marks.clear()
        self.newest = 0

    def start(self, now: float) -> int:
        """Begin a round: everything sent from here on carries its number."""
        self.newest += 1
        marks = self._marks
        if not marks or now - marks[-1][1] >= self._granularity_s:
            marks.append((self.newest, now))
            while marks[0][1] < now - self._lease_s:
                marks.popleft()
        return self.newest

    def start_if_due(self, now: float) -> None:
        """Begin a round for an append, unless the newest one is recent enough to stand for it."""
        if not self._marks or now - self._marks[-1][1] >= self._granularity_s:
            self.start(now)

    def lease_holds(self, quorum_round: int, now: float) -> bool:
        """Whether the lease that a quorum's answer to `quorum_round` gives still runs at `now`."""
        if quorum_round >= EVERYTHING:
            return True  # the leader alone is a quorum: nobody else can be elected
        marks = self._marks
        sent_at = None
        for number, time in reversed(marks):
            if number <= quorum_round:
                sent_at = time
                break
        return sent_at is not None and now < sent_at + self._lease_s

"""What the leader knows about one peer, and what it may therefore send.

Raft paper 5.3 keeps `nextIndex` and `matchIndex`; three states say how they move:

    PROBE      the match is a guess: one append per heartbeat interval until the peer answers
    REPLICATE  the match is known: `next` runs ahead optimistically, within the window of `inflights`
    SNAPSHOT   the log no longer holds what the peer needs: no appends until the snapshot is in

         ack                          log compacted
    PROBE ────▶ REPLICATE ──────────────────┐
      ▲  ▲─────────┘ rejection, unreachable │
      └──────────── SNAPSHOT ◀──────────────┘
         report, or an ack that the log can continue from

Always 0 <= match < next. This module decides nothing about terms or votes.
"""

from enum import Enum
from typing import Final

from lictor_raft.inflights import Inflights


class ProgressState(Enum):
    """How the leader replicates to a peer."""

    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


PROBE: Final = ProgressState.PROBE  # for what runs with every message, as in `kinds`
REPLICATE: Final = ProgressState.REPLICATE
SNAPSHOT: Final = ProgressState.SNAPSHOT


class Progress:
    """The leader's view of one member, itself included."""

    __slots__ = (
        "acked_round",
        "inflights",
        "is_learner",
        "last_contact",
        "match",
        "next",
        "paused",
        "pending_snapshot",
        "recent_active",
        "sent_commit",
        "state",
    )

    def __init__(self, *, match: int, next_index: int, inflights: Inflights, is_learner: bool) -> None:
        self.match = match
        self.next = next_index
        self.inflights = inflights
        self.is_learner = is_learner
        self.state = PROBE
        self.pending_snapshot = 0
        self.recent_active = False
        self.paused = False
        self.sent_commit = 0
        self.acked_round = 0
        self.last_contact: float | None = None

    def _enter(self, state: ProgressState) -> None:
        self.state = state
        self.paused = False
        self.pending_snapshot = 0
        self.inflights.reset()

    def become_probe(self) -> None:
        """Guess anew: after the pending snapshot if there is one, else after the match."""
        next_index = max(self.match, self.pending_snapshot) + 1
        self._enter(PROBE)
        self.next = next_index
        self.sent_commit = min(self.sent_commit, next_index - 1)

    def become_replicate(self) -> None:
        """The match is confirmed: stream from there."""
        self._enter(REPLICATE)
        self.next = self.match + 1

    def become_snapshot(self, index: int) -> None:
        """A snapshot that covers `index` is on its way."""
        self._enter(SNAPSHOT)
        self.pending_snapshot = index
        self.next = index + 1
        self.sent_commit = index

    def is_paused(self) -> bool:
        """Whether nothing may be sent until the peer is heard of."""
        return self.paused or self.state is SNAPSHOT

    def sent_entries(self, count: int, size: int) -> None:
        """Account for an append with `count` entries of `size` payload bytes."""
        if count == 0:
            return
        if self.state is REPLICATE:
            self.next += count
            self.inflights.add(self.next - 1, size)
            self.paused = self.inflights.full()
        else:
            assert self.state is PROBE, "an append was sent to a peer that waits for a snapshot"
            self.paused = True

    def can_bump_commit(self, commit: int) -> bool:
        """Whether telling the peer `commit` could move its commit index further than what it was told already."""
        return commit > self.sent_commit and self.sent_commit < self.next - 1

    def maybe_update(self, index: int) -> bool:
        """The peer acknowledged up to `index`; False if that was known."""
        if index <= self.match:
            return False
        self.match = index
        self.next = max(self.next, index + 1)
        self.paused = False
        return True

    def maybe_decrease_to(self, rejected: int, match_hint: int) -> bool:
        """The peer rejected an append that followed `rejected`; False if the rejection is stale."""
        if self.state is REPLICATE:
            if rejected <= self.match:
                return False
            self.next = self.match + 1
        else:
            # While probing one append is in flight: a rejection of anything else is late.
            if self.next - 1 != rejected:
                return False
            self.next = max(min(rejected, match_hint + 1), self.match + 1)
        self.sent_commit = min(self.sent_commit, self.next - 1)
        self.paused = False
        return True

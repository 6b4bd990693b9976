"""What a follower has yet to apply, while its leader waits for what it writes.

A write waits for a follower's disk and for nothing else of it: it is answered by the leader, and views are fed by it.
But a follower's loop does one thing at a time. Applied as soon as they are committed, the entries of the round before
keep it from hearing that the disk is done, and the leader from its answer. So while an append is under way they wait;
they are applied when its answer has gone out. Under appends without a gap they wait for a tick at most, or until there
are many. A follower catches up before it leads, before its configuration changes, and before a snapshot takes the place
of its state.

To the core this is a state machine that is slow (`lictor_raft.storage_writes`). Pure: the driver asks.
"""

from collections.abc import Sequence

from lictor_raft import Message
from lictor_raft.kinds import NORMAL

ENTRIES_MAX = 256
"""Entries that may wait: some five milliseconds of work, for which everything else on the loop waits in turn."""


class ApplyBacklog:
    """The committed entries of one member on their way to its state machine, as the core has handed them out."""

    def __init__(self) -> None:
        self._held: list[Message] = []
        self._entries = 0

    def take(self, committed: Sequence[Message], *, may_wait: bool) -> list[Message]:
        """Take what is committed; what is to be applied now, in order."""
        for message in committed:
            self._held.append(message)
            self._entries += len(message.entries)
            if may_wait:
                for entry in message.entries:
                    if entry.kind is not NORMAL:
                        may_wait = False
        return [] if may_wait and self._entries < ENTRIES_MAX else self.release()

    def release(self) -> list[Message]:
        """Everything: the disk is done, a tick has passed, or the state is needed."""
        if not self._held:
            return []
        held, self._held, self._entries = self._held, [], 0
        return held

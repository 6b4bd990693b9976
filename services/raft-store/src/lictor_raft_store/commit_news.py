"""Appends that carry a commit index alone: held back for the next append with entries, which says the same and more.

A leader tells its peers at once how far the log is committed (Raft paper 5.3). Nobody waits for that: what is committed
is answered by the leader, and a member that has not heard yet only applies later. Under load the next append follows
within milliseconds; sending the news on its own doubles the messages of every write. So it waits for at most one tick.

To the core this is a network that is late or loses a message, which it bears. Pure: whoever sends asks `sift`.
"""

from collections.abc import Sequence

from lictor_raft import Message
from lictor_raft.kinds import APPEND


class CommitNews:
    """What one leader has yet to tell its peers."""

    def __init__(self) -> None:
        self._held: dict[int, Message] = {}

    def sift(self, messages: Sequence[Message]) -> list[Message]:
        """Which of these go out now; of the others the newest to each peer is kept."""
        out: list[Message] = []
        for message in messages:
            if message.kind is APPEND:
                if not message.entries:
                    self._held[message.to] = message
                    continue
                self._held.pop(message.to, None)
            out.append(message)
        return out

    def release(self) -> list[Message]:
        """Everything held: a tick has passed, or the leadership is over."""
        if not self._held:
            return []
        held, self._held = list(self._held.values()), {}
        return held

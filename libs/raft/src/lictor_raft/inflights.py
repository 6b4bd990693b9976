"""The window of appends sent to one peer and not yet acknowledged.

Thesis 10.2.1 (pipelining) needs a bound, or a silent peer would make the leader queue without end. The window is
bounded by messages and by payload bytes. The byte bound is soft: the message that crosses it is still sent, the next
one is not.

Indexes only grow within one window; whoever sends again from an earlier index calls `reset` first.
"""

from collections import deque


class Inflights:
    """A first-in first-out window of (last index, payload bytes)."""

    __slots__ = ("_bytes", "_bytes_max", "_messages_max", "_window")

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._window: deque[tuple[int, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._window)

    @property
    def bytes(self) -> int:
        """Payload in flight."""
        return self._bytes

    def full(self) -> bool:
        """Whether no further message may be sent."""
        return len(self._window) >= self._messages_max or self._bytes >= self._bytes_max

    def add(self, last_index: int, size: int) -> None:
        """Note an append whose last entry is `last_index` with `size` bytes of payload."""
        assert not self.full(), "an append was sent into a full window"
        assert not self._window or last_index > self._window[-1][0], "appends in flight must have growing indexes"
        self._window.append((last_index, size))
        self._bytes += size

    def free_to(self, index: int) -> None:
        """Forget every append whose entries the peer has acknowledged up to `index`."""
        window = self._window
        while window and window[0][0] <= index:
            self._bytes -= window.popleft()[1]

    def reset(self) -> None:
        """Forget everything in flight."""
        self._window.clear()
        self._bytes = 0

"""Answers to a crowd: what thousands of connections are told at once leaves by several threads.

To send an answer on a connection is a system call that takes two or three times as long as all that leads to it, and
the interpreter is not needed meanwhile. Within a `with` block answers are gathered; at its end the loop's thread and
its helpers send them side by side, straight to the sockets, and the loop goes on when all are done: so nothing can
close a connection, or give its number to another, while a helper writes to it. What a socket does not take at once is
left to its transport, and so is every error: the transport meets it again and ends the connection as it always does.

Single answers have nothing to gain here and never come this way.
"""

import os
from asyncio import WriteTransport
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

HELPERS_MAX = 3
"""Beside the loop's own thread: more would wait for the interpreter, which each call needs for a moment."""

SHARE_MIN = 32
"""Answers for which it pays to wake a helper, which takes a tenth of a millisecond."""

Answer = tuple[WriteTransport, int, bytes]
"""A connection's transport, its socket's descriptor, and the bytes of its answer."""


class CrowdWriter:
    """Gathers answers within `with`, and sends them at its end; one for a server."""

    def __init__(self, helpers: int | None = None) -> None:
        """Begin with no thread; `helpers` are started when they are needed, by default as many as cores are left."""
        if helpers is None:
            helpers = min(HELPERS_MAX, len(os.sched_getaffinity(0)) - 1)
        self._helpers = helpers
        self._pool = ThreadPoolExecutor(max(1, helpers), thread_name_prefix="crowd")
        self._answers: list[Answer] = []
        self.gathering = False
        """Whether answers may be added now."""

    def add(self, transport: WriteTransport, answer: bytes) -> None:
        """Have an answer sent at the end of the block; behind what is unsent, the transport sends it."""
        if transport.get_write_buffer_size() or transport.is_closing():
            transport.write(answer)
        else:
            self._answers.append((transport, transport.get_extra_info("socket").fileno(), answer))

    def __enter__(self) -> None:
        self.gathering = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gathering = False
        answers, self._answers = self._answers, []
        rest = iter(answers)  # each takes the next, so that a helper that has to wait for a core holds up nobody
        helpers = min(self._helpers, len(answers) // SHARE_MIN)
        others = [self._pool.submit(_send, rest) for _ in range(helpers)]
        unsent = _send(rest)
        for other in others:
            if not other.cancel():
                unsent += other.result()
        for transport, _, data in unsent:
            transport.write(data)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def _send(answers: Iterator[Answer]) -> list[Answer]:
    """Send without waiting, several threads from one iterator; what is left of those that could not be sent whole."""
    unsent = []
    for answer in answers:
        transport, descriptor, data = answer
        try:
            sent = os.write(descriptor, data)
        except OSError:  # no room, or no connection any more
            unsent.append(answer)
        else:
            if sent < len(data):
                unsent.append((transport, descriptor, data[sent:]))
    return unsent

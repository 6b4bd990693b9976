"""Finding messages in the bytes of a NATS connection, without nats-py's reader.

What arrives goes to nats-py through a stream reader, a task and a parser of regular expressions; for a message for
which a plain function waits, that is several times the work of the function. Here the bytes are looked at as they come
in: such messages are cut out and handed on at once, everything else (pings, errors, headers, other subscriptions) goes
the long way, in whole lines and frames, and nats-py decides about it.

The protocol is the client protocol of docs.nats.io: `MSG subject sid [reply] bytes`, its payload, and CRLF. What is
malformed goes the long way too: nats-py ends such a connection. Pure but for `ShortWay`, which sits between a
transport and its protocol.
"""

import asyncio
from collections.abc import Callable, Container
from typing import NamedTuple

LINE_BYTES_MAX = 4096
"""A line that has not ended by then is none (nats-server's `max_control_line`)."""


class Found(NamedTuple):
    """One message: the id of its subscription, and what it says."""

    sid: int
    subject: bytes
    reply: bytes
    data: bytes


class MessageFinder:
    """Cuts a stream of bytes into the messages of known subscriptions and all the rest."""

    def __init__(self, known: Container[int]) -> None:
        """`known` holds the ids of subscriptions whose messages are wanted; asked for each message."""
        self._known = known
        self._held = b""

    def feed(self, data: bytes) -> tuple[list[Found], bytes]:
        """The messages that are complete now, and what is somebody else's to read; a piece at the end is kept."""
        if self._held:
            data = self._held + data
        found: list[Found] = []
        rest: list[bytes] = []
        at, end = 0, len(data)
        try:
            while at < end:
                line_end = data.find(b"\r\n", at)
                if line_end < 0:
                    if end - at > LINE_BYTES_MAX:
                        rest.append(data[at:])
                        at = end
                    break
                stop = line_end + 2
                is_message = data.startswith(b"MSG ", at)
                if is_message or data.startswith(b"HMSG ", at):
                    begin, words = stop, data[at:line_end].split()
                    stop += int(words[3 if len(words) < 5 else -1]) + 2
                    if stop > end:
                        break
                    if is_message and (sid := int(words[2])) in self._known:
                        found.append(Found(sid, words[1], words[3] if len(words) > 4 else b"", data[begin : stop - 2]))
                        at = stop
                        continue
                rest.append(data[at:stop])
                at = stop
        except (ValueError, IndexError):
            rest.append(data[at:])
            at = end
        self._held = data[at:]
        return found, b"".join(rest)


class ShortWay(asyncio.Protocol):
    """Stands before a connection's protocol and takes out what it can deal with."""

    def __init__(self, long_way: asyncio.Protocol, known: Container[int], take: Callable[[Found], None]) -> None:
        """`take` is called for every message of a `known` subscription and must not raise."""
        self._long_way = long_way
        self._take = take
        self._finder = MessageFinder(known)

    def data_received(self, data: bytes) -> None:
        """Bytes have come in."""
        found, rest = self._finder.feed(data)
        if rest:
            self._long_way.data_received(rest)
        for one in found:
            self._take(one)

    def eof_received(self) -> bool | None:
        """The other side sends no more."""
        return self._long_way.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._long_way.connection_lost(exc)

    def pause_writing(self) -> None:
        """The socket is full."""
        self._long_way.pause_writing()

    def resume_writing(self) -> None:
        """There is room again."""
        self._long_way.resume_writing()

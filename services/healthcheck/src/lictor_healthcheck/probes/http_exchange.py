"""One HTTP/1.1 request and its answer on an open stream (RFC 9112), parsed by httptools.

The connection is not kept. What a server may send is bounded: the head by `HEAD_BYTES_MAX`, the body by
`BODY_BYTES_MAX` read and by the caller's limit kept (its last bytes). Request lines and headers come from whoever
registered the check and are refused when they could smuggle a second request.
"""

import asyncio
import re
from dataclasses import dataclass, field

import httptools

HEAD_BYTES_MAX = 64 * 1024
"""Status line and headers together; servers themselves seldom take more than 16 KiB."""

BODY_BYTES_MAX = 1024 * 1024
"""Read of a body before it is judged as it is: a health endpoint that says more does not need to be heard out."""

READ_BYTES = 16 * 1024
# A body still coming when the time is nearly up is judged by its head; this much is left for that.
BODY_MARGIN_S = 0.05

_TOKEN = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TARGET = re.compile(r"^[\x21-\x7e]+$")


class MalformedError(ValueError):
    """The request cannot be sent, or the answer is no HTTP."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask."""

    method: str
    target: str
    host: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def head(self) -> bytes:
        """The request line and headers.

        Raises:
            MalformedError: a part holds characters that do not belong there.
        """
        if not _TOKEN.match(self.method):
            raise MalformedError(f"invalid method {self.method!r}")
        if not _TARGET.match(self.target) or not _TARGET.match(self.host):
            raise MalformedError(f"invalid host or path {self.host + self.target!r}")
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host}"]
        for name, value in self.headers:
            if not _TOKEN.match(name) or _FORBIDDEN.search(value):
                raise MalformedError(f"invalid header {name!r}")
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                lines.append(f"{name}: {value}")
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        lines += ["Connection: close", "", ""]
        return "\r\n".join(lines).encode()


@dataclass(slots=True)
class Answer:
    """What came back; `body` holds its last bytes."""

    status: int = 0
    reason_phrase: str = ""
    location: str = ""
    body: bytearray = field(default_factory=bytearray)


class _Collector:
    """httptools' callbacks: the final answer, whatever interim ones (1xx) come before it."""

    def __init__(self, body_bytes_max: int) -> None:
        self.answer = Answer()
        self.head_complete = False
        self.complete = False
        self.body_bytes = 0
        self._body_bytes_max = body_bytes_max
        self.parser = httptools.HttpResponseParser(self)
        self._phrase = b""

    def on_message_begin(self) -> None:
        self.answer = Answer()
        self._phrase = b""

    def on_status(self, phrase: bytes) -> None:
        self._phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"location":
            self.answer.location = value.decode(errors="replace")

    def on_headers_complete(self) -> None:
        self.answer.status = self.parser.get_status_code()
        self.answer.reason_phrase = self._phrase.decode(errors="replace")
        self.head_complete = self.answer.status >= 200

    def on_body(self, part: bytes) -> None:
        self.body_bytes += len(part)
        self.answer.body += part
        if len(self.answer.body) > self._body_bytes_max:
            del self.answer.body[: -self._body_bytes_max]

    def on_message_complete(self) -> None:
        self.complete = self.head_complete


async def exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    request: Request,
    head: bytes,
    body_bytes_max: int,
    timeout_s: float,
) -> Answer:
    """Send a request and read its answer.

    Args:
        reader: the stream's.
        writer: the stream's.
        request: what to ask.
        head: `request.head()`.
        body_bytes_max: bytes of the body kept.
        timeout_s: after this long a body that still comes is left; the caller limits the head.

    Raises:
        MalformedError: the answer is no HTTP, too long or cut off.
        OSError: the connection broke.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s - BODY_MARGIN_S
    writer.write(head + request.body)
    await writer.drain()
    collector = _Collector(body_bytes_max)
    head_bytes = 0
    while not collector.head_complete:
        head_bytes += await _read_once(reader, collector)
        if head_bytes > HEAD_BYTES_MAX + READ_BYTES:
            raise MalformedError("the response head is too long")
    try:
        async with asyncio.timeout_at(deadline):
            while not collector.complete and request.method != "HEAD" and collector.body_bytes < BODY_BYTES_MAX:
                await _read_once(reader, collector)
    except (TimeoutError, MalformedError, ConnectionError):
        # The status has been told; a body that breaks off or never ends does not change it. Where the answer has no
        # length, the end of the stream is also its proper end.
        return collector.answer
    return collector.answer


async def _read_once(reader: asyncio.StreamReader, collector: _Collector) -> int:
    data = await reader.read(READ_BYTES)
    if not data:
        raise MalformedError("the connection was closed before the response ended")
    try:
        collector.parser.feed_data(data)
    except httptools.HttpParserUpgrade as error:
        raise MalformedError("the server switched protocols") from error
    except httptools.HttpParserError as error:
        if collector.complete:
            return len(data)  # chatter after the answer; the connection is thrown away anyway
        raise MalformedError(f"malformed HTTP response: {error}") from error
    return len(data)

"""Which recursor is asked next, when, and which reply is accepted (RFC 1035, section 7; RFC 5452, section 9). Pure.

A question goes to one recursor after the other, over UDP first unless its client came over TCP:

- no reply in half of the time limit: the same message once more, as datagrams get lost;
- no reply in the whole limit, an error of the network, or a response code that says nothing about the name (any but
  NOERROR and NXDOMAIN): the next one;
- a truncated reply: the same recursor again over TCP (RFC 7766, section 5), with a time limit of its own;
- a reply of another id or question: as if it had not come, because anybody could have sent it.

A recursor that has not answered goes to the end of the line for a while, so that not every question waits for it.
This module opens no sockets: that the peer is the one that was asked, a connected socket sees to.
"""

import ipaddress
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from lictor_dnswire import Rcode, parse_question

RECURSORS_MAX: Final = 8
"""More would only make a failing question wait longer: each may take twice its time limit."""

PORT: Final = 53
SET_BACK_S: Final = 10.0
"""How long a recursor that has not answered is asked last: short enough to notice soon that it is back."""

RESEND_AT: Final = 0.5
"""The part of the time limit after which a datagram is sent again."""

_HEADER_BYTES: Final = 12
_TYPE_AND_CLASS_BYTES: Final = 4
_QR_AND_OPCODE: Final = 0xF8
_QR: Final = 0x80
_TC: Final = 0x02
_RCODE: Final = 0x0F

Strategy = Literal["sequential", "random"]


class Address(NamedTuple):
    """Where a recursor listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_recursors(text: str) -> tuple[Address, ...]:
    """Addresses out of `10.0.0.1, 10.0.0.2:5353, 2001:db8::1, [::1]:5353`; names are not resolved: who would?

    Raises:
        ValueError: names the part that is no address, or says that there are too many.
    """
    found = tuple(_address(part.strip()) for part in text.split(",") if part.strip())
    if len(found) > RECURSORS_MAX:
        raise ValueError(f"{len(found)} recursors, at most {RECURSORS_MAX}")
    return tuple(dict.fromkeys(found))


def _address(text: str) -> Address:
    host, port = text, str(PORT)
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        port = rest.removeprefix(":") if rest else port
        host = host if closed else text
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        known = str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(f"{text!r} is no IP address, alone or with a port") from None
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    return Address(known, int(port))


class Recursors:
    """All recursors of one process, and which of them have failed lately."""

    def __init__(self, addresses: Sequence[Address], strategy: Strategy, dice: random.Random) -> None:
        self.addresses = tuple(addresses)
        self._strategy, self._dice = strategy, dice
        self._set_back_until: dict[Address, float] = {}
        self.failures = dict.fromkeys(self.addresses, 0)

    def line(self, now: float) -> list[Address]:
        """Whom to ask, first to last."""
        line = list(self.addresses)
        if self._strategy == "random":
            self._dice.shuffle(line)
        # A stable sort: the order stays among those that answer, and among those that do not.
        return sorted(line, key=lambda one: now < self._set_back_until.get(one, now))

    def failed(self, address: Address, now: float) -> None:
        """It has not answered, or cannot be reached."""
        self._set_back_until[address] = now + SET_BACK_S
        self.failures[address] += 1

    def answered(self, address: Address) -> None:
        """It is there, whatever it said."""
        self._set_back_until.pop(address, None)


@dataclass(frozen=True, slots=True)
class Send:
    """Send `message`, and wait for replies until the ask's `deadline`; `again`: from the socket of the last one."""

    to: Address
    message: bytes
    over_tcp: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The question is answered by `reply`, or by nobody (None)."""

    reply: bytes | None


Action = Send | Done


class Ask:
    """One question on its way; `begin`, then `take`, `tick` or `failed` until one of them says `Done`."""

    def __init__(
        self,
        query: bytes,
        recursors: Recursors,
        timeout_s: float,
        new_id: Callable[[], int],
        *,
        over_tcp: bool,
    ) -> None:
        """Ask `query`, a well-formed one; `new_id` gives an id (0 to 65535) for each message that is sent."""
        question = parse_question(query)
        self._name, self._section = question.raw_name.lower(), question.section()
        self._rest = query[2:]
        self._recursors, self._timeout_s, self._new_id, self._over_tcp = recursors, timeout_s, new_id, over_tcp
        self._line: list[Address] = []
        self._sent: Send | None = None
        self._give_up_at = 0.0
        self.deadline = 0.0

    def begin(self, now: float) -> Action:
        """Ask the first recursor."""
        self._line = self._recursors.line(now)
        return self._next(now)

    def tick(self, now: float) -> Action:
        """`deadline` has passed without a reply."""
        sent = self._sent
        assert sent is not None, "begin first"
        if now < self._give_up_at and not sent.over_tcp:
            self.deadline = self._give_up_at
            return Send(sent.to, sent.message, again=True)
        return self.failed(now)

    def failed(self, now: float) -> Action:
        """The recursor cannot be reached, or has closed the connection."""
        assert self._sent is not None, "begin first"
        self._recursors.failed(self._sent.to, now)
        return self._next(now)

    def take(self, reply: bytes, now: float) -> Action | None:
        """A message has come from the recursor; None: it does not belong to this question, go on waiting."""
        sent = self._sent
        assert sent is not None, "begin first"
        if len(reply) < _HEADER_BYTES or reply[:2] != sent.message[:2] or reply[2] & _QR_AND_OPCODE != _QR:
            return None
        useful = reply[3] & _RCODE in {Rcode.NOERROR, Rcode.NXDOMAIN}
        if not self._repeats_question(reply) and (useful or reply[4:6] != b"\0\0"):
            return None
        self._recursors.answered(sent.to)
        if not useful:
            return self._next(now)
        if reply[2] & _TC and not sent.over_tcp:
            return self._send(sent.to, now, over_tcp=True)
        return Done(reply)

    def _repeats_question(self, reply: bytes) -> bool:
        """Whether name (without regard to case, RFC 4343), type and class are those that were asked for."""
        end = _HEADER_BYTES + len(self._section)
        section = reply[_HEADER_BYTES:end]
        return (
            reply[4:6] == b"\0\1"
            and section[:-_TYPE_AND_CLASS_BYTES].lower() == self._name
            and section[-_TYPE_AND_CLASS_BYTES:] == self._section[-_TYPE_AND_CLASS_BYTES:]
        )

    def _next(self, now: float) -> Action:
        if not self._line:
            return Done(None)
        return self._send(self._line.pop(0), now, over_tcp=self._over_tcp)

    def _send(self, to: Address, now: float, *, over_tcp: bool) -> Send:
        message = self._new_id().to_bytes(2, "big") + self._rest
        self._give_up_at = now + self._timeout_s
        self.deadline = self._give_up_at if over_tcp else now + self._timeout_s * RESEND_AT
        self._sent = Send(to, message, over_tcp)
        return self._sent

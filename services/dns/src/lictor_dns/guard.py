"""Between the servers and the responder: cookies and response rates (RFC 7873; BIND calls the latter RRL).

Options that make no difference to an answer are taken out of a query before the responder sees it, so that clients
with cookies share the replies that are kept ready. What the responder answers is not known here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lictor_dns.cookies import CookieError, Cookies, Judged
from lictor_dns.message_ends import OptionsError, Query, only_cookie, read_options, truncated, with_cookie
from lictor_dns.outcome import Outcome, Recurse
from lictor_dns.rate_limit import RateLimit, Verdict, kind_of
from lictor_dnswire import Rcode, encode_error
from lictor_dnswire.header import header_of

Answer = Callable[[bytes, bytes], Outcome]
_NO_COOKIE = Judged(b"", good=False)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds: `steady` never goes back, `unix` is the time of day."""

    steady: Callable[[], float]
    unix: Callable[[], float]


class Guard:
    """Answers as the responder does, but for what cookies and rates change."""

    def __init__(
        self, udp: Answer, tcp: Answer, ready: Callable[[bytes], bytes | None], limit: RateLimit, clocks: Clocks
    ) -> None:
        """Guard a responder's two ways and the replies that it has `ready`; without `cookies` until they are set."""
        self._udp, self._tcp, self._ready, self._limit, self._clocks = udp, tcp, ready, limit, clocks
        self.cookies: Cookies | None = None
        self.good_cookies = 0
        """Queries that showed a good one."""

    def ready(self, query: bytes) -> bytes | None:
        """What can be sent to anybody at once: a reply that was there already, while no rates are limited."""
        return None if self._limit.limits else self._ready(query)

    def answer_udp(self, query: bytes, client: bytes) -> Outcome:
        """What becomes of a datagram."""
        return self._answer(query, client, self._udp, udp=True)

    def answer_tcp(self, query: bytes, client: bytes) -> Outcome:
        """What becomes of a message on a stream: its sender is where it says, so that no rate is limited."""
        return self._answer(query, client, self._tcp, udp=False)

    def _answer(self, query: bytes, client: bytes, answer: Answer, *, udp: bool) -> Outcome:
        limited = udp and self._limit.limits
        try:
            asked = read_options(query)
            judged = self._judge(asked, client)
        except (OptionsError, CookieError):
            refused = _formerr(query)
            return self._within_rate(refused, client) if limited and refused is not None else refused
        if asked is None:
            outcome = answer(query, client)
            if not limited or outcome is None:
                return outcome
            finish = partial(self._within_rate, client=client)
        else:
            if not asked.asks and judged.option:
                return only_cookie(query, judged.option)
            outcome = answer(asked.plain, client)
            finish = partial(self._finished, asked=asked, judged=judged, client=client, udp=udp)
        if isinstance(outcome, Recurse):
            return Recurse(outcome.query, partial(_finished_later, outcome.finish, finish))
        return None if outcome is None else finish(outcome)

    def _judge(self, asked: Query | None, client: bytes) -> Judged:
        if self.cookies is None or asked is None or asked.cookie is None:
            return _NO_COOKIE
        judged = self.cookies.judge(asked.cookie, client, int(self._clocks.unix()))
        self.good_cookies += judged.good
        return judged

    def _within_rate(self, reply: bytes, client: bytes) -> bytes | None:
        verdict = self._limit.judge(client, kind_of(reply), self._clocks.steady())
        if verdict is Verdict.SEND:
            return reply
        return truncated(reply) if verdict is Verdict.SLIP else None

    def _finished(self, reply: bytes, asked: Query, judged: Judged, client: bytes, *, udp: bool) -> bytes | None:
        allowed = self._within_rate(reply, client) if udp and self._limit.limits and not judged.good else reply
        if allowed is None or not judged.option:
            return allowed
        whole = with_cookie(allowed, judged.option, asked.repeated_bytes)
        if udp and len(whole) > asked.udp_bytes:
            return with_cookie(truncated(allowed), judged.option)
        return whole


def _finished_later(
    made: Callable[[bytes | None], bytes | None], finish: Callable[[bytes], bytes | None], answered: bytes | None
) -> bytes | None:
    reply = made(answered)
    return None if reply is None else finish(reply)


def _formerr(query: bytes) -> bytes | None:
    """FORMERR to a query whose options are malformed; nothing to what is itself a reply."""
    flags = int.from_bytes(query[2:4], "big")
    header = header_of(int.from_bytes(query[:2], "big"), flags)
    return None if header.response else encode_error(header, Rcode.FORMERR)

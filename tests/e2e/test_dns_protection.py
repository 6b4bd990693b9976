"""A `dns` that strangers can reach: what over the rate becomes of their questions, and who is not held to it."""

import contextlib
import socket
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import pytest

from tests.own_dns import OwnDns

COOKIE = 10
QUESTIONS = 600
AT_ONCE = 50
RATE = 20
BURST = 5 * RATE


@pytest.fixture
def guarded(suite, tmp_path, wait_until):
    limits = {"DNS_RATE_LIMIT_ANSWERS": str(RATE), "DNS_RATE_LIMIT_ERRORS": str(RATE), "DNS_RATE_LIMIT_SLIP": "3"}
    own = OwnDns(suite, tmp_path, DNS_ADDRESSES="127.0.0.1,::1", **limits)
    try:
        wait_until(own.up, 20, "the dns answers")
        yield own
    finally:
        own.stop()


def flood(port, queries):
    """Send all, a few at a time so that no socket's buffer overflows, and collect what comes."""
    replies = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        for first in range(0, len(queries), AT_ONCE):
            some = queries[first : first + AT_ONCE]
            for query in some:
                client.send(query.to_wire())
            client.settimeout(1 if first + AT_ONCE >= len(queries) else 0.05)
            with contextlib.suppress(TimeoutError):
                replies.extend(client.recv(4096) for _ in queries)
    return [dns.message.from_wire(reply) for reply in replies]


def test_a_flood_gets_its_rate_and_true_clients_have_a_way(guarded):
    def question(**more):
        return dns.message.make_query("consul.service.consul.", "A", **more)

    began = time.monotonic()
    replies = flood(guarded.port, [question() for _ in range(QUESTIONS)])
    took_s = time.monotonic() - began
    whole = [one for one in replies if one.answer]
    cut = [one for one in replies if one.flags & dns.flags.TC]
    assert 1 <= len(whole) <= BURST + RATE * (took_s + 1)
    assert len(whole) + len(cut) == len(replies) < QUESTIONS
    assert abs(len(cut) - (QUESTIONS - len(whole)) / 3) <= 2, "every third of them is told to come over TCP"
    assert dns.query.tcp(question(), "127.0.0.1", port=guarded.port, timeout=5).answer

    first = dns.query.tcp(
        question(use_edns=0, options=[dns.edns.GenericOption(COOKIE, b"8 bytes!")]),
        "127.0.0.1",
        port=guarded.port,
        timeout=5,
    )
    (cookie,) = [option.to_wire() for option in first.options if option.otype == COOKIE]
    shown = [question(use_edns=0, options=[dns.edns.GenericOption(COOKIE, cookie)]) for _ in range(200)]
    assert all(one.answer for one in flood(guarded.port, shown))
    assert dns.query.udp(question(), "::1", port=guarded.port, timeout=5).answer, "another network has its own rate"

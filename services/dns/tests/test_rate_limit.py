"""Response-rate limiting: by network and kind, with a burst, slips, and a bounded table."""

import random

import dns.message
import pytest

from lictor_dns.rate_limit import BURST_S, Kind, RateLimit, Verdict, kind_of

ONE, SAME_24, OTHER_24 = (bytes((192, 0, net, host)) for net, host in ((2, 1), (2, 250), (3, 1)))
SIX, SAME_56, OTHER_56 = (
    bytes.fromhex(text)
    for text in (
        "20010db8000000aa0000000000000001",
        "20010db8000000ab00000000000000ff",
        "20010db8000001aa0000000000000001",
    )
)


def sent(limit, client, count, now, kind=Kind.ANSWER):
    return sum(limit.judge(client, kind, now) is Verdict.SEND for _ in range(count))


def test_a_network_gets_its_burst_and_then_its_rate():
    limit = RateLimit(100, 0, 0)
    assert sent(limit, ONE, 1000, 0.0) == pytest.approx(100 * BURST_S, abs=1)
    assert sent(limit, ONE, 1000, 1.0) == pytest.approx(100, abs=1)
    assert sent(limit, ONE, 10, 1.0) == 0
    assert sent(limit, ONE, 1000, 100.0) == pytest.approx(100 * BURST_S, abs=1), "silence fills the burst, and no more"


@pytest.mark.parametrize(("first", "second", "together"), [
    (ONE, SAME_24, True),
    (ONE, OTHER_24, False),
    (SIX, SAME_56, True),
    (SIX, OTHER_56, False),
])  # fmt: skip
def test_clients_of_one_network_share_its_rate(first, second, together):
    limit = RateLimit(10, 0, 0)
    sent(limit, first, 100, 0.0)
    assert (sent(limit, second, 1, 0.0) == 0) is together


def test_kinds_have_rates_of_their_own():
    limit = RateLimit(0, 10, 0)
    assert sent(limit, ONE, 1000, 0.0, Kind.ANSWER) == 1000
    assert sent(limit, ONE, 1000, 0.0, Kind.NEGATIVE) == pytest.approx(10 * BURST_S, abs=1)
    assert sent(limit, ONE, 1000, 0.0, Kind.ERROR) == pytest.approx(10 * BURST_S, abs=1)
    assert limit.limits
    assert not RateLimit(0, 0, 2).limits


@pytest.mark.parametrize(("slip", "slipped"), [(0, 0), (1, 100), (2, 50), (10, 10)])
def test_every_so_many_th_reply_over_the_rate_slips(slip, slipped):
    limit = RateLimit(1, 0, slip)
    sent(limit, ONE, 6, 0.0)
    before = limit.slipped, limit.withheld
    fates = [limit.judge(ONE, Kind.ANSWER, 0.0) for _ in range(100)]
    assert fates.count(Verdict.SLIP) == slipped == limit.slipped - before[0]
    assert fates.count(Verdict.DROP) == 100 - slipped == limit.withheld - before[1]


def test_a_flood_of_networks_is_bounded_and_does_not_free_the_one_that_is_over_its_rate():
    limit = RateLimit(10, 0, 0, networks_max=100)
    sent(limit, ONE, 200, 0.0)
    dice = random.Random(1)
    for number in range(10_000):
        limit.judge(dice.randbytes(4), Kind.ANSWER, number / 10_000)
        if number % 50 == 0:
            assert sent(limit, ONE, 3, 0.001) == 0
        assert len(limit) <= 200


def test_no_network_gets_more_than_its_rate_over_any_time():
    dice = random.Random(2)
    for _ in range(20):
        rate = dice.randrange(1, 200)
        limit = RateLimit(rate, rate, 0)
        now, times = 0.0, []
        for _ in range(3_000):
            now += dice.expovariate(dice.choice([1, 100, 1000]))
            if limit.judge(ONE, Kind.ANSWER, now) is Verdict.SEND:
                times.append(now)
        for first in range(0, len(times), 37):
            for last in range(first, len(times), 101):
                assert last - first <= rate * (times[last] - times[first] + BURST_S) + 1


@pytest.mark.parametrize(("name", "rtype", "kind"), [
    ("web.service.consul.", "A", Kind.ANSWER),
    ("web.service.consul.", "AAAA", Kind.NEGATIVE),
    ("nothing.service.consul.", "A", Kind.NEGATIVE),
    ("example.com.", "A", Kind.ERROR),
])  # fmt: skip
def test_the_kind_of_a_reply_is_read_from_its_bytes(world, name, rtype, kind):
    world.instance(1)
    query = dns.message.make_query(name, rtype)
    assert kind_of(world.responder.answer_udp(query.to_wire(), ONE)) is kind

"""Whatever bytes come: an answer that dnspython reads and that fits, or none; never an exception (bounded by count)."""

import random

import dns.edns
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from lictor_dns.outcome import Recurse
from lictor_state.commands import CatalogRegister

UNKNOWN = dns.edns.OptionType.make(65_001)
NAMES = [
    "web.service.consul.",
    "v1.WEB.service.dc1.consul.",
    "_web._tcp.consul.",
    "many.service.consul.",
    "front.service.consul.",
    "n1.node.consul.",
    "meta.node.consul.",
    "web.connect.consul.",
    "web.virtual.consul.",
    "web.ingress.consul.",
    "q.query.consul.",
    "0a000001.addr.consul.",
    "1.0.1.10.in-addr.arpa.",
    "consul.",
    "nothing.service.sd.example.",
    "example.com.",
    "x" * 63 + ".service.consul.",
    ".".join(["y" * 60] * 3) + ".node.consul.",
]
TYPES = ["A", "AAAA", "SRV", "TXT", "ANY", "SOA", "NS", "PTR", "MX", "CNAME", "OPT", "AXFR", "TYPE65280"]
OPTIONS = [
    None,
    [dns.edns.ECSOption("10.1.0.0", 16)],
    [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")],
    [dns.edns.GenericOption(UNKNOWN, b"x" * 40)],
]


@pytest.fixture(params=[True, False], ids=["compressed", "spelt out"])
def populated(make_world, request):
    world = make_world(recursion=True, alt_domain="sd.example", only_passing=False, compress=request.param)
    world.servers()
    world.instance(1, tags=("v1",))
    world.instance(2, address="2001:db8::2", status="warning")
    for number in range(10, 130):
        world.instance(number, name="many", address="" if number % 3 else f"10.4.0.{number}")
    world.instance(3, name="front", address="web.service.consul")
    world.proxy(1)
    world.gateway(5, "web")
    world.query("q", near="_ip")
    meta = {f"key{number}": "v" * 200 for number in range(9)}
    world.apply(CatalogRegister("meta", "10.9.9.1", "dc1", node_meta=meta))
    return world


def random_query(dice):
    edns = dice.random() < 0.6
    query = dns.message.make_query(
        dice.choice(NAMES),
        dice.choice(TYPES),
        use_edns=edns,
        payload=dice.choice([0, 512, 600, 1232, 4096, 65_535]) if edns else 0,
        options=dice.choice(OPTIONS) if edns else None,
        flags=dice.choice([0, 0x0100, 0x0130]),
    )
    return query.to_wire()


def damaged(dice, wire):
    packet = bytearray(wire)
    for _ in range(dice.randint(1, 5)):
        at = dice.randrange(len(packet))
        kind = dice.randrange(6)
        if kind == 0:
            packet[at] = dice.randrange(256)
        elif kind == 1:
            packet[at] ^= 1 << dice.randrange(8)
        elif kind == 2:
            packet[at] |= 0xC0
        elif kind == 3:
            packet = packet[: max(1, at)]
        elif kind == 4:
            packet[at:at] = dice.randbytes(dice.randint(1, 6))
        else:
            packet += packet[at : at + dice.randint(1, 30)]
    return bytes(packet)


def judge(world, data, *, tcp):
    answer = world.responder.answer_tcp if tcp else world.responder.answer_udp
    outcome = answer(data, bytes((10, 1, 0, 1)))
    if isinstance(outcome, Recurse):
        outcome = outcome.finish(None)
    if outcome is None:
        assert len(data) < 12 or data[2] & 0x80
        return None
    reply = dns.message.from_wire(outcome, one_rr_per_rrset=True)
    assert outcome[:2] == data[:2]
    assert reply.flags & 0x8000
    if tcp:
        return reply
    size = 512
    if reply.edns >= 0:
        size = max(512, min(65_467, reply.payload))
    assert len(outcome) <= size
    return reply


@pytest.mark.parametrize("tcp", [False, True])
def test_every_query_has_a_reply_that_another_library_reads(populated, tcp):
    dice = random.Random(1)
    for _ in range(1_000):
        wire = random_query(dice)
        reply = judge(populated, wire, tcp=tcp)
        assert reply is not None
        asked = dns.message.from_wire(wire, ignore_trailing=True)
        assert reply.question == asked.question
        assert (reply.edns >= 0) == (asked.edns >= 0)
        assert reply.rcode() not in {dns.rcode.FORMERR, dns.rcode.BADVERS}


@pytest.mark.parametrize("seed", range(2))
def test_damaged_queries_are_answered_by_rule_or_not_at_all(populated, seed):
    dice = random.Random(seed)
    for number in range(2_000):
        judge(populated, damaged(dice, random_query(dice)), tcp=bool(number % 2))


def test_noise_is_answered_by_rule_or_not_at_all(populated):
    dice = random.Random(7)
    for number in range(2_000):
        judge(populated, dice.randbytes(dice.randint(0, 90)), tcp=bool(number % 2))

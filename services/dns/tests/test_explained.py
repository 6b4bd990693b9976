"""What `dns explain` says is what the zone answers: random catalogs, the same questions to both."""

import random

import dns.rcode
import pytest

from lictor_state.commands import CatalogRegister, CheckSpec, PreparedQuerySet, ServiceSpec
from lictor_state.prepared_query_rows import QueryDefinition, QueryService
from lictor_state.queries.dns_explain import explain
from lictor_state.queries.dns_verdicts import DnsRules
from lictor_state.queries.usable import AnswerLimits
from lictor_state.rows import ProxyDefinition

STATUSES = ("passing", "passing", "passing", "warning", "critical")
NAMES = (
    "web.service.consul",
    "blue.web.service.consul",
    "_web._blue.service.consul",
    "none.service.consul",
    "web.connect.consul",
    "n3.node.consul",
    "n99.node.consul",
    "best.query.consul",
    "other.query.consul",
    "web.service.dc1.consul",
    "web.service.dc9.consul",
    "0a000003.addr.consul",
    "web.virtual.consul",
    "web.consul",
    "3.0.0.10.in-addr.arpa",
)
TYPES = ("A", "AAAA", "SRV", "ANY", "TXT", "MX")


def fill(world, dice):
    for number in range(1, dice.randrange(2, 12)):
        address = dice.choice(["", f"10.0.0.{number}", f"fd00::{number}", "10.0.0.77", "host.example"])
        proxy = dice.random() < 0.2
        service = ServiceSpec(
            f"i{number}",
            "web-proxy" if proxy else "web",
            kind="connect-proxy" if proxy else "",
            proxy=ProxyDefinition("web") if proxy else None,
            tags=tuple(tag for tag in ("Blue", "green") if dice.random() < 0.5),
            address=address,
            port=dice.choice([80, 8000 + number]),
            meta={"env": dice.choice(["a", "b"])},
        )
        checks = [CheckSpec(f"c{number}", "c", dice.choice(STATUSES), service_id=service.service_id)]
        if dice.random() < 0.3:
            checks.append(CheckSpec("node", "n", dice.choice(STATUSES)))
        node_address = dice.choice([f"10.1.0.{number}", f"fd01::{number}"])
        world.apply(CatalogRegister(f"n{number}", node_address, "dc1", service=service, checks=tuple(checks)))
    query = QueryService("web", tags=("blue",), service_meta={"env": "a"}, ignore_check_ids=("node",))
    world.apply(PreparedQuerySet("q-1", QueryDefinition("best", query), True))


@pytest.mark.parametrize(("family", "held"), [("A", 74), ("AAAA", 42)])
def test_how_many_addresses_a_datagram_holds_is_told(make_world, family, held):
    world = make_world()
    for number in range(1, 101):
        world.instance(number, address=f"fd00::{number}" if family == "AAAA" else f"10.0.0.{number}")
    found = explain(world.store, (b"web", b"service", b"consul"), family, DnsRules()).value
    assert f"a datagram of 1232 bytes, as most clients take, holds {held} of them; TCP all" in found.notes
    assert len(world.ask("web.service.consul", family, edns=1232).answer[0]) == held
    assert len(world.ask("web.service.consul", family, tcp=True).answer[0]) == found.answers == 100


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("only_passing", [True, False])
def test_what_is_explained_is_what_is_answered(make_world, seed, only_passing):
    dice = random.Random(seed)
    limit = dice.choice([0, 0, 2])
    world = make_world(only_passing=only_passing, a_record_limit=limit)
    fill(world, dice)
    rules = DnsRules(only_passing=only_passing, limits=AnswerLimits(addresses=limit))
    for name in NAMES:
        for qtype in TYPES:
            where = (seed, name, qtype)
            found = explain(world.store, tuple(name.encode().split(b".")), qtype, rules).value
            reply = world.ask(name, qtype, tcp=True)
            assert found.rcode == dns.rcode.to_text(reply.rcode()), where
            answered = [str(rdata) for rrset in reply.answer for rdata in rrset if rrset.name == reply.question[0].name]
            assert found.answers == len(answered), (where, answered, found)
            if qtype in {"A", "AAAA"} and "service" in name:
                chosen = {one.record.removeprefix("CNAME ") for one in found.verdicts if one.status != "out"}
                assert {one.rstrip(".") for one in answered} <= chosen, where
                assert limit or len(answered) == len(chosen), where

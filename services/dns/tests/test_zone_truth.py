"""After any changes, what is kept says what a fresh compile would say; and only what was concerned is made anew."""

import random

import dns.message
import pytest

from lictor_dns.zone import Asked
from lictor_state.commands import CatalogDeregister, PreparedQueryDelete

NAMES = [
    *(f"{name}.service.consul." for name in ("web", "db", "front", "v1.web")),
    *(f"n{number}.node.consul." for number in (1, 2, 3)),
    *(f"{name}.connect.consul." for name in ("web", "db")),
    *(f"{name}.virtual.consul." for name in ("web", "db")),
    *(f"{name}.ingress.consul." for name in ("web", "db")),
    *(f"{name}.query.consul." for name in ("q", "geo-web", "geo-db", "geo-none", "q-near")),
    *(f"{number}.0.{net}.10.in-addr.arpa." for number in (1, 2) for net in (0, 1)),
]


def change(world, dice):
    number, name = dice.randint(1, 3), dice.choice(["web", "db"])
    kind = dice.randrange(9)
    if kind == 0:
        world.apply(CatalogDeregister(f"n{number}", service_id=dice.choice(["", f"{name}-{number}"])))
    elif kind == 1:
        world.instance(4, name="front", address=dice.choice(["web.service.consul", "n1.node.consul", "q.query.consul"]))
    elif kind == 2:
        world.proxy(number, name)
    elif kind == 3:
        world.gateway(number, *dice.sample(["web", "db"], dice.randrange(3)), name=f"edge-{dice.randint(1, 2)}")
    elif kind == 4:
        query = dice.choice([("q", name, False), ("geo-", "${name.suffix}", True), ("geo-web", name, False)])
        world.query(query[0], query[1], template=query[2], only_passing=dice.random() < 0.5)
    elif kind == 5:
        query_id = f"id-of-{dice.choice(['q', 'geo-', 'geo-web'])}"
        if world.store.prepared_query(query_id) is not None:
            world.apply(PreparedQueryDelete(query_id))
    elif kind == 6:
        world.query("q-near", name, near=f"n{number}")
    else:
        world.instance(
            number,
            name=name,
            status=dice.choice(["passing", "warning", "critical"]),
            address=dice.choice(["", f"10.0.0.{number}"]),
            node_address=dice.choice([f"10.1.0.{number}", f"10.2.0.{number}"]),
            tags=dice.choice([(), ("v1",)]),
        )


def said(world, name, rtype):
    reply = world.ask(name, rtype, edns=4096)
    sections = (reply.answer, reply.additional)
    return reply.rcode(), [{f"{rrset.name} {rdata}" for rrset in part for rdata in rrset} for part in sections]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_is_what_a_fresh_zone_says(make_world, seed):
    dice = random.Random(seed)
    world = make_world(only_passing=False)
    for _ in range(40):
        change(world, dice)
        fresh = make_world(only_passing=False)
        fresh.store = world.store
        for name in NAMES:
            for rtype in ("A", "SRV"):
                assert said(world, name, rtype) == said(fresh, name, rtype), (name, rtype)
    kept = world.zone._sets
    named = {dependency for made in kept.values() for dependency in made.dependencies}
    assert set(world.zone._by_dependency) == named
    assert all(keys <= set(kept) for keys in world.zone._by_dependency.values())


def test_a_change_drops_the_sets_of_the_names_that_it_concerns_and_no_others(world):
    world.instance(1)
    world.instance(2, name="db")
    world.instance(3, name="front", address="web.service.consul")
    world.query("q", "web")
    world.query("geo-", "${name.suffix}", template=True)
    world.gateway(4, "web")
    names = ["web.service", "db.service", "front.service", "q.query", "geo-db.query", "n1.node", "web.ingress"]
    by_name = {}
    for name in names:
        before = set(world.zone._sets)
        world.ask(f"{name}.consul.")
        (by_name[name],) = set(world.zone._sets) - before

    def dropped(act):
        for name in names:
            world.ask(f"{name}.consul.")
        act()
        return {name for name, key in by_name.items() if key not in world.zone._sets}

    assert dropped(lambda: world.instance(1, status="warning")) == {"web.service", "front.service", "q.query"}
    world.instance(1)
    assert dropped(lambda: world.instance(2, name="db", status="warning")) == {"db.service", "geo-db.query"}
    world.instance(2, name="db")
    assert dropped(lambda: world.query("q", "web", only_passing=True)) == {"q.query"}
    assert dropped(lambda: world.query("geo-d", "db", template=True)) == {"geo-db.query"}
    assert dropped(lambda: world.gateway(4, "web", "db")) == set(), "what it serves of web has not changed"
    assert dropped(lambda: world.gateway(4, "db")) == {"web.ingress"}
    del by_name["web.ingress"]
    assert dropped(lambda: world.query("unheard-of")) == set()


def test_sets_are_bounded_and_dropping_them_forgets_what_they_depended_on(world, monkeypatch):
    monkeypatch.setattr("lictor_dns.zone.zone.SETS_MAX", 3)
    for number in range(1, 6):
        world.instance(number, name=f"s{number}")
        world.ask(f"s{number}.service.consul.")
        assert len(world.zone._sets) <= 3
    assert len(world.zone._by_dependency) <= 3


def test_a_set_is_compiled_once_for_each_change(world):
    world.instance(1)
    asked = Asked(1, world.zone.domain)
    lookup = world.zone._sets
    query = dns.message.make_query("web.service.consul.", "A").to_wire()
    world.responder.answer_udp(query, bytes(4))
    (key,) = lookup
    made = lookup[key]
    for _ in range(50):
        world.responder.answer_udp(query, bytes(4))
    assert world.zone.find(key[0], asked) is made

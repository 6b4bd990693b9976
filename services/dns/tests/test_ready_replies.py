"""Replies kept ready: found by any spelling, bounded, fair, and never older than what they were made of."""

import random
import struct
from collections import Counter

import dns.message
import pytest

from lictor_dns.ready_replies import SLOTS_MAX, TURNS, ReadyReplies
from lictor_state.commands import CatalogDeregister

CLIENT = bytes((192, 0, 2, 1))


def query(name="web.service.consul.", rtype="A", number=1, **more):
    made = dns.message.make_query(name, rtype, **more)
    made.id = number
    return made.to_wire()


def replies(asked, size=100):
    """A maker of replies to a query: its question, then the rotation and filling."""
    stop = asked.index(0, 12) + 5

    def make(rotation):
        return b"\0\0" + b"\x84\0" + asked[4:stop] + struct.pack(">I", rotation) + bytes(size)

    return make


def rotation_of(reply):
    stop = reply.index(0, 12) + 5
    return struct.unpack_from(">I", reply, stop)[0]


def test_a_reply_has_the_id_and_the_spelling_of_its_own_query():
    ready = ReadyReplies()
    first = query("WeB.service.CONSUL.", number=7)
    assert ready.keep(first, ["web"], 3, 0, replies(first))[:2] == b"\0\7"
    for number, name in enumerate(("web.service.consul.", "WEB.SERVICE.CONSUL.", "wEb.sErvice.consul."), 300):
        asked = query(name, number=number)
        found = ready.find(asked)
        assert found is not None
        assert found[:2] == struct.pack(">H", number)
        assert found[12 : len(asked)] == asked[12:]
    assert ready.found == 3
    assert len(ready) == 1


@pytest.mark.parametrize("other", [query(rtype="AAAA"), query("wab.service.consul."), query(use_edns=0), query()[:-1]])
def test_what_differs_in_more_than_id_and_spelling_is_another_query(other):
    ready = ReadyReplies()
    asked = query()
    ready.keep(asked, ["web"], 1, 0, replies(asked))
    assert ready.find(other) is None


def test_a_label_with_a_zero_byte_or_no_end_is_only_found_as_it_was_kept():
    ready = ReadyReplies()
    odd = query()[:12] + b"\3A\0b\0\0\1\0\1"
    ready.keep(odd, ["odd"], 1, 0, lambda _: b"\0\0" + odd[2:])
    assert ready.find(b"\5\6" + odd[2:]) == b"\5\6" + odd[2:]
    assert ready.find(query()[:12] + b"\3A\0B\0\0\1\0\1") is None
    assert ready.find(query()[:12] + b"\3WWW") is None


@pytest.mark.parametrize("count", [1, 2, 10, SLOTS_MAX])
def test_a_small_set_turns_exactly(count):
    ready = ReadyReplies()
    asked = query()
    seen = [rotation_of(ready.keep(asked, ["web"], count, 5, replies(asked)))]
    seen += [rotation_of(ready.find(asked)) for _ in range(10 * count - 1)]
    assert Counter(one % count for one in seen) == dict.fromkeys(range(count), 10)


@pytest.mark.parametrize("count", [17, 20, 100, 1000])
def test_a_large_set_is_spread_evenly_and_few_replies_are_made(count):
    ready = ReadyReplies()
    asked = query()
    made = []

    def make(rotation):
        made.append(rotation)
        return replies(asked)(rotation)

    seen = Counter([rotation_of(ready.keep(asked, ["web"], count, 3, make)) % count])
    asks = count * TURNS * 4
    for _ in range(asks - 1):
        seen[rotation_of(ready.find(asked)) % count] += 1
    assert len(made) <= asks / TURNS + SLOTS_MAX
    assert len(seen) == count
    assert max(seen.values()) < 1.6 * asks / count
    assert min(seen.values()) > 0.4 * asks / count


def test_what_was_made_of_a_dependency_goes_with_it_and_nothing_else_does():
    ready = ReadyReplies()
    for name, dependencies in {"a.consul.": ["x"], "b.consul.": ["x", "y"], "c.consul.": ["y"]}.items():
        ready.keep(query(name), dependencies, 1, 0, replies(query(name)))
    ready.drop("x")
    assert [ready.find(query(name)) is not None for name in ("a.consul.", "b.consul.", "c.consul.")] == [0, 0, 1]
    ready.drop("y")
    ready.drop("z")
    assert (len(ready), ready.bytes, ready._by_dependency) == (0, 0, {})


def test_a_query_kept_again_has_only_its_new_replies():
    ready = ReadyReplies()
    ready.keep(query(), ["old"], 1, 0, replies(query()))
    ready.keep(query(), ["new"], 1, 9, replies(query()))
    ready.drop("old")
    assert rotation_of(ready.find(query())) == 9
    assert len(ready) == 1


def test_made_up_variants_do_not_push_out_what_everybody_asks():
    ready = ReadyReplies(queries_max=200)
    hot = [query(f"hot-{number}.service.consul.") for number in range(50)]
    for asked in hot:
        ready.keep(asked, ["hot"], 1, 0, replies(asked))
        ready.find(asked)
    dice = random.Random(3)
    for number in range(8_000):
        variant = query(use_edns=0, payload=512 + number)
        if ready.find(variant) is None:
            ready.keep(variant, ["web"], 1, 0, replies(variant))
        if number % 10 == 0:
            assert ready.find(dice.choice(hot)) is not None, number
    assert len(ready) <= 200
    assert ready.evicted > 7_000


def test_a_name_that_becomes_hot_during_a_flood_stays():
    ready = ReadyReplies(queries_max=200)
    missed = 0
    for number in range(5_000):
        variant = query(use_edns=0, payload=512 + number)
        ready.keep(variant, ["web"], 1, 0, replies(variant))
        if number % 5 == 0 and ready.find(query()) is None:
            missed += 1
            ready.keep(query(), ["web"], 1, 0, replies(query()))
    assert missed == 1


def test_bytes_are_bounded_whatever_is_asked():
    ready = ReadyReplies(queries_max=10_000, bytes_max=200_000)
    dice = random.Random(5)
    for _ in range(5_000):
        asked = query(f"s{dice.randrange(400)}.consul.")
        if ready.find(asked) is None:
            ready.keep(asked, ["all"], dice.randrange(1, 40), 0, replies(asked, dice.randrange(50, 3_000)))
        assert ready.bytes <= 200_000
    assert ready.evicted


def test_replies_to_one_query_are_bounded_too():
    ready = ReadyReplies()
    asked = query()
    ready.keep(asked, ["web"], 10, 0, replies(asked, 60_000))
    for turn in range(1, 40):
        assert rotation_of(ready.find(asked)) % 10 == turn % 10
        assert ready.bytes <= 256 * 1024 + 70_000


def test_the_books_are_right_after_any_sequence():
    dice = random.Random(7)
    ready = ReadyReplies(queries_max=40, bytes_max=60_000)
    for _ in range(4_000):
        asked = query(f"s{dice.randrange(60)}.consul.")
        fate = dice.random()
        if fate < 0.05:
            ready.drop(dice.choice([*"abcdef", None] if dice.random() < 0.1 else "abcdef"))
        elif ready.find(asked) is None:
            size = dice.randrange(20, 800)
            ready.keep(asked, dice.sample("abcdef", 2), dice.randrange(1, 30), 0, replies(asked, size))
        both = [*ready._new.values(), *ready._proven.values()]
        assert {one.key for one in both} == set(ready._by_key)
        assert len(ready) <= 40
        assert ready.bytes == sum(one.size for one in both) <= 60_000
        assert ready._new_bytes == sum(one.size for one in ready._new.values())
        known = {(name, key) for name, keys in ready._by_dependency.items() for key in keys}
        assert known == {(name, one.key) for one in both for name in one.dependencies}


def test_no_reply_is_older_than_the_last_change(world, make_world):
    """Random changes; what is answered from the kept replies must be what a fresh zone over the same rows answers."""
    dice = random.Random(23)
    names = [f"{name}.service.consul." for name in ("web", "db", "v1.web", "nothing")]
    names += [f"n{number}.node.consul." for number in (1, 2, 3)]
    world.responder.ready = ReadyReplies(queries_max=9)
    world.zone.on_drop[:] = [world.responder.ready.drop]
    for _ in range(120):
        number, name = dice.randint(1, 3), dice.choice(["web", "db"])
        if dice.random() < 0.25:
            world.apply(CatalogDeregister(f"n{number}", service_id=dice.choice(["", f"{name}-{number}"])))
        else:
            world.instance(
                number,
                name=name,
                status=dice.choice(["passing", "critical"]),
                tags=dice.choice([(), ("v1",)]),
                node_address=dice.choice([f"10.1.0.{number}", f"10.2.0.{number}"]),
            )
        fresh = make_world()
        fresh.store = world.store
        for _ in range(12):
            asked = "".join(dice.choice((letter, letter.upper())) for letter in dice.choice(names))
            rtype = dice.choice(["A", "AAAA", "SRV", "TXT"])
            kept, new = world.ask(asked, rtype), fresh.ask(asked, rtype)
            assert kept.rcode() == new.rcode()
            assert str(kept.question) == str(new.question)
            for ours, theirs in ((kept.answer, new.answer), (kept.authority, new.authority)):
                assert {(str(one.name), str(data)) for one in ours for data in one} == {
                    (str(one.name), str(data)) for one in theirs for data in one
                }
    assert world.responder.ready.found > 100
    assert world.responder.negatives.found > 10


def test_a_negative_reply_is_found_until_the_index_moves(world):
    world.instance(1)
    first = world.ask("nothing.service.consul.", "A")
    again = world.ask("NOTHING.service.consul.", "A")
    assert world.responder.negatives.found == 1
    assert again.authority == first.authority
    world.instance(2)
    assert world.ask("nothing.service.consul.", "A").authority[0][0].serial == world.store.index
    world.instance(1, name="nothing")
    assert len(world.ask("nothing.service.consul.", "A").answer) == 1

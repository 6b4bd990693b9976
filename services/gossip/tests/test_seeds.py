"""Seeds: whom a member tries, how often, and that it never gives up."""

import asyncio
import random
from collections.abc import Callable

import pytest

from lictor_gossip import seeds
from lictor_gossip.seeds import ADDRESSES_MAX, Joining, Seed, addresses_of, host_and_port, parse, to_try
from lictor_swim import Endpoint

OWN = Endpoint("10.0.0.1", 8301)


def at(*numbers):
    return [Endpoint(f"10.0.0.{number}", 8301) for number in numbers]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a, b:7946 ,,10.0.0.2", [Seed("a", 8301), Seed("b", 7946), Seed("10.0.0.2", 8301)]),
        ("[::1]:99,::1,[fd00::2]", [Seed("::1", 99), Seed("::1", 8301), Seed("fd00::2", 8301)]),
        ("host:port,host:99999", [Seed("host", 8301), Seed("host", 8301)]),
    ],
)
def test_a_list_of_seeds_is_read(text, expected):
    assert parse(text, 8301) == expected
    assert [host_and_port(one.host, one.port) for one in expected] == [tuple(one) for one in expected]


def test_alone_everything_is_tried_except_oneself():
    assert to_try(at(1, 2), at(3, 2), {OWN}, [], random.Random(1)) == at(2, 3)


def test_in_company_only_seeds_that_no_living_member_holds_are_tried():
    assert to_try(at(1, 2, 4), at(3), {OWN}, at(2), random.Random(1)) == at(4)
    assert to_try(at(1, 2), at(3), {OWN}, at(2), random.Random(1)) == []


def test_of_many_addresses_others_are_tried_each_time():
    many, dice = at(*range(2, 250)), random.Random(1)
    tried = [to_try(many, [], {OWN}, [], dice) for _ in range(60)]
    assert {len(one) for one in tried} == {ADDRESSES_MAX}
    assert len(set().union(*tried)) > 200


class World:
    """A member that is alone until somebody answers; names lead where `names` says at that moment."""

    def __init__(self, monkeypatch, names):
        self.names, self.answering, self.alive = names, set(), []
        self.tries, self.said, self.slept = [], [], []
        self.on_sleep: Callable[[int], None] = lambda _number: None
        monkeypatch.setattr(seeds, "addresses_of", self.look_up)

    async def look_up(self, host, _port):
        return self.names.get(host, [])

    async def join(self, targets):
        self.tries.append(list(targets))
        self.alive += [one for one in targets if one in self.answering]
        return len(self.alive)

    async def run(self, wanted, remembered=(), rounds=12):
        async def sleep(seconds):
            self.slept.append(seconds)
            if len(self.slept) >= rounds:
                raise asyncio.CancelledError
            self.on_sleep(len(self.slept))

        joining = Joining(
            wanted, list(remembered), {OWN}, lambda: self.alive, self.join, self.said.append, random.Random(3)
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "sleep", sleep)
            with pytest.raises(asyncio.CancelledError):
                await joining.run()


def test_all_seeds_may_be_down_for_long_and_the_pool_is_found_when_one_is_up(monkeypatch):
    world = World(monkeypatch, {"a": ["10.0.0.2"], "b": ["10.0.0.3"]})

    def wake(round_number):
        if round_number == 9:
            world.answering = set(at(3))

    world.on_sleep = wake
    asyncio.run(world.run([Seed("a", 8301), Seed("b", 8301)]))
    assert world.tries[:10] == [at(2, 3)] * 10
    assert world.slept[0] <= seeds.RETRY_S_MIN
    assert seeds.RETRY_S_MAX / 2 <= max(world.slept[:9]) <= seeds.RETRY_S_MAX
    assert world.said[0].startswith("alone: nobody answers at a, b")
    assert world.said[-1] == ""
    # afterwards the seed that is still down is looked at now and then
    assert world.tries[10:] == [at(2)] * len(world.tries[10:])
    assert min(world.slept[9:]) >= seeds.LOOK_AGAIN_S / 2


def test_a_name_is_looked_up_anew_each_time_and_all_its_addresses_are_tried(monkeypatch):
    world = World(monkeypatch, {})

    def moves(round_number):
        world.names = {"pool": [f"10.0.0.{round_number + 1}", f"10.0.0.{round_number + 2}"]}

    world.on_sleep = moves
    asyncio.run(world.run([Seed("pool", 8301)], rounds=4))
    assert world.tries == [at(2, 3), at(3, 4), at(4, 5)]


def test_members_of_the_last_run_are_tried_beside_the_seeds_until_one_answers(monkeypatch):
    world = World(monkeypatch, {"gone": []})
    world.on_sleep = lambda number: world.answering.update(at(7) if number == 3 else [])
    asyncio.run(world.run([Seed("gone", 8301)], remembered=at(6, 7), rounds=6))
    assert world.tries == [at(6, 7)] * 4


def test_who_has_neither_seeds_nor_memory_waits_to_be_joined(monkeypatch):
    world = World(monkeypatch, {})
    asyncio.run(world.run([], rounds=3))
    assert (world.tries, set(world.said)) == ([], {""})


def test_names_that_lead_nowhere_are_no_error():
    async def story():
        assert await addresses_of("", 1) == []
        assert await addresses_of("no.such.invalid", 1) == []
        assert await addresses_of("127.0.0.9", 1) == ["127.0.0.9"]
        assert await addresses_of("x" * 300, 1) == []

    asyncio.run(story())

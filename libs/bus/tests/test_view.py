"""Design rules 3.7 to 3.11 at the reader: complete before ready, exact up to its index, resumes after any loss."""

import asyncio
import random

import pytest

from lictor_bus import frames, subjects
from lictor_state import dump, restore
from lictor_state.commands import CatalogRegister, KVSet, RaiseLevel, ServiceSpec
from lictor_state.rows import Table


def register(number):
    return CatalogRegister(f"node-{number}", "127.0.0.1", "dc1", service=ServiceSpec("web", "web", port=number))


def kept_from_the_feed(world):
    """What the store says on the stream `all` from now on, which nobody hears."""
    messages, publish = [], world.store.bus.publish

    async def keep(subject, data, reply=""):
        if subject == subjects.feed(world.store.cluster, "all"):
            messages.append(data)
        else:
            await publish(subject, data, reply)

    world.store.bus.publish = keep
    return messages


def test_a_view_is_ready_once_it_is_complete(in_world):
    async def story(world):
        await world.store.apply(KVSet("a", b"1"))
        view = await world.view()
        assert view.store.kv("a").value == b"1"
        assert view.index == world.store.store.index

    in_world(story)


def test_changes_reach_the_view_and_its_listeners_in_order(in_world, until):
    async def story(world):
        view = await world.view()
        seen = []
        view.on_load(lambda index, _changes: seen.append(index))
        for number in range(5):
            await world.store.apply(KVSet(f"k{number}", b"x"))
        await until(lambda: view.index == world.store.store.index)
        assert seen == sorted(seen)
        assert len(seen) == 5
        assert view.store.digest() == world.store.store.digest()

    in_world(story)


def test_a_lost_message_is_a_gap_that_the_next_one_shows(in_world, until):
    async def story(world):
        view = await world.view()
        world.store.publishing = False
        await world.store.apply(KVSet("lost", b"x"))
        world.store.publishing = True
        await world.store.apply(KVSet("seen", b"x"))
        await until(lambda: view.index == world.store.store.index)
        assert view.store.kv("lost") is not None
        assert view.resumes == 2

    in_world(story)


def test_a_lost_last_message_is_noticed_by_two_beacons(in_world, until):
    async def story(world):
        view = await world.view()
        world.store.publishing = False
        await world.store.apply(KVSet("lost", b"x"))
        await world.store.beacon()
        await world.store.beacon()
        await until(lambda: view.store.kv("lost") is not None)

    in_world(story)


def test_a_beacon_moves_the_index_of_a_view_that_lacks_nothing(in_world, until):
    async def story(world):
        view = await world.view("discovery")
        await world.store.apply(KVSet("a", b"1"))  # does not touch the stream
        assert view.index < world.store.store.index
        await world.store.beacon()
        await until(lambda: view.index == world.store.store.index)
        assert view.resumes == 1

    in_world(story)


def test_a_strong_read_moves_the_index_as_a_beacon_does(in_world):
    async def story(world):
        view = await world.view("discovery")
        await world.store.apply(KVSet("a", b"1"))
        answer = await world.gate.ask(consistent=False)
        assert await view.reach(answer, 1.0)
        assert view.index == world.store.store.index

    in_world(story)


def test_waiting_for_an_index_ends_when_it_is_reached_or_time_is_up(in_world):
    async def story(world):
        view = await world.view()
        waiting = asyncio.ensure_future(view.wait_for(view.index + 1, 2.0))
        await world.store.apply(KVSet("a", b"1"))
        assert await waiting
        assert not await view.wait_for(view.index + 100, 0.05)

    in_world(story)


def test_a_view_too_far_behind_is_given_a_snapshot_and_wakes_its_watchers(in_world, until):
    async def story(world):
        view = await world.view()
        woken = []
        view.store.watches.add([("row", 4, ("other",))], lambda: woken.append(1))
        world.store.keep_changes = False
        world.store.publishing = False
        for number in range(200):
            await world.store.apply(register(number))
        world.store.publishing = True
        await world.store.apply(KVSet("last", b"x"))
        await until(lambda: view.index == world.store.store.index)
        assert view.store.digest() == world.store.store.digest()
        assert woken == [1]

    in_world(story)


def test_a_view_whose_snapshot_is_gone_at_the_member_asks_again(in_world, until):
    class ForgetsTwice(dict[int, list[bytes]]):
        left = 2

        def get(self, key, default=None):
            self.left -= 1
            return default if self.left >= 0 else super().get(key, default)

    async def story(world):
        view = await world.view()
        world.store._snapshots = ForgetsTwice()
        world.store.keep_changes = world.store.publishing = False
        await world.store.apply(register(1))
        world.store.publishing = True
        await world.store.apply(KVSet("last", b"x"))
        await until(lambda: view.index == world.store.store.index)
        assert view.store.digest() == world.store.store.digest()

    in_world(story)


def test_a_snapshot_that_is_older_than_the_view_is_not_taken(in_world, until):
    async def story(world):
        view = await world.view()
        older = restore(dump(world.store.store))
        await world.store.apply(KVSet("a", b"1"))
        await until(lambda: view.index == world.store.store.index)
        newest, world.store.store = world.store.store, older
        world.store.keep_changes = False
        indexes = []
        view.on_reset(lambda: indexes.append(view.index))
        offered = len(world.store._snapshots)
        announced = frames.Feed(world.store.cluster, view.store.epoch, view.index, view.index + 1, [], resume=True)
        await world.bus.publish(subjects.feed(world.store.cluster, "all"), frames.encode(announced))
        await until(lambda: len(world.store._snapshots) > offered + 1)
        assert view.store.kv("a").value == b"1"
        world.store.store = newest
        await until(lambda: bool(indexes))
        assert set(indexes) == {newest.index}

    in_world(story)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("stream", ["all", "discovery", "mesh"])
def test_any_loss_of_feed_messages_leaves_the_view_equal_to_the_store(in_world, until, seed, stream):
    dice = random.Random(seed)

    async def story(world):
        await world.store.apply(register(0))
        view = await world.view(stream)
        whole = await world.view(stream)
        world.hub.lost = lambda subject, _data: subject.startswith("feed.") and dice.random() < 0.4
        world.spawn(world.store.beacons(0.01))
        for number in range(60):
            world.store.keep_changes = dice.random() < 0.7
            await world.store.apply(register(number % 9) if dice.random() < 0.5 else KVSet(f"k{number}", b"x"))
            if dice.random() < 0.3:
                await asyncio.sleep(0.002)
        world.hub.lost = lambda _subject, _data: False
        await world.store.apply(register(77))
        await until(lambda: view.index == whole.index == world.store.store.index)
        assert view.store.digest() == whole.store.digest()

    in_world(story)


def test_a_beacon_of_another_cluster_is_told_and_not_followed(in_world, until):
    async def story(world):
        view = await world.view()
        foreign = frames.Beacon("other", 1, 99, 5, 1000, {}, ())
        await world.bus.publish("store.other.beacon", frames.encode(foreign))
        await until(lambda: world.tracker.foreign_clusters == ("other",))
        assert view.cluster == world.store.cluster
        assert world.tracker.leader == world.store.member_id

    in_world(story)


def test_beacons_of_lower_terms_are_ignored(in_world, until):
    async def story(world):
        await until(lambda: world.tracker.term == 2)
        world.store.term = 1
        await world.store.beacon()
        await asyncio.sleep(0.02)
        assert world.tracker.term == 2

    in_world(story)


def test_a_view_learns_the_feature_level_from_beacons(in_world, until):
    async def story(world):
        view = await world.view()
        level = view.store.level + 1
        await world.store.apply(RaiseLevel(level))
        await world.store.beacon()
        await until(lambda: view.store.level == level)
        assert view.store.digest() == world.store.store.digest()

    in_world(story)


def test_what_comes_by_a_faster_road_is_taken_in_its_turn_only_and_once(in_world, until):
    async def story(world):
        view = await world.view()
        seen = []
        view.on_load(lambda index, _changes: seen.append(index))
        messages = kept_from_the_feed(world)
        for number in range(3):
            await world.store.apply(KVSet(f"k{number}", b"x"))
        assert len(messages) == 3
        resumes = view.resumes
        view.offer(messages[1])  # the one before it is still on its way: no gap, no resume
        view.offer(b"no feed")
        assert seen == []
        before = view.index
        view.offer(messages[0])
        view.offer(messages[1])
        assert view.index > before, "it counts at once"
        assert seen == [], "and is loaded behind the answers that it came with"
        assert view.store.kv("k1") is not None, "or when somebody looks"
        assert len(seen) == 2
        for message in messages:  # and then it comes by the feed
            view._on_feed("", message, "")
        assert view.index == world.store.store.index
        assert seen == sorted(set(seen))
        assert view.resumes == resumes

    in_world(story)


def test_offered_changes_are_loaded_though_nobody_looks_and_wake_who_waits(in_world, until):
    async def story(world):
        view = await world.view()
        woken = asyncio.Event()
        messages = kept_from_the_feed(world)
        done = await world.store.apply(KVSet("watched", b"x"))
        view.store.watches.add((("row", Table.KV, ("watched",)),), woken.set)
        reached = asyncio.ensure_future(view.wait_for(done.index, 5))
        await asyncio.sleep(0)
        assert not woken.is_set()
        view.offer(messages[0])
        assert await reached
        await until(woken.is_set)
        assert view.index == done.index

    in_world(story)


def test_waits_for_an_index_end_in_the_order_of_their_indexes_or_at_their_time(in_world):
    async def story(world):
        view = await world.view()
        told: list[object] = []
        index = view.index
        for number in (3, 1, 2):
            view.when(index + number, 5.0, lambda there, number=number: told.append((number, there)))
        view.when(index + 9, 0.01, lambda there: told.append((9, there)))
        view.when(index, 0.0, lambda there: told.append((0, there)))
        assert told == [(0, True)]
        await asyncio.sleep(0.05)
        assert told == [(0, True), (9, False)]
        for number in range(3):
            await world.store.apply(KVSet(f"k{number}", b"x"))
        assert await view.wait_for(index + 3, 2.0)
        assert told[2:] == [(1, True), (2, True), (3, True)]
        assert not view._waits

    in_world(story)


def test_waits_that_are_over_are_not_kept(in_world):
    async def story(world):
        view = await world.view()
        told: list[object] = []
        for _ in range(500):
            view.when(view.index + 1, 0.01, told.append)
        await asyncio.sleep(0.05)
        assert told == [False] * 500
        assert not view._waits

    in_world(story)

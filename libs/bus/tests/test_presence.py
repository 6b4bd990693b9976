"""Presence: processes are there while they announce themselves, and know when they are cut off."""

import asyncio

from lictor_bus import FakeBus, Hub, Presence


async def until(condition):
    async with asyncio.timeout(3):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def run(story):
    async def main():
        tasks: list[asyncio.Task[None]] = []
        try:
            await asyncio.wait_for(story(Hub(), tasks), 10)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_newcomers_are_known_at_once_in_both_directions():
    async def story(hub, tasks):
        one = Presence(FakeBus(hub), "dns", "n1", "a", {"port": 1})
        two = Presence(FakeBus(hub), "dns", "n2", "b")
        for presence in (one, two):
            tasks.append(asyncio.ensure_future(presence.run()))
        await until(lambda: len(one.present("dns")) == len(two.present("dns")) == 2)
        assert [(kept.node, kept.record) for kept in two.present("dns")] == [("n1", {"port": 1}), ("n2", {})]

    run(story)


def test_a_goodbye_removes_a_process_at_once():
    async def story(hub, tasks):
        one, two = Presence(FakeBus(hub), "dns", "n1", "a"), Presence(FakeBus(hub), "dns", "n2", "b")
        tasks += [asyncio.ensure_future(one.run()), asyncio.ensure_future(two.run())]
        await until(lambda: len(one.present("dns")) == 2)
        assert one.silent_s("dns", "b") < 1
        await two.close()
        await until(lambda: [kept.instance for kept in one.present("dns")] == ["a"])
        assert one.silent_s("dns", "b") == float("inf")

    run(story)


def test_silence_of_three_seconds_removes_a_process_and_tells_listeners():
    async def story(hub, tasks):
        now = [0.0]
        watching = Presence(FakeBus(hub), "x", "n1", "a", clock=lambda: now[0])
        other = Presence(FakeBus(hub), "dns", "n2", "b")
        tasks += [asyncio.ensure_future(watching.run()), asyncio.ensure_future(other.run())]
        await until(lambda: watching.present("dns"))
        now[0] += 2.9
        assert watching.present("dns")
        now[0] += 0.2
        assert not watching.present("dns")

    run(story)


def test_a_process_that_does_not_hear_itself_knows_how_long():
    async def story(hub, tasks):
        now = [0.0]
        presence = Presence(FakeBus(hub), "dns", "n1", "a", clock=lambda: now[0])
        assert presence.echo_age_s() == float("inf")
        tasks.append(asyncio.ensure_future(presence.run()))
        await until(lambda: presence.echo_age_s() == 0.0)
        hub.lost = lambda subject, _data: subject.startswith("presence.")
        now[0] += 1.5
        assert presence.echo_age_s() == 1.5

    run(story)


def test_a_changed_record_is_told_at_once():
    async def story(hub, tasks):
        one, two = Presence(FakeBus(hub), "dns", "n1", "a"), Presence(FakeBus(hub), "dns", "n2", "b")
        tasks += [asyncio.ensure_future(one.run()), asyncio.ensure_future(two.run())]
        await until(lambda: len(one.present("dns")) == 2)
        two.update({"load": 3})
        await until(lambda: one.present("dns")[1].record == {"load": 3})

    run(story)


def test_a_cancel_that_comes_together_with_a_nudge_ends_the_announcing():
    async def story(hub, tasks):
        presence = Presence(FakeBus(hub), "dns", "n1", "a", {"port": 1})
        announcing = asyncio.ensure_future(presence.run())
        tasks.append(announcing)
        await until(lambda: presence.present("dns"))
        await asyncio.sleep(0.01)
        presence.update({"port": 2})
        announcing.cancel()
        await asyncio.wait([announcing], timeout=1)
        assert announcing.cancelled()

    run(story)

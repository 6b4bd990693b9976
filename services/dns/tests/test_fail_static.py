"""A dns whose store goes away, comes back, or is not there at the start."""

import asyncio
import contextlib

import dns.message
import dns.rcode
import pytest

from lictor_bus import FakeBus, Hub, LeaderTracker, View, ViewSaver
from lictor_bus.fake_store import FakeStore
from lictor_dns import fail_static
from lictor_dns.fail_static import FailStatic
from lictor_kit import Metrics, Readiness
from lictor_state.commands import CatalogRegister, ServiceSpec

CLIENT = bytes((127, 0, 0, 1))


def register(number):
    return CatalogRegister(f"n{number}", f"10.0.0.{number}", "dc1", service=ServiceSpec("web", "web", port=80))


class Dns:
    """What keeps one dns fresh, over a bus in memory; clocks stand until they are moved."""

    def __init__(self, hub, world, age_max_s=1000.0):
        self.bus = FakeBus(hub)
        self.monotonic, self.wall = 0.0, 1e9
        self.view = View(self.bus, LeaderTracker(self.bus, clock=lambda: self.monotonic), "discovery")
        world.zone._store = lambda: self.view.store
        self.view.on_load(lambda _index, changes: world.zone.load(changes))
        self.view.on_reset(world.zone.reset)
        self.responder = world.responder
        self.responder.complete = False
        self.readiness, self.metrics = Readiness(), Metrics("dns")
        self.fresh = FailStatic(self.view, self.responder, self.readiness, self.metrics, age_max_s, lambda: self.wall)
        self.tasks = []

    def start(self, path=None):
        self.spawn(self.fresh.run())
        if path is not None:
            self.spawn(self.fresh.start_from(path))
        return self

    async def follow(self):
        await self.view.leader.start()
        self.spawn(self.view.run())

    def spawn(self, work):
        self.tasks.append(asyncio.ensure_future(work))

    def addresses(self):
        """The addresses of `web`, or the response code's name."""
        query = dns.message.make_query("web.service.consul.", "A", use_edns=0)
        reply = dns.message.from_wire(self.responder.answer_udp(query.to_wire(), CLIENT))
        if reply.rcode():
            return dns.rcode.to_text(reply.rcode())
        return sorted(str(rdata) for rrset in reply.answer for rdata in rrset)

    def value(self, name):
        return self.metrics.registry.get_sample_value(f"lictor_dns_{name}")

    async def until(self, condition):
        deadline = asyncio.get_running_loop().time() + 5
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, "condition did not come true in time"
            await asyncio.sleep(0.005)

    async def end(self):
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def run(monkeypatch, make_world):
    """Run `story(make_dns, store)`, with looks and waits that tests can afford."""
    monkeypatch.setattr(fail_static, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(fail_static, "SAVED_AFTER_S", 0.05)

    def run_story(story):
        async def main():
            hub, made = Hub(), []

            def make_dns(**more):
                made.append(Dns(hub, make_world(), **more))
                return made[-1]

            store = FakeStore(FakeBus(hub))
            try:
                async with asyncio.timeout(20):
                    await story(make_dns, store)
            finally:
                for one in made:
                    await one.end()

        asyncio.run(main())

    return run_story


async def saved_by(one, path):
    await ViewSaver(one.view, path, lambda: one.wall).close()


def test_answers_go_on_without_the_store_up_to_the_limit_and_come_back_with_it(run):
    async def story(make_dns, store):
        one = make_dns().start()
        await one.follow()
        assert one.addresses() == "SERVFAIL"
        await store.apply(register(1))
        await store.open()
        await one.until(lambda: one.addresses() == ["10.0.0.1"])
        assert one.value("stale_replies_total") == 0
        one.monotonic += 999
        await one.until(lambda: one.value("answers_age_seconds") == 999)
        assert one.addresses() == ["10.0.0.1"]
        await one.until(lambda: one.value("stale_replies_total") > 0)
        assert one.readiness.ready
        one.monotonic += 2
        await one.until(lambda: one.addresses() == "SERVFAIL")  # the reply that was kept ready too
        assert one.readiness.waiting == {"view": "what is held is 1001 s old, at most 1000 s are answered from"}
        await store.apply(register(2))
        await store.beacon()
        await one.until(lambda: one.addresses() == ["10.0.0.1", "10.0.0.2"])
        assert one.readiness.ready

    run(story)


def test_a_cold_start_without_the_store_answers_from_the_saved_view(run, tmp_path):
    async def story(make_dns, store):
        path = tmp_path / "view"
        earlier = make_dns().start()
        await earlier.follow()
        await store.apply(register(1))
        await store.open()
        await earlier.until(earlier.view.ready.is_set)
        await saved_by(earlier, path)

        one = make_dns()
        one.wall += 120
        one.start(path)
        assert one.addresses() == "SERVFAIL"
        await one.until(lambda: one.addresses() == ["10.0.0.1"])
        assert one.readiness.ready
        assert b"saved 120 s ago" in one.readiness.json()
        assert one.value("answers_age_seconds") == 120
        assert one.value("saved_view_timestamp") == earlier.wall
        await one.until(lambda: one.value("stale_replies_total") > 0)

        await store.apply(register(2))
        await one.follow()
        await store.beacon()
        await one.until(lambda: one.addresses() == ["10.0.0.1", "10.0.0.2"])
        await one.until(lambda: b"saved" not in one.readiness.json())
        assert one.value("answers_age_seconds") == 0

    run(story)


def test_a_saved_view_that_is_too_old_is_not_answered_from(run, tmp_path):
    async def story(make_dns, store):
        earlier = make_dns().start()
        await earlier.follow()
        await store.open()
        await store.apply(register(1))
        await earlier.until(lambda: earlier.addresses() == ["10.0.0.1"])
        await saved_by(earlier, tmp_path / "view")
        one = make_dns()
        one.wall += 1001
        one.start(tmp_path / "view")
        await one.until(lambda: "at most 1000 s" in one.readiness.waiting.get("view", ""))
        assert one.addresses() == "SERVFAIL"

    run(story)


def test_a_store_that_is_there_makes_the_saved_view_unnecessary(run, tmp_path, monkeypatch):
    monkeypatch.setattr(fail_static, "SAVED_AFTER_S", 5.0)

    async def story(make_dns, store):
        earlier = make_dns().start()
        await earlier.follow()
        await store.open()
        await store.apply(register(1))
        await earlier.until(lambda: earlier.addresses() == ["10.0.0.1"])
        await saved_by(earlier, tmp_path / "view")
        await store.apply(register(2))
        one = make_dns().start(tmp_path / "view")
        seen = {str(one.addresses())}
        await one.follow()
        await store.beacon()

        def look():
            seen.add(str(one.addresses()))
            return len(seen) == 2

        await one.until(look)
        assert seen == {"SERVFAIL", "['10.0.0.1', '10.0.0.2']"}

    run(story)


def test_without_a_saved_view_or_with_a_damaged_one_a_cold_start_claims_nothing(run, tmp_path):
    async def story(make_dns, _store):
        (tmp_path / "damaged").write_bytes(b"lictorv\x01" + bytes(100))
        for name in ("damaged", "missing"):
            one = make_dns().start(tmp_path / name)
            await asyncio.sleep(0)
            await one.until(lambda one=one: one.value("answers_age_seconds") == 1e9)
            assert one.addresses() == "SERVFAIL"
            assert not one.readiness.ready

    run(story)

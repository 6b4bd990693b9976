"""Snapshots between members: given up when the other side falls silent, offered anew, never in an own one's place."""

import asyncio
import random

import msgspec
import pytest

from lictor_bus import FakeBus, Hub
from lictor_raft import ConfState, Message, MessageKind, Snapshot, SnapshotMeta
from lictor_raft_store import snapshot_transfer
from lictor_raft_store.sim_disk import SimDisk
from lictor_raft_store.snapshot_store import SnapshotStore
from lictor_raft_store.snapshot_transfer import SnapshotTransfer

DATA = random.Random(1).randbytes(700_000)


class Side:
    """One member's half of the transfer."""

    def __init__(self, hub, member_id):
        self.bus = FakeBus(hub)
        self.disk = SimDisk()
        self.store = SnapshotStore(self.disk, "snapshots")
        self.applied = 0
        self.received: list[Message] = []
        self.reports: list[tuple[int, bool]] = []
        self.tasks: list[asyncio.Future[None]] = []
        self.transfer = SnapshotTransfer(
            self.bus,
            "c",
            member_id,
            self.store,
            spawn=lambda _name, work: self.tasks.append(asyncio.ensure_future(work)),
            received=self.received.append,
            report=lambda member, ok: self.reports.append((member, ok)),
            offload=self.offload,
            applied=lambda: self.applied,
        )

    async def offload(self, function, *arguments):
        await asyncio.sleep(0)
        return function(*arguments)

    def take(self, index, term):
        writer = self.store.create(index, term)
        writer.write(DATA)
        reference = msgspec.msgpack.encode(writer.finish())
        return Message(
            MessageKind.SNAPSHOT,
            to=2,
            from_=1,
            term=term,
            snapshot=Snapshot(SnapshotMeta(index, term, ConfState((1, 2))), reference),
        )


def story(work):
    async def main():
        hub = Hub()
        giver, taker = Side(hub, 1), Side(hub, 2)
        await giver.transfer.open()
        await taker.transfer.open()
        await asyncio.wait_for(work(giver, taker), 10)
        for task in (*giver.tasks, *taker.tasks):
            task.cancel()

    asyncio.run(main())


async def until(condition):
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def test_a_snapshot_arrives_whole():
    async def work(giver, taker):
        message = giver.take(50, 2)
        giver.transfer.offer(message)
        await until(lambda: giver.reports)
        assert giver.reports == [(2, True)]
        assert taker.received == [message]
        assert b"".join(taker.store.chunks(taker.store.newest_sound())) == DATA

    story(work)


def test_a_follower_that_ends_while_it_fetches_is_given_up_and_can_be_offered_again(monkeypatch):
    monkeypatch.setattr(snapshot_transfer, "SILENT_S", 0.2)

    async def work(giver, taker):
        message = giver.take(50, 2)
        taker.transfer._spawn = lambda _name, coroutine: coroutine.close()  # it heard the offer, and ended
        giver.transfer.offer(message)
        await until(lambda: giver.reports)
        assert giver.reports == [(2, False)]
        taker.transfer._spawn = giver.transfer._spawn
        giver.transfer.offer(message)
        await until(lambda: len(giver.reports) == 2)
        assert giver.reports[1] == (2, True)

    story(work)


def test_what_the_core_offers_anew_takes_the_place_of_an_offer_that_nobody_answers():
    async def work(giver, taker):
        taker.transfer._spawn = lambda _name, coroutine: coroutine.close()
        giver.transfer.offer(giver.take(50, 2))
        await asyncio.sleep(0.02)
        taker.transfer._spawn = giver.transfer._spawn
        later = giver.take(60, 3)
        giver.transfer.offer(later)
        giver.transfer.offer(later)  # the same again is under way already
        await until(lambda: giver.reports)
        assert giver.reports == [(2, True)]
        assert taker.received == [later]

    story(work)


def test_a_follower_that_goes_on_asking_is_not_given_up(monkeypatch):
    monkeypatch.setattr(snapshot_transfer, "SILENT_S", 0.4)
    monkeypatch.setattr(snapshot_transfer, "CHUNKS_IN_FLIGHT", 1)

    async def work(giver, taker):
        async def slow(function, *arguments):
            await asyncio.sleep(0.15)
            return function(*arguments)

        taker.transfer._offload = slow
        giver.transfer.offer(giver.take(50, 2))
        await until(lambda: giver.reports)
        assert giver.reports == [(2, True)]

    story(work)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_snapshot_of_what_the_follower_has_applied_does_not_replace_its_own(when):
    async def work(giver, taker):
        message = giver.take(50, 2)
        own = taker.store.create(50, 2)
        own.write(b"own")
        if when == "before":
            taker.applied = 50
        giver.transfer.offer(message)
        await asyncio.sleep(0)
        meta = own.finish()
        taker.applied = 50
        await until(lambda: giver.reports)
        assert giver.reports == [(2, True)]
        assert taker.received == [message]
        assert taker.store.newest_sound() == meta

    story(work)

"""Founding over the bus: hellos out and in, the promise to disk, until this member belongs to a cluster."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from lictor_bus import Bus, frames, subjects
from lictor_bus.frames import FoundingHello, FrameError
from lictor_raft_store.founding import ROUND_S, Founded, Founding, MakePromise, Promise, Vetoed, Void
from lictor_raft_store.slots import Slot

log = structlog.get_logger()


def read_promise(slot: Slot) -> Promise | None:
    """The promise on disk, if this member has made one."""
    data = slot.promise()
    return Promise(*msgspec.msgpack.decode(data, type=tuple[tuple[int, ...], str])) if data else None


async def found(
    bus: Bus, slot: Slot, expect: int, new_cluster: str, clock: Callable[[], float], say: Callable[[str], None]
) -> Promise | Void | str:
    """Take part in founding until it is over.

    Args:
        bus: the bus.
        slot: this member's slot; the promise is written there.
        expect: how many members found the cluster.
        new_cluster: a fresh cluster id, used if it falls to this member to mint it.
        clock: seconds of a steady clock.
        say: called with what founding waits for.

    Returns:
        The promise when this member is a founder, or that it is void and the slot is to be set aside; else the id of
        the cluster that exists already.
    """
    founding = Founding(slot.member_id, slot.number, expect, new_cluster, read_promise(slot), slot.given_up())

    def hear(_subject: str, data: bytes, _reply: str) -> None:
        try:
            founding.heard(frames.decode(data, FoundingHello), clock())
        except FrameError as error:
            log.warning("founding hello not understood", reason=str(error))

    subscription = await bus.subscribe(subjects.FOUNDING, hear)
    try:
        while True:
            await bus.publish(subjects.FOUNDING, frames.encode(founding.hello(clock())))
            await asyncio.sleep(ROUND_S)
            decision = founding.decide(clock())
            if isinstance(decision, MakePromise):
                promise = decision.promise
                slot.write_promise(msgspec.msgpack.encode((promise.members, promise.cluster)))
                founding.promised(promise)
                log.info("promised", cluster=promise.cluster, members=[f"{one:x}" for one in promise.members])
            elif isinstance(decision, Founded):
                # The others may still wait for this promise: one more hello carries it.
                await bus.publish(subjects.FOUNDING, frames.encode(founding.hello(clock())))
                log.info("founded", cluster=decision.promise.cluster)
                return decision.promise
            elif isinstance(decision, Vetoed):
                log.info("a cluster exists already", cluster=decision.cluster)
                return decision.cluster
            elif isinstance(decision, Void):
                return decision
            say(founding.waiting_for(clock()))
    finally:
        await subscription.close()


async def veto(bus: Bus, cluster: str) -> None:
    """From now on, tell everyone who is founding that this cluster exists (a founder of it takes that as its start)."""

    async def hear(_subject: str, data: bytes, _reply: str) -> None:
        try:
            hello = frames.decode(data, FoundingHello)
        except FrameError:
            return  # logged by those who are founding
        if not hello.cluster:
            await bus.publish(subjects.FOUNDING, frames.encode(FoundingHello(0, 0, 0, (), cluster=cluster)))

    await bus.subscribe(subjects.FOUNDING, hear)

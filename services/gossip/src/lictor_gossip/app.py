"""Builds one gossip and joins its parts."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable

import structlog

from lictor_bus import Bus, LeaderTracker, Presence, Proposer, View, connect, tell_contact
from lictor_gossip.coordinate_reports import CoordinateReports
from lictor_gossip.event_bridge import EventBridge
from lictor_gossip.identity import own_address, registration
from lictor_gossip.keyring_file import KeyringError
from lictor_gossip.leader_link import LeaderLink
from lictor_gossip.membership import Membership
from lictor_gossip.metrics import GossipMetrics
from lictor_gossip.node_slot import NodeSlot, NoFreeSlotError, claim
from lictor_gossip.orders import Orders
from lictor_gossip.pool_answers import PoolAnswers
from lictor_gossip.registration import Registration
from lictor_gossip.seeds import Joining, parse
from lictor_gossip.settings import GossipSettings
from lictor_kit.service import Context
from lictor_state.rows import Table
from lictor_swim import Endpoint

SLOT_RETRY_S = 0.5
CONTACT_POLL_S = 0.5
TABLES = (Table.AGENTS,)
"""Of the catalog this process reads its own agent row: a node's other tables may be large, its gossip should not be."""

VIEW_WAIT = "waiting for a raft-store: no view of the catalog yet"

log = structlog.get_logger()


async def build(context: Context, settings: GossipSettings) -> None:
    """Start one gossip: slot, bus, pool, registration, reports."""
    slot = await _claim(context, settings)
    run_id, address = uuid.uuid4().hex, own_address(settings)
    metrics = GossipMetrics(context.metrics)
    try:
        member = Membership(slot, settings, address, context.readiness.note)
    except KeyringError as error:
        log.error("the pool's keys cannot be used", reason=str(error))  # noqa: TRY400  the reason says it all
        context.stop(failed=True)
        return
    driver = member.driver
    bus = await connect(settings.nats_url, f"gossip-{slot.node}")
    context.on_stop(bus.close)
    leader = LeaderTracker(bus, settings.cluster)
    await leader.start()
    view = View(bus, leader, "discovery", tables=TABLES)
    proposer = Proposer(bus, leader, f"gossip-{slot.node}")
    registered = Registration(view, proposer, registration(slot, run_id, address, settings), _condition(context))
    link = LeaderLink(bus, view, driver, slot.node, run_id, metrics)
    member.on_members.append(link.changed)

    async def leave() -> bool:
        link.leaving = True
        agreed = await registered.leave()
        told = await driver.leave(settings.gossip_leave_timeout_s)
        return agreed and told

    orders = Orders(
        bus,
        view,
        proposer,
        driver,
        leave,
        node=slot.node,
        port=settings.gossip_port,
    )
    presence = Presence(bus, "gossip", slot.node, run_id, {"address": address, "port": settings.gossip_port})
    bridge = EventBridge(
        bus, view, proposer, lambda name, payload: driver.user_event(name, payload, coalesce=False), presence
    )
    member.on_user_event.append(bridge.on_pool_event)
    dice = random.SystemRandom()
    coordinates = CoordinateReports(
        bus, view, slot.node, lambda: driver.coordinate, lambda: len(driver.members()), dice
    )
    context.readiness.set("view", ok=False, reason=VIEW_WAIT)
    context.spawn("view", view.run())
    context.spawn("proposer", proposer.run())
    opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    context.spawn("pool", _pool(context, member, settings, Endpoint(address, settings.gossip_port), opened))
    await opened
    context.on_stop(_closing(member))
    context.spawn("snapshot", member.snapshot_file.keep(member.snapshot, lambda: driver.clocks))
    context.spawn("presence", presence.run())
    context.on_stop(presence.close)
    context.spawn("registration", registered.run())
    context.spawn("leader link", link.run())
    context.spawn("orders", orders.run())
    answers = PoolAnswers(bus, view, driver, slot.node, run_id, asyncio.get_running_loop().time)
    context.spawn("pool answers", answers.run())
    context.spawn("events", bridge.run())
    context.spawn("coordinates", coordinates.run())
    context.spawn("metrics", metrics.measure(driver, member.refusals, bridge, coordinates, member.snapshot_file))
    context.spawn("view ready", _view_ready(context, view), may_end=True)
    context.spawn("contact", _watch_contact(context, bus, view))
    context.on_stop(_stop(settings, link, leave))


async def _claim(context: Context, settings: GossipSettings) -> NodeSlot:
    while True:
        try:
            slot = claim(settings.data_dir, settings.gossip_slots, settings.node)
        except NoFreeSlotError as error:
            context.readiness.set("slot", ok=False, reason=str(error))
            await asyncio.sleep(SLOT_RETRY_S)
        else:
            context.readiness.set("slot", ok=True)
            return slot


def _condition(context: Context) -> Callable[[str], None]:
    context.readiness.set("registration", ok=False, reason="the node is not registered yet")

    def say(reason: str) -> None:
        context.readiness.set("registration", ok=not reason, reason=reason)

    return say


async def _view_ready(context: Context, view: View) -> None:
    await view.ready.wait()
    context.readiness.set("view", ok=True)


async def _watch_contact(context: Context, bus: Bus, view: View) -> None:
    """Tell in /readyz what is unusual: the pool goes on without a leader."""
    while True:
        tell_contact(context.readiness.note, bus, view, "the pool's failures are not in the catalog")
        await asyncio.sleep(CONTACT_POLL_S)


async def _pool(
    context: Context, member: Membership, settings: GossipSettings, own: Endpoint, opened: asyncio.Future[None]
) -> None:
    """Run the pool for the process's life, and look for its other members."""
    async with member.driver as driver:
        opened.set_result(None)
        joining = Joining(
            parse(settings.gossip_seeds, settings.gossip_port),
            list(member.remembered.members.values()),
            {own, Endpoint(settings.bind, settings.gossip_port)},
            member.others,
            driver.join,
            lambda reason: context.readiness.note("pool", reason),
            random.SystemRandom(),
        )
        await joining.run()


def _closing(member: Membership) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        member.close()

    return close


def _stop(
    settings: GossipSettings, link: LeaderLink, leave: Callable[[], Awaitable[bool]]
) -> Callable[[], Awaitable[None]]:
    async def stop() -> None:
        if settings.leave_on_stop:
            await leave()
        else:
            await link.hold()

    return stop

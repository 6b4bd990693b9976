"""Builds one gossip and joins its parts."""

import asyncio
import random
import socket
import uuid
from collections.abc import Awaitable, Callable

import structlog

from lictor_bus import Bus, LeaderTracker, Presence, Proposer, View, connect, tell_contact
from lictor_gossip.leader_link import LeaderLink
from lictor_gossip.metrics import GossipMetrics
from lictor_gossip.node_slot import NodeSlot, NoFreeSlotError, claim
from lictor_gossip.orders import Orders
from lictor_gossip.registration import Registration
from lictor_gossip.reporting import LICTOR_TAG
from lictor_gossip.settings import GossipSettings
from lictor_gossip.swim_driver import SwimDriver
from lictor_gossip.tag_expressions import matches
from lictor_kit.service import Context
from lictor_state.commands import AgentJoin
from lictor_state.rows import Table
from lictor_swim import (
    CONSUL_LAN,
    PROFILES,
    SERF_FAST,
    Endpoint,
    Framing,
    MemberEvent,
    SerfEvent,
    SerfNode,
    address_bytes,
)

SLOT_RETRY_S = 0.5
JOIN_RETRY_S = 2.0
CONTACT_POLL_S = 0.5
TABLES = (Table.AGENTS,)
"""Of the catalog this process reads its own agent row: a node's other tables may be large, its gossip should not be."""

VIEW_WAIT = "waiting for a raft-store: no view of the catalog yet"

log = structlog.get_logger()


async def build(context: Context, settings: GossipSettings) -> None:
    """Start one gossip: slot, bus, pool, registration, reports."""
    slot = await _claim(context, settings)
    run_id = uuid.uuid4().hex
    address = settings.gossip_advertise or _own_address(settings.bind)
    metrics = GossipMetrics(context.metrics)
    bus = await connect(settings.nats_url, f"gossip-{slot.node}")
    context.on_stop(bus.close)
    leader = LeaderTracker(bus, settings.cluster)
    await leader.start()
    view = View(bus, leader, "discovery", tables=TABLES)
    proposer = Proposer(bus, leader, f"gossip-{slot.node}")
    tags = _tags(slot, settings)
    fast = settings.gossip_profile == "fast"
    node = SerfNode(
        name=slot.node,
        address=address_bytes(address),
        port=settings.gossip_port,
        tags=tags,
        swim=PROFILES[settings.gossip_profile],
        framing=Framing(),
        dice=random.SystemRandom(),
        serf=SERF_FAST if fast else CONSUL_LAN,
        matches=matches,
    )
    link: LeaderLink | None = None

    def on_event(event: SerfEvent) -> None:
        if isinstance(event, MemberEvent):
            log.info("member", name=event.member.name, status=event.member.status.name.lower())
            if link is not None:
                link.changed()

    profile = PROFILES[settings.gossip_profile]
    driver = SwimDriver(
        node,
        Endpoint(settings.bind, settings.gossip_port),
        stream_timeout_s=profile.stream_timeout_s,
        on_event=on_event,
    )
    registration = Registration(view, proposer, _join(slot, run_id, address, tags, settings), _condition(context))

    async def leave() -> bool:
        if link is not None:
            link.leaving = True
        agreed = await registration.leave()
        told = await driver.leave(settings.gossip_leave_timeout_s)
        return agreed and told

    link = LeaderLink(bus, view, driver, slot.node, run_id, metrics)
    orders = Orders(
        bus,
        view,
        proposer,
        driver,
        leave,
        node=slot.node,
        datacenter=settings.datacenter,
        port=settings.gossip_port,
    )
    presence = Presence(bus, "gossip", slot.node, run_id, {"address": address, "port": settings.gossip_port})
    context.readiness.set("view", ok=False, reason=VIEW_WAIT)
    context.spawn("view", view.run())
    context.spawn("proposer", proposer.run())
    opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    context.spawn("pool", _pool(driver, settings, opened))
    await opened
    context.spawn("presence", presence.run())
    context.on_stop(presence.close)
    context.spawn("registration", registration.run())
    context.spawn("leader link", link.run())
    context.spawn("orders", orders.run())
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


def _own_address(bind: str) -> str:
    """The bind address, or for a wildcard the address that the host's name leads to."""
    return socket.gethostbyname(socket.gethostname()) if bind in {"0.0.0.0", "::"} else bind


def _tags(slot: NodeSlot, settings: GossipSettings) -> dict[str, str]:
    """The tags that Consul's client agents carry, and our own."""
    return {
        "role": "node",
        "dc": settings.datacenter,
        "segment": "",
        "id": slot.node_id,
        "vsn": "2",
        "vsn_min": "2",
        "vsn_max": "3",
        "build": f"{settings.consul_version}:lictor",
        LICTOR_TAG: "1",
    }


def _join(slot: NodeSlot, run_id: str, address: str, tags: dict[str, str], settings: GossipSettings) -> AgentJoin:
    family = "ipv6" if ":" in address else "ipv4"
    return AgentJoin(
        node=slot.node,
        node_id=slot.node_id,
        run_id=run_id,
        address=address,
        port=settings.gossip_port,
        datacenter=settings.datacenter,
        tags=tags,
        tagged_addresses={"lan": address, f"lan_{family}": address, "wan": address, f"wan_{family}": address},
        meta={"consul-network-segment": "", "consul-version": settings.consul_version},
    )


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


async def _pool(driver: SwimDriver, settings: GossipSettings, opened: asyncio.Future[None]) -> None:
    """Run the pool for the process's life, and join the seeds until one has answered."""
    seeds = [_seed(one.strip(), settings.gossip_port) for one in settings.gossip_seeds.split(",") if one.strip()]
    async with driver:
        opened.set_result(None)
        said = False
        while seeds and not await driver.join(seeds):
            if not said:
                log.warning("no seed answers yet", seeds=settings.gossip_seeds)
                said = True
            await asyncio.sleep(JOIN_RETRY_S)
        await asyncio.Event().wait()


def _seed(text: str, port: int) -> Endpoint:
    host, separator, given = text.rpartition(":")
    return Endpoint(host, int(given)) if separator and given.isdigit() else Endpoint(text, port)


def _stop(
    settings: GossipSettings, link: LeaderLink, leave: Callable[[], Awaitable[bool]]
) -> Callable[[], Awaitable[None]]:
    async def stop() -> None:
        if settings.leave_on_stop:
            await leave()
        else:
            await link.hold()

    return stop

"""Composition: the parts of an xds process, built and joined.

Bus, leader, view of the mesh stream and presence come from `lictor_bus`; certificates, proxies' states and the gRPC
server are ours. The port opens only when the view is complete once: an Envoy that asks earlier would be told nothing,
and one that is refused tries another replica. When the store or NATS is gone afterwards, everything goes on from the
view; only new certificates have to wait.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Sequence
from typing import Any, cast

import structlog

from lictor_bus import Bus, LeaderTracker, Presence, View, connect, tell_contact
from lictor_kit import Context
from lictor_kit.garbage import give_back, spare_the_collector
from lictor_state.rows import CARootRow, Change, Table
from lictor_state.tables import CA_ROOTS
from lictor_xds.acknowledgements import ProxyReport
from lictor_xds.ads_server import AdsServer
from lictor_xds.ca_client import CaClient
from lictor_xds.kept_rows import narrow
from lictor_xds.leaf_store import LeafStore
from lictor_xds.metrics import XdsMetrics
from lictor_xds.proxy_state import ProxyStates
from lictor_xds.settings import XdsSettings

ROLE = "xds"
HOUSEKEEPING_S = 1.0
SHOWN_MAX = 32  # proxies with a problem that presence names; announcements stay small, metrics count them all
REASON_MAX = 200  # characters of a reason in an announcement

log = structlog.get_logger()


async def build(context: Context, settings: XdsSettings) -> None:
    """Build and join the parts; returns when Envoys are served."""
    context.readiness.set("bus", ok=False, reason="NATS is not reachable")
    bus = await connect(settings.nats_url, f"{ROLE} {settings.node}")
    context.on_stop(bus.close)
    context.readiness.set("bus", ok=True)
    context.readiness.set("view", ok=False, reason="no complete view of the mesh yet")

    leader = LeaderTracker(bus, settings.cluster)
    await leader.start()
    view = View(bus, leader, "mesh", narrow=narrow)
    metrics = XdsMetrics(context.metrics)
    leaves = LeafStore(
        CaClient(bus, lambda: leader.cluster).sign,
        lambda: _roots(view),
        clock=time.time,
        dice=random.SystemRandom().random,
        metrics=metrics,
    )
    states = ProxyStates(
        lambda: view.store,
        leaves,
        datacenter=settings.datacenter,
        default_allow=settings.default_intention_policy == "allow",
        clock=time.monotonic,
        metrics=metrics,
    )
    server = AdsServer(
        states, metrics, streams_max=settings.xds_streams_max, clock=time.monotonic, wall_clock=time.time
    )
    presence = Presence(bus, ROLE, settings.node, uuid.uuid4().hex)

    context.spawn("view", view.run())
    await view.ready.wait()
    view.on_load(lambda _index, changes: _on_load(leaves, changes))
    view.on_reset(leaves.roots_changed)
    spare_the_collector()
    view.on_reset(give_back)
    context.readiness.set("view", ok=True)
    context.spawn("leaves", leaves.run())
    context.spawn("pusher", states.pusher.run())
    context.spawn("presence", presence.run())
    context.spawn("housekeeping", _housekeeping(context, bus, view, states, presence))
    port = await server.start(settings.bind, settings.xds_grpc_port)
    context.on_stop(server.stop)
    log.info("serving Envoys", host=settings.bind, grpc_port=port, index=view.index)


def _on_load(leaves: LeafStore, changes: Sequence[Change]) -> None:
    if any(change.table is CA_ROOTS for change in changes):
        leaves.roots_changed()


def _roots(view: View) -> list[CARootRow]:
    return [cast("CARootRow", row) for _, row in view.store.rows(Table.CA_ROOTS)]


async def _housekeeping(context: Context, bus: Bus, view: View, states: ProxyStates, presence: Presence) -> None:
    """Once a second: forget what is gone, tell the others about our proxies, and in /readyz what is unusual."""
    while True:
        states.expire()
        presence.update(presence_record(states.reports()))
        tell_contact(context.readiness.note, bus, view, "proxies keep what they have")
        await asyncio.sleep(HOUSEKEEPING_S)


def presence_record(reports: Sequence[ProxyReport]) -> dict[str, Any]:
    """What this process tells about its proxies: how many, and the first that are not as they should be."""
    connected = [report for report in reports if report.streams]
    troubled = [report for report in connected if report.status != "ready" or report.rejected or report.reason]
    return {
        "proxies": len(connected),
        "troubled": len(troubled),
        "first_troubled": [
            {
                "proxy_id": report.proxy_id,
                "node": report.node,
                "status": report.status,
                "reason": report.reason[:REASON_MAX],
                "rejected": {one.type: one.reason[:REASON_MAX] for one in report.types if one.reason},
            }
            for report in troubled[:SHOWN_MAX]
        ],
    }

"""Composition: the parts of a healthcheck process, built and joined.

Bus, leader, view of the discovery stream, proposer and presence come from `lictor_bus`; the driver and the TTL
interface are ours. On SIGTERM no new probe is started, what has been proposed gets a moment to land, presence says
goodbye (the others take over at once), then the bus is closed.
"""

import asyncio
import random
import time
import uuid

from lictor_bus import Bus, LeaderTracker, Presence, Proposer, View, connect, tell_contact
from lictor_bus.presence import ANNOUNCE_EVERY_S
from lictor_healthcheck.driver import CheckDriver
from lictor_healthcheck.metrics import HealthcheckMetrics
from lictor_healthcheck.ownership import Replica
from lictor_healthcheck.settings import HealthcheckSettings
from lictor_healthcheck.ttl_api import TtlApi
from lictor_kit import Context
from lictor_kit.garbage import give_back, spare_the_collector
from lictor_state.rows import Table

ROLE = "healthcheck"

ECHO_AGE_S_MAX = max(1.0, 2.5 * ANNOUNCE_EVERY_S)
"""An owner whose own echo is older proposes nothing. About one second: two announcements and a half, of which one may
be lost; far below presence's freshness, so that we are silent before others take over."""

DRAIN_S = 2.0
"""At the stop, what has been proposed may land for this long; a write takes milliseconds when there is a leader."""

CONTACT_POLL_S = 0.5
TABLES = (Table.CHECKS, Table.SERVICES)
"""What becomes of checks, and where their services are; the rest of the stream is neither decoded nor kept."""


async def build(context: Context, settings: HealthcheckSettings) -> None:
    """Build and join the parts; returns when checks are being run."""
    context.readiness.set("bus", ok=False, reason="NATS is not reachable")
    bus = await connect(settings.nats_url, f"{ROLE} {settings.node}")
    context.on_stop(bus.close)
    context.readiness.set("bus", ok=True)
    context.readiness.set("view", ok=False, reason="no complete view of the catalog yet")

    leader = LeaderTracker(bus, settings.cluster)
    await leader.start()
    view = View(bus, leader, "discovery", tables=TABLES)
    proposer = Proposer(bus, leader, f"{ROLE} {settings.node}")
    own = Replica(settings.node, uuid.uuid4().hex)
    presence = Presence(bus, ROLE, own.node, own.instance)
    metrics = HealthcheckMetrics(context.metrics)
    driver = CheckDriver(
        own=own,
        proposer=proposer,
        replicas=lambda: (Replica(one.node, one.instance) for one in presence.present(ROLE)),
        echo_age_s=presence.echo_age_s,
        wait_for_view=view.wait_for,
        metrics=metrics,
        clock=time.monotonic,
        dice=random.SystemRandom().random,
        probes_max=settings.healthcheck_probes_max,
        output_interval_s=settings.healthcheck_output_interval_s,
        output_bytes_max=settings.healthcheck_output_bytes_max,
        echo_age_s_max=ECHO_AGE_S_MAX,
    )
    ttl_api = TtlApi(bus, driver, metrics)

    context.spawn("view", view.run())
    context.spawn("proposer", proposer.run())
    await view.ready.wait()
    view.on_load(lambda _index, changes: driver.load(changes))
    view.on_reset(lambda: driver.reset(view.store))
    driver.reset(view.store)
    spare_the_collector()
    view.on_reset(give_back)
    context.readiness.set("view", ok=True)

    presence.listen(driver.presence_changed)
    context.spawn("presence", presence.run())
    context.spawn("proposals", driver.proposals.run())
    context.spawn("ttl updates", ttl_api.run())
    await bus.subscribe(ttl_api.subject(view.cluster), ttl_api.on_update)
    checking = context.spawn("checks", driver.run())
    context.spawn("contact", _watch_contact(context, bus, view))

    async def hand_over() -> None:
        """Stop probing, let proposals land, say goodbye."""
        checking.cancel()
        await driver.proposals.drain(DRAIN_S)
        await presence.close()
        await asyncio.wait([checking])

    context.on_stop(hand_over)


async def _watch_contact(context: Context, bus: Bus, view: View) -> None:
    """Tell in /readyz what is unusual and does not make us unready: the checks go on from the view we have."""
    while True:
        tell_contact(context.readiness.note, bus, view, "nothing can be proposed")
        await asyncio.sleep(CONTACT_POLL_S)

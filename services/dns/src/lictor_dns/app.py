"""Builds one dns and joins its parts.

The ports open at once; until the view is complete for the first time, every answer is SERVFAIL: an empty answer that
is not true would be worse. When the store is gone, answers go on from the view; when it is not there at the start, from
the one that was saved (fail static).
"""

import asyncio
import random
import secrets
import time
from functools import partial

import structlog

from lictor_bus import Bus, LeaderTracker, NatsBus, Presence, View, ViewSaver, tell_contact
from lictor_dns.configured import reply_settings, zone_settings
from lictor_dns.fail_static import FailStatic
from lictor_dns.metrics import DnsMetrics
from lictor_dns.recursion import Recursion, without_ourselves
from lictor_dns.recursion_metrics import RecursionMetrics
from lictor_dns.recursor import Recursors, parse_recursors
from lictor_dns.responder import Responder
from lictor_dns.settings import DnsSettings
from lictor_dns.tcp_server import TcpServer
from lictor_dns.udp_server import UdpServer
from lictor_dns.zone import Zone
from lictor_kit import Context

ROLE = "dns"
CONTACT_POLL_S = 0.5

log = structlog.get_logger()


async def build(context: Context, settings: DnsSettings) -> None:
    """Start one dns: ports, zone, and what keeps it true, as soon as the bus is reached."""
    dice = random.Random(secrets.randbits(64))  # noqa: S311  shuffles answers, nothing here is secret
    bus = NatsBus()
    context.on_stop(bus.close)
    view = View(bus, LeaderTracker(bus, settings.cluster), "discovery")
    zone = Zone(zone_settings(settings), lambda: view.store, dice)
    view.on_load(lambda _index, changes: zone.load(changes))
    view.on_reset(zone.reset)
    recursion = _recursion(settings, dice)
    context.on_stop(recursion.close)
    replies = reply_settings(settings, recursion=bool(recursion.recursors.addresses))
    responder = Responder(replies, zone, settings.datacenter, dice)
    udp = UdpServer(responder.answer_udp, recursion.ask_udp)
    tcp = TcpServer(responder.answer_tcp, recursion.ask_tcp, settings.dns_tcp_connections_max)
    await tcp.open(settings.bind, settings.dns_port)
    udp.open(settings.bind, tcp.port)
    log.info("dns", port=tcp.port, domain=settings.domain)
    _keep_fresh(context, settings, view, responder)
    presence = Presence(bus, ROLE, settings.node, f"{settings.node}-{dice.getrandbits(64):x}", {"port": tcp.port})
    context.spawn("following", _follow(context, settings, bus, view, presence), may_end=True)
    context.on_stop(presence.close)

    async def close() -> None:
        udp.close()
        await tcp.close()

    context.on_stop(close)
    metrics, asked = DnsMetrics(context.metrics), RecursionMetrics(context.metrics)
    context.spawn("contact", _watch(context, bus, view, responder, udp, metrics, recursion, asked))


def _keep_fresh(context: Context, settings: DnsSettings, view: View, responder: Responder) -> None:
    """Answer while what is held is fresh enough, and keep it on disk if that is wanted."""
    fresh = FailStatic(view, responder, context.readiness, context.metrics, settings.dns_stale_max_s, time.time)
    path = settings.data_dir / ROLE / "view" if settings.dns_save_view else None
    context.readiness.set("view", ok=False, reason="no complete view of the catalog yet")
    context.spawn("fail static", fresh.run())
    if path is not None:
        context.spawn("start from saved view", fresh.start_from(path), may_end=True)
        saver = ViewSaver(view, path, time.time)
        context.spawn("saved view", fresh.save_with(saver))
        context.on_stop(saver.close)


async def _follow(context: Context, settings: DnsSettings, bus: NatsBus, view: View, presence: Presence) -> None:
    """Join the bus, however long that takes, and follow the store; the ports answer meanwhile."""
    await bus.open(list(settings.nats_urls), f"{ROLE} {settings.node}")
    await view.leader.start()
    context.spawn("view", view.run())
    context.spawn("presence", presence.run())


def _recursion(settings: DnsSettings, dice: random.Random) -> Recursion:
    """Who is asked about foreign names; ids come from where nobody can foresee them (RFC 5452, section 4.3)."""
    configured = parse_recursors(settings.dns_recursors)
    addresses = without_ourselves(configured, settings.bind, settings.dns_port)
    recursors = Recursors(addresses, settings.dns_recursor_strategy, dice)
    return Recursion(recursors, settings.dns_recursor_timeout_s, partial(secrets.randbits, 16))


async def _watch(
    context: Context,
    bus: Bus,
    view: View,
    responder: Responder,
    udp: UdpServer,
    metrics: DnsMetrics,
    recursion: Recursion,
    asked: RecursionMetrics,
) -> None:
    """Tell in /readyz what is unusual, and copy what was counted into the metrics."""
    while True:
        tell_contact(context.readiness.note, bus, view, "answers are that old")
        asked.copy(recursion)
        metrics.copy(responder.counts, udp.dropped, view.last_contact_s())
        await asyncio.sleep(CONTACT_POLL_S)

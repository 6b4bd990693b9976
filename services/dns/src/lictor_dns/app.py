"""Builds one dns and joins its parts.

The ports open at once; until the view is complete for the first time, every answer is SERVFAIL: an empty answer that
is not true would be worse. One of several workers joins their ports only then, since the others can answer meanwhile.
When the store is gone, answers go on from the view; when it is not there at the start, from the one that was saved
(fail static).
"""

import asyncio
import random
import secrets
import time
from dataclasses import dataclass
from functools import partial

import structlog

from lictor_bus import Bus, LeaderTracker, NatsBus, Presence, View, ViewSaver, tell_contact
from lictor_dns.bound_sockets import addresses_of
from lictor_dns.configured import reply_settings, zone_settings
from lictor_dns.cookie_secrets import CookieSecrets
from lictor_dns.fail_static import FailStatic
from lictor_dns.guard import Clocks, Guard
from lictor_dns.kept_rows import TABLES, narrow
from lictor_dns.metrics import Counted, DnsMetrics
from lictor_dns.rate_limit import RateLimit
from lictor_dns.recursion import Recursion, without_ourselves
from lictor_dns.recursion_metrics import RecursionMetrics
from lictor_dns.recursor import Recursors, parse_recursors
from lictor_dns.responder import Responder
from lictor_dns.settings import DnsSettings
from lictor_dns.tcp_server import TcpServer
from lictor_dns.udp_server import UdpServer
from lictor_dns.zone import Zone
from lictor_kit import Context
from lictor_kit.garbage import give_back, spare_the_collector
from lictor_kit.workers import Workers, command, obey_parent

ROLE = "dns"
CONTACT_POLL_S = 0.5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Servers:
    """The ways in."""

    udp: UdpServer
    tcp: TcpServer

    async def open(self, settings: DnsSettings) -> None:
        """Bind every address; where the port is 0, the first address takes a free one for all."""
        port, shared = settings.dns_port, settings.workers > 1
        addresses = addresses_of(settings.dns_addresses, settings.bind)
        for address in addresses:
            await self.tcp.open(address, port, shared=shared)
            port = self.tcp.port
            self.udp.open(address, port, shared=shared)
        log.info("dns", port=port, addresses=addresses, domain=settings.domain)

    async def close(self) -> None:
        """Stop answering."""
        self.udp.close()
        await self.tcp.close()


async def build_workers(context: Context, settings: DnsSettings) -> None:
    """Start the processes that answer; this one looks after them."""
    Workers(context, settings.workers, command("lictor_dns")).start()


async def build_worker(context: Context, settings: DnsSettings, descriptor: int) -> None:
    """Build one of several dns on one port; `descriptor` is the parent's end of us."""
    await obey_parent(context, descriptor)
    await build(context, settings)


async def build(context: Context, settings: DnsSettings) -> None:
    """Start one dns: ports, zone, and what keeps it true, as soon as the bus is reached."""
    dice = random.Random(secrets.randbits(64))  # noqa: S311  shuffles answers, nothing here is secret
    bus = NatsBus()
    context.on_stop(bus.close)
    view = View(bus, LeaderTracker(bus, settings.cluster), "discovery", tables=TABLES, narrow=narrow)
    zone = Zone(zone_settings(settings), lambda: view.store, dice)
    view.on_load(lambda _index, changes: zone.load(changes))
    view.on_reset(zone.reset)
    recursion = _recursion(settings, dice)
    context.on_stop(recursion.close)
    replies = reply_settings(settings, recursion=bool(recursion.recursors.addresses))
    responder = Responder(replies, zone, settings.datacenter, dice)
    secrets_of = CookieSecrets(settings.dns_cookie_secrets, settings.dns_cookie_secrets_file)
    limit = RateLimit(settings.dns_rate_limit_answers, settings.dns_rate_limit_errors, settings.dns_rate_limit_slip)
    guard = Guard(
        responder.answer_udp, responder.answer_tcp, responder.ready_reply, limit, Clocks(time.monotonic, time.time)
    )
    if settings.dns_cookies:
        guard.cookies = secrets_of.cookies
        context.spawn("cookie secrets", secrets_of.follow())
    servers = Servers(
        UdpServer(guard.answer_udp, recursion.ask_udp, guard.ready),
        TcpServer(
            guard.answer_tcp,
            recursion.ask_tcp,
            settings.dns_tcp_connections_max,
            per_client_max=settings.dns_tcp_connections_per_client,
        ),
    )
    context.on_stop(servers.close)
    if settings.workers == 1:
        await servers.open(settings)
    fresh = _keep_fresh(context, settings, view, responder)
    presence = Presence(
        bus, ROLE, settings.node, f"{settings.node}-{dice.getrandbits(64):x}", {"port": settings.dns_port}
    )
    context.spawn("following", _follow(context, settings, bus, view, presence), may_end=True)
    context.on_stop(presence.close)
    context.spawn("first answers", _begin(context, settings, servers, fresh, view), may_end=True)
    counted = Counted(responder, guard, limit, servers.udp, servers.tcp, view)
    metrics, asked = DnsMetrics(context.metrics), RecursionMetrics(context.metrics)
    context.spawn("contact", _watch(context, bus, view, counted, metrics, recursion, asked))


def _keep_fresh(context: Context, settings: DnsSettings, view: View, responder: Responder) -> FailStatic:
    """Answer while what is held is fresh enough, and keep it on disk if that is wanted."""
    fresh = FailStatic(view, responder, context.readiness, context.metrics, settings.dns_stale_max_s, time.time)
    path = settings.data_dir / ROLE / "view" if settings.dns_save_view else None
    context.readiness.set("view", ok=False, reason="no complete view of the catalog yet")
    context.spawn("fail static", fresh.run())
    if path is not None:
        context.spawn("start from saved view", fresh.start_from(path, TABLES, narrow), may_end=True)
        saver = ViewSaver(view, path, time.time)
        context.spawn("saved view", fresh.save_with(saver))
        context.on_stop(saver.close)
    return fresh


async def _begin(context: Context, settings: DnsSettings, servers: Servers, fresh: FailStatic, view: View) -> None:
    """What waits for the first true answers, and for the first complete view."""
    if settings.workers > 1:
        context.readiness.set("ports", ok=False, reason="no answers yet: the other workers have the ports")
        await fresh.answering.wait()
        await servers.open(settings)
        context.readiness.set("ports", ok=True)
    await view.ready.wait()
    spare_the_collector()
    view.on_reset(give_back)


async def _follow(context: Context, settings: DnsSettings, bus: NatsBus, view: View, presence: Presence) -> None:
    """Join the bus, however long that takes, and follow the store; the ports answer meanwhile."""
    await bus.open(list(settings.nats_urls), f"{ROLE} {settings.node}")
    await view.leader.start()
    context.spawn("view", view.run())
    context.spawn("presence", presence.run())


def _recursion(settings: DnsSettings, dice: random.Random) -> Recursion:
    """Who is asked about foreign names; ids come from where nobody can foresee them (RFC 5452, section 4.3)."""
    configured = parse_recursors(settings.dns_recursors)
    addresses = without_ourselves(configured, addresses_of(settings.dns_addresses, settings.bind), settings.dns_port)
    recursors = Recursors(addresses, settings.dns_recursor_strategy, dice)
    return Recursion(recursors, settings.dns_recursor_timeout_s, partial(secrets.randbits, 16))


async def _watch(
    context: Context,
    bus: Bus,
    view: View,
    counted: Counted,
    metrics: DnsMetrics,
    recursion: Recursion,
    asked: RecursionMetrics,
) -> None:
    """Tell in /readyz what is unusual, and copy what was counted into the metrics."""
    while True:
        tell_contact(context.readiness.note, bus, view, "answers are that old")
        asked.copy(recursion)
        metrics.copy(counted)
        await asyncio.sleep(CONTACT_POLL_S)

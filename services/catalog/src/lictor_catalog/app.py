"""Composition: the parts of a catalog process, built and joined.

Bus, leader, view of the whole state, proposer and read gate come from `lictor_bus`; the API, the answers and the CA are
ours. The port opens when the view is complete for the first time. On SIGTERM the blocking queries are released, what is
in flight is answered, then the port closes, then the bus.
"""

import asyncio
import contextlib
import datetime as dt
import random
import secrets
import signal
import socket
import time
import uuid
from functools import partial

import structlog

from lictor_bus import (
    Bus,
    DirectLane,
    Lane,
    LeaderTracker,
    NatsLane,
    Proposer,
    ReadGate,
    View,
    connect,
    subjects,
    tell_contact,
)
from lictor_bus.pool_frames import COORDINATES_QUEUE
from lictor_bus.session_renewals import SessionRenewals
from lictor_bus.store_operator import StoreOperator
from lictor_catalog.access import Access
from lictor_catalog.agent_process import AgentProcess
from lictor_catalog.agent_self import AgentNode, Ports
from lictor_catalog.api import Api, Chance
from lictor_catalog.ca_service import CAService
from lictor_catalog.client_limits import ClientLimits
from lictor_catalog.cluster_status import ClusterStatus
from lictor_catalog.config_dir import ConfigDir
from lictor_catalog.consistency import Consistency
from lictor_catalog.coordinate_updates import CoordinateUpdates
from lictor_catalog.crowd_writer import CrowdWriter
from lictor_catalog.definition_files import DefinitionError
from lictor_catalog.errors import ApiError
from lictor_catalog.gossip_orders import GossipOrders
from lictor_catalog.http_protocol import Server
from lictor_catalog.http_protocol import server as http_server
from lictor_catalog.metrics import CatalogMetrics
from lictor_catalog.settings import CatalogSettings
from lictor_catalog.store_operator import OperatorOverBus
from lictor_catalog.telemetry import Telemetry
from lictor_catalog.ttl_client import TtlClient
from lictor_catalog.writes import Writes
from lictor_kit import Context
from lictor_kit.garbage import give_back, spare_the_collector
from lictor_kit.workers import Workers, command, obey_parent

ROLE = "catalog"
LISTEN_BACKLOG = 2048
CONTACT_POLL_S = 0.5

log = structlog.get_logger()


async def build_workers(context: Context, settings: CatalogSettings) -> None:
    """Start the processes that answer requests; this one looks after them."""
    Workers(context, settings.workers, command("lictor_catalog")).start()


async def build_worker(context: Context, settings: CatalogSettings, descriptor: int) -> None:
    """Build one of several catalogs on one port; `descriptor` is the parent's end of us."""
    await obey_parent(context, descriptor)
    await build(context, settings)


async def build(context: Context, settings: CatalogSettings) -> None:
    """Build and join the parts; returns when requests are answered."""
    context.readiness.set("bus", ok=False, reason="NATS is not reachable")
    bus = await connect(settings.nats_url, f"{ROLE} {settings.node}")
    context.on_stop(bus.close)
    context.readiness.set("bus", ok=True)
    context.readiness.set("view", ok=False, reason="no complete view of the catalog yet")

    leader = LeaderTracker(bus, settings.cluster)
    await leader.start()
    view = View(bus, leader, "all")
    lane = _lane(context, bus, leader, settings)
    proposer = Proposer(bus, leader, f"{ROLE} {settings.node}", lane=lane, feed=view.offer if settings.direct else None)
    gate = ReadGate(bus, leader, lane=lane)
    metrics = CatalogMetrics(context.metrics)
    writes = Writes(proposer, view)
    authority = CAService(view, writes, settings.datacenter, now=time.time, dice=secrets.token_bytes, metrics=metrics)
    dice = random.SystemRandom()
    node = AgentNode(settings.node, _address(settings), settings.datacenter)
    ports = Ports(
        settings.catalog_http_port,
        settings.catalog_grpc_port,
        settings.catalog_sidecar_port_min,
        settings.catalog_sidecar_port_max,
        settings.catalog_dns_port,
    )
    config_dir = ConfigDir(settings.config_dir, node, ports, writes, view, Consistency(view, gate))
    process = AgentProcess(Telemetry(context.metrics.registry, time.time), (config_dir,), dropped=metrics.lines_dropped)
    crowd = CrowdWriter()
    api = Api(
        node=node,
        ports=ports,
        version=settings.consul_version,
        allow_by_default=settings.default_intention_policy == "allow",
        domain=settings.domain,
        view=view,
        gate=gate,
        writes=writes,
        cluster=ClusterStatus(leader),
        ttl=TtlClient(bus, lambda: leader.cluster),
        gossip=GossipOrders(bus, lambda: leader.cluster),
        store_operator=OperatorOverBus(leader, StoreOperator(bus, leader)),
        renewals=SessionRenewals(bus, leader),
        authority=authority,
        process=process,
        access=Access(settings.catalog_block_endpoints, settings.catalog_allow_write_from),
        chance=Chance(time.time, _now_text, lambda: str(uuid.uuid4()), dice.random),
        metrics=metrics,
        crowd=crowd,
    )
    _reload_on_hangup(context, config_dir)
    view.on_reset(api.queries.reset)
    view.on_reset(authority.reset)
    context.spawn("view", view.run())
    context.spawn("proposer", proposer.run())
    context.spawn("read gate", gate.run())
    context.spawn("telemetry", process.telemetry.run())
    await view.ready.wait()
    _spare_the_collector(view)
    await authority.listen(bus, leader.cluster)
    context.spawn("certificate authority", authority.run())
    context.spawn("definition files", _load(context, config_dir), may_end=True)
    listener = _listen(settings)
    limits = ClientLimits(settings.catalog_connections_per_client, settings.catalog_requests_per_client)
    server = http_server(
        api.app,
        api.hot,
        api.hot_writes,
        limits,
        crowd,
        settings.catalog_connections_max,
        settings.catalog_response_headers,
    )
    serving = context.spawn("http", server.serve(sockets=[listener]), may_end=True)
    await _take_coordinates(context, bus, leader.cluster, api.coordinates)
    context.spawn("contact", _watch_contact(context, bus, view, api, limits, metrics))
    context.readiness.set("view", ok=True)
    log.info("http api", port=listener.getsockname()[1], index=view.index)

    context.on_stop(partial(_finish, server, serving, api, process, crowd))


async def _finish(
    server: Server, serving: asyncio.Task[None], api: Api, process: AgentProcess, crowd: CrowdWriter
) -> None:
    """Take nothing new, release who waits, send the coordinates that were taken, answer what is in flight."""
    server.should_exit = True
    api.streams.close()
    api.queries.close()
    process.streams.close()
    await api.coordinates.flush()
    await asyncio.wait([serving])
    crowd.close()


async def _take_coordinates(context: Context, bus: Bus, cluster: str, updates: CoordinateUpdates) -> None:
    """Write what clients and the gossips report; of the latter, each goes to one of the catalogs."""
    await bus.subscribe(subjects.pool_coordinates(cluster), updates.on_report, queue=COORDINATES_QUEUE)
    context.spawn("coordinates", updates.run())


async def _load(context: Context, config_dir: ConfigDir) -> None:
    try:
        await config_dir.load(context.readiness.note)
    except DefinitionError as error:
        log.error("definition files cannot be used", reason=str(error))  # noqa: TRY400  the reason says it all
        context.stop(failed=True)


def _reload_on_hangup(context: Context, config_dir: ConfigDir) -> None:
    """SIGHUP reads the definition files anew; one that comes too early is refused in the log."""

    async def reload() -> None:
        with contextlib.suppress(ApiError):  # it is in the log, and what was there has stayed
            await config_dir.reload()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, lambda: context.spawn("reload", reload(), may_end=True))


def _lane(context: Context, bus: Bus, leader: LeaderTracker, settings: CatalogSettings) -> Lane:
    """How proposals and read asks travel: over NATS, or directly to the members that the beacons name."""
    over_nats = NatsLane(bus, lambda: leader.cluster)
    if not settings.direct:
        return over_nats
    direct = DirectLane(over_nats, lambda: leader.cluster, uuid.uuid4().hex, time.monotonic)
    leader.listen(lambda beacon: direct.learn({one.member_id: one.direct for one in beacon.members}))
    context.spawn("direct lane", direct.run())
    context.on_stop(direct.close)
    return direct


def _spare_the_collector(view: View) -> None:
    """Take the modules and the view's tables out of the collector's rounds; a view that is replaced is given back."""
    spare_the_collector()
    view.on_reset(give_back)


def _listen(settings: CatalogSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    address = (settings.bind, settings.catalog_http_port)
    shared = settings.workers > 1
    return socket.create_server(address, family=family, backlog=LISTEN_BACKLOG, reuse_port=shared)


def _address(settings: CatalogSettings) -> str:
    """The node's address for a registration that comes before its gossip."""
    if settings.catalog_advertise:
        return settings.catalog_advertise
    if settings.bind not in {"0.0.0.0", "::"}:
        return settings.bind
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def _now_text() -> str:
    return dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")


async def _watch_contact(
    context: Context, bus: Bus, view: View, api: Api, limits: ClientLimits, metrics: CatalogMetrics
) -> None:
    """Tell in /readyz what is unusual and does not make us unready: stale reads go on from the view we have."""
    while True:
        tell_contact(context.readiness.note, bus, view, "only stale reads are answered")
        metrics.queries(api.queries.waiting, api.queries.computed, api.queries.shared)
        metrics.refused(limits.connections_refused, limits.requests_refused, api.queries.refused)
        metrics.streams(api.streams.open, api.streams.told, api.streams.slow)
        await asyncio.sleep(CONTACT_POLL_S)

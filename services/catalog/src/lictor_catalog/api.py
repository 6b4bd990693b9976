"""The HTTP application: the front door, which answers hot reads and writes, and FastAPI's routes for the rest.

Built from ports, so that tests run it without a network. Serving it is `app`'s work.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import msgspec
from fastapi import FastAPI

from lictor_catalog.access import Access
from lictor_catalog.agent_process import AgentProcess
from lictor_catalog.agent_self import AgentNode, AgentSelf, Ports
from lictor_catalog.agent_writes import AgentWrites
from lictor_catalog.asgi import Application
from lictor_catalog.blocking_query import BlockingQueries
from lictor_catalog.ca_service import CAService
from lictor_catalog.consistency import Consistency
from lictor_catalog.coordinate_updates import CoordinateUpdates
from lictor_catalog.event_stream import EventStreams
from lictor_catalog.fast_reads import FastReads
from lictor_catalog.fast_writes import FastWrites
from lictor_catalog.front_door import FrontDoor
from lictor_catalog.hot_reads import HotReads
from lictor_catalog.hot_writes import HotWrites
from lictor_catalog.http import (
    acl,
    agent,
    agent_health,
    agent_pool,
    agent_process,
    autopilot,
    catalog,
    config,
    coordinate,
    event,
    intentions,
    operator,
    pool,
    query,
    session,
    snapshot,
    status,
    txn,
)
from lictor_catalog.leaf_cache import LeafCache
from lictor_catalog.metrics import CatalogMetrics
from lictor_catalog.plain_errors import PlainErrors
from lictor_catalog.plans.identity import Identity
from lictor_catalog.ports import ClusterPort, GatePort, GossipPort, OperatorPort, RenewalsPort, TtlPort, ViewPort
from lictor_catalog.snapshots import Snapshots
from lictor_catalog.writes import Writes

EVERYBODY = Access()
"""Nothing is blocked and everybody may write, as without settings."""


class Chance(msgspec.Struct, frozen=True):
    """The clock and the dice of the process: Unix seconds, RFC 3339 text, a UUID, a number in [0, 1)."""

    now: Callable[[], float]
    now_text: Callable[[], str]
    new_id: Callable[[], str]
    dice: Callable[[], float]


class Api:
    """The application and the parts that live as long as it does."""

    def __init__(
        self,
        *,
        node: AgentNode,
        ports: Ports,
        version: str,
        allow_by_default: bool = True,
        domain: str = "consul",
        view: ViewPort,
        gate: GatePort,
        writes: Writes,
        cluster: ClusterPort,
        ttl: TtlPort,
        gossip: GossipPort,
        store_operator: OperatorPort,
        renewals: RenewalsPort,
        authority: CAService,
        process: AgentProcess,
        chance: Chance,
        metrics: CatalogMetrics,
        access: Access = EVERYBODY,
        crowd: AbstractContextManager[object] | None = None,
    ) -> None:
        consistency = Consistency(view, gate)
        self.queries = BlockingQueries(view, chance.dice, crowd)
        self.coordinates = CoordinateUpdates(writes)
        self.streams = EventStreams(self.queries, view)
        about = AgentSelf(node, ports, version, cluster)
        leaves = LeafCache(authority, view, node.datacenter, now=chance.now, dice=chance.dice)
        agent_writes = AgentWrites(about, writes, view, consistency, ttl)
        rare = FastAPI(title="Lictor catalog", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
        rare.include_router(acl.router())
        rare.include_router(agent.router(agent_writes, leaves, allow_by_default=allow_by_default))
        rare.include_router(agent_health.router(agent_writes))
        rare.include_router(agent_pool.router(gossip, node.name, node.datacenter))
        rare.include_router(agent_process.router(process))
        rare.include_router(catalog.router(node.datacenter))
        rare.include_router(coordinate.router(self.coordinates, node.datacenter))
        rare.include_router(event.router(writes, gossip, chance.new_id))
        rare.include_router(config.router(writes))
        rare.include_router(intentions.router(writes, chance.now_text, chance.new_id))
        rare.include_router(status.router(cluster))
        rare.include_router(operator.router(store_operator))
        rare.include_router(pool.router(gossip, view, store_operator, node.name))
        rare.include_router(autopilot.router(store_operator, writes, view, consistency, version))
        rare.include_router(
            session.router(
                node=node.name,
                writes=writes,
                renewals=renewals,
                view=view,
                consistency=consistency,
                new_id=chance.new_id,
            )
        )
        who = Identity(node.name, node.datacenter, version, allow_by_default, domain)
        rare.include_router(query.router(who, writes, view, consistency, chance.new_id, chance.dice))
        rare.include_router(txn.router(writes, view, consistency, node.datacenter))
        rare.include_router(snapshot.router(Snapshots(writes, chance.new_id), view, consistency))
        rare.add_middleware(PlainErrors)
        reads = FastReads(who, self.queries, consistency, self.streams)
        self.hot = HotReads(reads, self.queries, consistency, node.datacenter, metrics, access)
        fast_writes = FastWrites(writes, agent_writes, node.datacenter)
        self.hot_writes = HotWrites(fast_writes.commands, writes, node.datacenter, metrics, access)
        self.app: Application = FrontDoor(
            rare,
            reads=reads,
            writes=fast_writes,
            datacenter=node.datacenter,
            metrics=metrics,
            access=access,
        )

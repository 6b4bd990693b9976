"""A control plane in one process: a store filled by real commands, a signer, proxies' states and the gRPC server."""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from lictor_bus.ca_signing import CsrAnswer
from lictor_kit import Metrics
from lictor_pki import SigningRefused, create_root, sign
from lictor_state import Command, Envelope, Store, Table, apply
from lictor_state.commands import CARootSet, CatalogDeregister, CatalogRegister, ConfigEntrySet, ServiceSpec
from lictor_state.rows import CARootRow, ProxyDefinition, Upstream
from lictor_xds.ads_server import AdsServer
from lictor_xds.ca_client import SigningUnavailableError
from lictor_xds.leaf_store import LeafStore
from lictor_xds.metrics import XdsMetrics
from lictor_xds.proxy_state import ProxyStates

CLUSTER = "11111111-2222-3333-4444-555555555555"


class ControlPlane:
    """The parts of an xds process around a store that tests write to."""

    def __init__(self, *, default_allow: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = Store(CLUSTER)
        self.raft_index = 0
        self.keys: dict[str, str] = {}
        self.serial = 0
        self.signer_works = True
        self.leaf_ttl_s = 3600.0
        self.wall_clock: Callable[[], float] = time.time
        self.metrics = XdsMetrics(Metrics("xds"))
        self.leaves = LeafStore(
            self.sign, self.roots, clock=self._now, dice=random.Random(1).random, metrics=self.metrics
        )
        self.states = ProxyStates(
            lambda: self.store,
            self.leaves,
            datacenter="dc1",
            default_allow=default_allow,
            clock=clock,
            metrics=self.metrics,
        )
        self.server = AdsServer(self.states, self.metrics, streams_max=100, clock=time.monotonic, wall_clock=time.time)
        self.port = 0

    def _now(self) -> float:
        return self.wall_clock()

    def do(self, command: Command) -> None:
        self.raft_index += 1
        applied = apply(self.store, self.raft_index, Envelope(0, 0, 0, command))
        assert not applied.result.error, applied.result

    def rotate(self) -> None:
        root, key = create_root(CLUSTER, self.wall_clock(), os.urandom)
        self.keys[root.root_id] = key
        self.do(CARootSet(root, key, self.store.index_of("ca-roots")))
        self.leaves.roots_changed()

    def roots(self) -> list[CARootRow]:
        return [cast("CARootRow", row) for _, row in self.store.rows(Table.CA_ROOTS)]

    async def sign(self, csr_pem: str) -> CsrAnswer:
        if not self.signer_works:
            raise SigningUnavailableError("nobody answers")
        self.serial += 1
        root = next(root for root in self.roots() if root.active)
        now = self.wall_clock()
        try:
            made = sign(
                csr_pem,
                root,
                self.keys[root.root_id],
                now=now,
                serial=self.serial,
                ttl_s=self.leaf_ttl_s,
                datacenter="dc1",
            )
        except SigningRefused as error:
            raise SigningUnavailableError(str(error)) from error
        return CsrAnswer(made.cert_pem, made.valid_after, made.valid_before, made.serial)

    def sidecar(self, name: str, port: int, local_port: int, *upstreams: tuple[str, int], **proxy: Any) -> None:
        definition = ProxyDefinition(
            destination_service_name=name,
            destination_service_id=name,
            local_service_port=local_port,
            upstreams=tuple(Upstream(destination, bind) for destination, bind in upstreams),
            **proxy,
        )
        spec = ServiceSpec(
            f"{name}-proxy", f"{name}-proxy", "connect-proxy", address="127.0.0.1", port=port, proxy=definition
        )
        self.do(CatalogRegister("n1", "127.0.0.1", "dc1", service=spec))

    def deregister(self, service_id: str) -> None:
        self.do(CatalogDeregister("n1", service_id))

    def entry(self, kind: str, name: str, **body: Any) -> None:
        self.do(ConfigEntrySet(kind, name, body))

    def intention(self, source: str, destination: str, action: str) -> None:
        self.entry("service-intentions", destination, Sources=[{"Name": source, "Action": action}])

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["ControlPlane"]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.leaves.run()), group.create_task(self.states.pusher.run())]
            self.port = await self.server.start("127.0.0.1", 0)
            try:
                yield self
            finally:
                await self.server.stop()
                for task in tasks:
                    task.cancel()


@pytest.fixture
def control_plane() -> ControlPlane:
    return ControlPlane()


@pytest.fixture
def make_control_plane() -> type[ControlPlane]:
    return ControlPlane

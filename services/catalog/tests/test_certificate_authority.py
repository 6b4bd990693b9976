"""The CA's keeper, the TTL client and the cluster's status over a bus in memory."""

import asyncio

import msgspec
import pytest
from api_fixture import CLUSTER, Catalog, story, until
from pydantic import ValidationError

from lictor_bus import FakeBus, Hub, LeaderTracker
from lictor_bus.ca_signing import CsrAnswer, CsrRequest
from lictor_bus.frames import Beacon, Member
from lictor_bus.subjects import ca_sign
from lictor_bus.ttl_updates import TtlAnswer, TtlUpdate, ttl_subject
from lictor_catalog.ca_service import CAService
from lictor_catalog.cluster_status import ClusterStatus
from lictor_catalog.settings import CatalogSettings
from lictor_catalog.ttl_client import TtlClient
from lictor_kit import load
from lictor_mesh.identity import ServiceIdentity, trust_domain
from lictor_pki import check_issued, create_key_and_csr
from lictor_state import queries
from lictor_state.rows import CheckRow


async def founded(catalog: Catalog) -> "asyncio.Task[None]":
    task = asyncio.create_task(catalog.authority.run())
    await until(lambda: catalog.authority.active() is not None)
    return task


async def ask(bus: FakeBus, data: bytes) -> CsrAnswer:
    return msgspec.msgpack.decode(await bus.request(ca_sign("c"), data, 1.0), type=CsrAnswer)


@story
async def test_a_request_over_the_bus_is_signed_by_the_root_in_the_store() -> None:
    catalog = Catalog()
    bus = FakeBus(Hub())
    await catalog.authority.listen(bus, "c")
    uri = ServiceIdentity(trust_domain(CLUSTER), "dc1", "web").uri
    key_pem, csr_pem = create_key_and_csr(uri)
    request = msgspec.msgpack.encode(CsrRequest(csr_pem))
    assert "no active root" in (await ask(bus, request)).error
    task = await founded(catalog)
    answer = await ask(bus, request)
    roots = queries.ca.roots(catalog.view.store).value
    check_issued(answer.cert_pem, key_pem, uri, roots, now=catalog.now + 1)
    assert (await ask(bus, b"nonsense")).error
    foreign = ServiceIdentity(trust_domain("99999999-2222-4333-8444-555555555555"), "dc1", "web").uri
    assert (await ask(bus, msgspec.msgpack.encode(CsrRequest(create_key_and_csr(foreign)[1])))).error
    task.cancel()
    await bus.close()


@story
async def test_only_one_of_two_founders_wins_and_the_other_takes_its_root() -> None:
    catalog = Catalog()
    tasks = [await founded(catalog), asyncio.create_task(catalog.authority.run())]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(queries.ca.roots(catalog.view.store).value) == 1
    for task in tasks:
        task.cancel()


@story
async def test_the_ca_is_founded_once_there_is_a_leader() -> None:
    catalog = Catalog()
    catalog.leader.away = True
    task = asyncio.create_task(catalog.authority.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert catalog.authority.active() is None
    catalog.leader.away = False
    await until(lambda: catalog.authority.active() is not None, pause_s=0.01)
    task.cancel()
    assert isinstance(catalog.authority, CAService)


@story
async def test_a_ttl_update_is_answered_by_the_checks_owner() -> None:
    bus = FakeBus(Hub())
    client = TtlClient(bus, lambda: CLUSTER)
    check = CheckRow("Node 1", "ttl", "ttl", "critical")
    code, text = await client.update(check, "passing", "o")
    assert (code, "no healthcheck" in text) == (500, True)
    seen: list[TtlUpdate] = []

    async def owner(_subject: str, data: bytes, reply: str) -> None:
        seen.append(msgspec.msgpack.decode(data, type=TtlUpdate))
        await bus.publish(reply, msgspec.msgpack.encode(TtlAnswer(200)))

    await bus.subscribe(ttl_subject(CLUSTER, "node 1"), owner)
    assert await client.update(check, "passing", "x" * 100_000) == (200, "")
    assert (seen[0].check_id, seen[0].status, len(seen[0].output)) == ("ttl", "passing", 65_536)
    await bus.close()


@story
async def test_leader_and_peers_come_from_the_beacon() -> None:
    clock = [0.0]
    tracker = LeaderTracker(FakeBus(Hub()), clock=lambda: clock[0])
    status = ClusterStatus(tracker)
    assert (status.leader_address, status.peer_addresses) == ("", [])
    members = (Member(1, "s1", "h:1"), Member(2, "s2", "h:2"), Member(3, "s3", "h:3", voter=False))
    beacon = Beacon(CLUSTER, 1, 1, 2, 5, {}, members)
    tracker._on_beacon("", msgspec.msgpack.encode(beacon), "")
    assert (status.leader_address, status.peer_addresses) == ("h:2", ["h:1", "h:2"])
    clock[0] = 60.0
    assert (status.leader_address, status.peer_addresses) == ("", ["h:1", "h:2"])


def test_settings_have_consuls_ports_and_refuse_a_wrong_version() -> None:
    settings = load(CatalogSettings, [], {"LICTOR_CATALOG_HTTP_PORT": "18500", "LICTOR_NODE": "n1"})
    assert (settings.catalog_http_port, settings.catalog_grpc_port, settings.operations_port) == (18500, 8502, 8571)
    with pytest.raises(ValidationError):
        CatalogSettings(consul_version="latest")

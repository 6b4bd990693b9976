"""Leaves: obtained on demand, renewed in time, kept when renewing fails, moved to a new root within a window."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from lictor_bus import FakeBus, Hub
from lictor_bus.ca_signing import CsrAnswer, CsrRequest
from lictor_bus.subjects import ca_sign
from lictor_mesh import ServiceIdentity
from lictor_xds.ca_client import CaClient, SigningUnavailableError
from lictor_xds.leaf_store import ROOT_CHANGE_SETTLE_S, ROOT_CHANGE_WINDOW_S, Leaf

WEB = ServiceIdentity("11111111-2222-3333-4444-555555555555.consul", "dc1", "web")


async def until_told(plane: Any, act: Callable[[], object]) -> None:
    told = asyncio.Event()
    plane.leaves.listen(lambda _identity: told.set())
    act()
    async with asyncio.timeout(5):
        await told.wait()


def run(plane: Any, story: Callable[[Any], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(plane.leaves.run())
            plane.rotate()
            await until_told(plane, lambda: plane.leaves.leaf(WEB))
            await story(plane)
            task.cancel()

    asyncio.run(inside())


@pytest.fixture
def plane(control_plane: Any) -> Any:
    control_plane.now = 1_800_000_000.0
    control_plane.wall_clock = lambda: control_plane.now
    return control_plane


async def poke(plane: Any) -> None:
    """Let the store look at the clock again."""
    plane.leaves.roots_changed()
    for _ in range(50):
        await asyncio.sleep(0)


def test_a_leaf_is_renewed_between_60_and_90_percent_of_its_life_and_not_before(plane: Any) -> None:
    async def story(plane: Any) -> None:
        first: Leaf = plane.leaves.leaf(WEB)
        plane.now += 0.58 * 3600
        await poke(plane)
        assert plane.leaves.leaf(WEB) is first
        plane.now += 0.33 * 3600
        await until_told(plane, plane.leaves.roots_changed)
        assert plane.leaves.leaf(WEB).key_pem != first.key_pem

    run(plane, story)


def test_a_failed_renewal_keeps_the_leaf_says_why_and_is_repeated(plane: Any) -> None:
    async def story(plane: Any) -> None:
        first = plane.leaves.leaf(WEB)
        plane.signer_works = False
        plane.now += 0.95 * 3600
        await until_told(plane, plane.leaves.roots_changed)
        assert plane.leaves.leaf(WEB) is first
        assert plane.leaves.reason(WEB) == "nobody answers"
        plane.signer_works = True
        plane.now += 1
        await until_told(plane, plane.leaves.roots_changed)
        assert plane.leaves.leaf(WEB) is not first
        assert plane.leaves.reason(WEB) == ""

    run(plane, story)


def test_a_new_root_moves_leaves_after_it_is_trusted_and_within_a_window(plane: Any) -> None:
    async def story(plane: Any) -> None:
        first = plane.leaves.leaf(WEB)
        plane.rotate()
        plane.now += ROOT_CHANGE_SETTLE_S * 0.9
        await poke(plane)
        assert plane.leaves.leaf(WEB) is first
        plane.now += ROOT_CHANGE_WINDOW_S + 1
        await until_told(plane, plane.leaves.roots_changed)
        assert plane.leaves.leaf(WEB).root_id != first.root_id

    run(plane, story)


def test_an_answer_that_envoy_would_refuse_is_not_used(plane: Any) -> None:
    async def story(plane: Any) -> None:
        first = plane.leaves.leaf(WEB)
        good: Callable[[str], Awaitable[CsrAnswer]] = plane.leaves._sign

        async def expired(csr_pem: str) -> CsrAnswer:
            plane.now -= 7200
            try:
                return await good(csr_pem)
            finally:
                plane.now += 7200

        plane.leaves._sign = expired
        plane.now += 0.95 * 3600
        await until_told(plane, plane.leaves.roots_changed)
        assert plane.leaves.leaf(WEB) is first
        assert "not valid now" in plane.leaves.reason(WEB)

    run(plane, story)


def test_identities_that_nobody_wants_are_forgotten(plane: Any) -> None:
    async def story(plane: Any) -> None:
        plane.leaves.keep_only({WEB})
        assert plane.leaves.leaf(WEB) is not None
        plane.leaves.keep_only(())
        assert plane.leaves.reason(WEB) == ""
        assert plane.leaves.leaf(WEB) is None  # asked for anew

    run(plane, story)


def test_requests_travel_over_the_bus_and_refusals_come_back_as_reasons() -> None:
    async def story() -> None:
        hub = Hub()
        bus, catalog = FakeBus(hub), FakeBus(hub)
        client = CaClient(bus, lambda: "c")
        with pytest.raises(SigningUnavailableError, match="no answer"):
            await client.sign("csr")
        answers = [
            msgspec.msgpack.encode(CsrAnswer(cert_pem="pem", serial="01")),
            msgspec.msgpack.encode(CsrAnswer(error="datacenter")),
            b"\xc1",
        ]
        seen = []

        async def answer(_subject: str, data: bytes, reply: str) -> None:
            seen.append(msgspec.msgpack.decode(data, type=CsrRequest).csr_pem)
            await catalog.publish(reply, answers.pop(0))

        await catalog.subscribe(ca_sign("c"), answer, queue="signers")
        assert (await client.sign("csr")).cert_pem == "pem"
        with pytest.raises(SigningUnavailableError, match="refused: datacenter"):
            await client.sign("csr")
        with pytest.raises(SigningUnavailableError, match="cannot be read"):
            await client.sign("csr")
        assert seen == ["csr"] * 3
        await bus.close()
        await catalog.close()

    asyncio.run(story())

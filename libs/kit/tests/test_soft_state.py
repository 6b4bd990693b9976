"""Soft state: one contract, run on memory and, where there is a redis-server, on Redis."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from lictor_kit.soft_state import (
    MemorySoftState,
    RedisSoftState,
    SoftState,
    SoftStateUnavailable,
    open_soft_state,
)

Contract = Callable[[SoftState, Callable[[float], Coroutine[Any, Any, None]]], Coroutine[Any, Any, None]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server here")
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    server = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        for line in server.stdout:
            if "ready to accept connections" in line.lower():
                break
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=5)
        server.stdout.close()


@contextlib.asynccontextmanager
async def keeper(kind: str, url: str) -> AsyncIterator[tuple[SoftState, Callable[[float], Coroutine[Any, Any, None]]]]:
    now = 0.0

    async def pass_time(seconds: float) -> None:
        nonlocal now
        now += seconds
        if kind == "redis":
            await asyncio.sleep(seconds)

    soft: SoftState = MemorySoftState(clock=lambda: now) if kind == "memory" else open_soft_state(url)
    try:
        yield soft, pass_time
    finally:
        for key in await soft.keys(""):
            await soft.delete(key)
        await soft.close()


async def values_are_kept_replaced_and_deleted(soft: SoftState, pass_time: Any) -> None:
    assert await soft.get("ttl:web") is None
    await soft.set("ttl:web", b"\x00one")
    assert await soft.get("ttl:web") == b"\x00one"
    await soft.set("ttl:web", b"two")
    assert await soft.get("ttl:web") == b"two"
    await soft.delete("ttl:web")
    await soft.delete("ttl:web")
    assert await soft.get("ttl:web") is None


async def a_value_vanishes_when_its_time_is_over(soft: SoftState, pass_time: Any) -> None:
    await soft.set("a", b"1", ttl_s=0.05)
    await soft.set("b", b"2", ttl_s=60)
    assert await soft.get("a") == b"1"
    await pass_time(0.06)
    assert await soft.get("a") is None
    assert await soft.keys("") == ["b"]
    await soft.set("b", b"3")  # a plain write takes the time limit away
    await pass_time(0.06)
    assert await soft.get("b") == b"3"


async def a_counter_counts_and_its_time_runs_from_the_first_one(soft: SoftState, pass_time: Any) -> None:
    assert [await soft.incr("n", ttl_s=0.2) for _ in range(3)] == [1, 2, 3]
    await pass_time(0.12)
    assert await soft.incr("n", ttl_s=0.2) == 4
    await pass_time(0.12)
    assert await soft.incr("n", ttl_s=0.2) == 1
    assert await soft.get("n") == b"1"


async def a_value_that_is_no_number_cannot_be_counted(soft: SoftState, pass_time: Any) -> None:
    await soft.set("word", b"x")
    with pytest.raises(ValueError):
        await soft.incr("word")


async def keys_are_found_by_literal_prefix_in_order(soft: SoftState, pass_time: Any) -> None:
    for key in ("flap:b", "flap:a", "flap*:c", "flop:d", "other"):
        await soft.set(key, b"")
    assert await soft.keys("flap:") == ["flap:a", "flap:b"]
    assert await soft.keys("flap*") == ["flap*:c"]
    assert await soft.keys("none") == []
    assert len(await soft.keys("")) == 5


async def a_time_to_live_must_be_above_zero(soft: SoftState, pass_time: Any) -> None:
    with pytest.raises(ValueError, match="ttl_s"):
        await soft.set("a", b"", ttl_s=0)


CONTRACT: list[Contract] = [
    values_are_kept_replaced_and_deleted,
    a_value_vanishes_when_its_time_is_over,
    a_counter_counts_and_its_time_runs_from_the_first_one,
    a_value_that_is_no_number_cannot_be_counted,
    keys_are_found_by_literal_prefix_in_order,
    a_time_to_live_must_be_above_zero,
]


async def check(kind: str, url: str, contract: Contract) -> None:
    async with keeper(kind, url) as (soft, pass_time):
        await contract(soft, pass_time)


@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
def test_memory_keeps_the_contract(contract: Contract) -> None:
    asyncio.run(check("memory", "memory", contract))


@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
def test_redis_keeps_the_contract(contract: Contract, redis_url: str) -> None:
    asyncio.run(check("redis", redis_url, contract))


def test_full_memory_forgets_the_oldest_written() -> None:
    async def story() -> list[str]:
        soft = MemorySoftState(keys_max=2)
        for key in ("a", "b", "a", "c"):
            await soft.set(key, b"")
        return await soft.keys("")

    assert asyncio.run(story()) == ["a", "c"]


def test_an_unreachable_redis_is_told_as_unavailable() -> None:
    async def story() -> None:
        soft = RedisSoftState(f"redis://127.0.0.1:{free_port()}/0")
        with pytest.raises(SoftStateUnavailable):
            await soft.get("a")
        with pytest.raises(SoftStateUnavailable):
            await soft.set("a", b"")
        with pytest.raises(SoftStateUnavailable):
            await soft.incr("a")
        with pytest.raises(SoftStateUnavailable):
            await soft.keys("a")
        with pytest.raises(SoftStateUnavailable):
            await soft.delete("a")
        await soft.close()

    asyncio.run(story())


def test_the_setting_memory_opens_memory() -> None:
    assert isinstance(open_soft_state("memory"), MemorySoftState)

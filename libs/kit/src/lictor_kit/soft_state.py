"""Soft state: small values that may be lost without a wrong answer, only with a later one.

One protocol, two keepers: memory (one replica, development) and Redis (several replicas). Values are bytes, keys are
text with `:` between parts, times to live are seconds. This is the only module that knows Redis. There are no
transactions: whoever needs one needs the store.
"""

import time
from collections.abc import Callable
from typing import Protocol

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

# Memory keeps this many keys; when full the oldest written goes first, as it may by definition.
MEMORY_KEYS_MAX = 100_000
# Redis: this many connections, and nobody waits longer than this for one, or for an answer.
REDIS_CONNECTIONS_MAX = 16
REDIS_TIMEOUT_S = 1.0
# Keys fetched by one SCAN step: few enough that one step takes about a millisecond.
SCAN_COUNT = 500


class SoftStateUnavailable(Exception):  # noqa: N818  the condition is the name, as in NoResponders
    """The keeper cannot be reached or did not answer in time; go on without, and later."""


class SoftState(Protocol):
    """What may be lost. All methods raise `SoftStateUnavailable`."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None when absent or expired."""
        ...

    async def set(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        """Write a value; it vanishes after `ttl_s` (above 0), or stays."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a key; absent is fine."""
        ...

    async def incr(self, key: str, ttl_s: float | None = None) -> int:
        """Add one and return the sum; `ttl_s` counts from the first one. ValueError if the value is no integer."""
        ...

    async def keys(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix`, sorted."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class MemorySoftState:
    """Soft state in this process.

    Args:
        clock: seconds, never going back.
        keys_max: bound on keys.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, keys_max: int = MEMORY_KEYS_MAX) -> None:
        self._clock = clock
        self._keys_max = keys_max
        self._values: dict[str, tuple[bytes, float | None]] = {}

    async def get(self, key: str) -> bytes | None:
        """See `SoftState.get`."""
        entry = self._live(key)
        return None if entry is None else entry[0]

    async def set(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        """See `SoftState.set`."""
        self._write(key, value, None if ttl_s is None else self._clock() + _checked(ttl_s))

    async def delete(self, key: str) -> None:
        """See `SoftState.delete`."""
        self._values.pop(key, None)

    async def incr(self, key: str, ttl_s: float | None = None) -> int:
        """See `SoftState.incr`."""
        entry = self._live(key)
        if entry is None:
            entry = (b"0", None if ttl_s is None else self._clock() + _checked(ttl_s))
        total = int(entry[0]) + 1
        self._write(key, str(total).encode(), entry[1])
        return total

    async def keys(self, prefix: str) -> list[str]:
        """See `SoftState.keys`."""
        return sorted(key for key in tuple(self._values) if key.startswith(prefix) and self._live(key) is not None)

    async def close(self) -> None:
        """See `SoftState.close`."""
        self._values.clear()

    def _live(self, key: str) -> tuple[bytes, float | None] | None:
        entry = self._values.get(key)
        if entry is not None and entry[1] is not None and entry[1] <= self._clock():
            del self._values[key]
            return None
        return entry

    def _write(self, key: str, value: bytes, expires: float | None) -> None:
        self._values.pop(key, None)  # so that the dict's order is the order of writing
        if len(self._values) >= self._keys_max:
            del self._values[next(iter(self._values))]
        self._values[key] = (value, expires)


class RedisSoftState:
    """Soft state in a Redis that several replicas share.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
    """

    def __init__(self, url: str) -> None:
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=REDIS_CONNECTIONS_MAX,
            timeout=REDIS_TIMEOUT_S,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # a connection that idled away deserves one more try
        )
        self._redis = redis.Redis(connection_pool=pool)
        self._pool = pool

    async def get(self, key: str) -> bytes | None:
        """See `SoftState.get`."""
        try:
            value = await self._redis.get(key)
        except (RedisError, OSError) as error:
            raise SoftStateUnavailable(str(error)) from error
        return value.encode() if isinstance(value, str) else value

    async def set(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        """See `SoftState.set`."""
        try:
            await self._redis.set(key, value, px=_milliseconds(ttl_s))
        except (RedisError, OSError) as error:
            raise SoftStateUnavailable(str(error)) from error

    async def delete(self, key: str) -> None:
        """See `SoftState.delete`."""
        try:
            await self._redis.delete(key)
        except (RedisError, OSError) as error:
            raise SoftStateUnavailable(str(error)) from error

    async def incr(self, key: str, ttl_s: float | None = None) -> int:
        """See `SoftState.incr`."""
        try:
            async with self._redis.pipeline(transaction=True) as both:
                both.set(key, 0, px=_milliseconds(ttl_s), nx=True)
                both.incr(key)
                answers = await both.execute()
        except ResponseError as error:
            raise ValueError(f"{key!r} holds no integer") from error
        except (RedisError, OSError) as error:
            raise SoftStateUnavailable(str(error)) from error
        return int(answers[1])

    async def keys(self, prefix: str) -> list[str]:
        """See `SoftState.keys`."""
        pattern = "".join(f"\\{letter}" if letter in "*?[]^\\" else letter for letter in prefix) + "*"
        try:
            found = {key async for key in self._redis.scan_iter(match=pattern, count=SCAN_COUNT)}
        except (RedisError, OSError) as error:
            raise SoftStateUnavailable(str(error)) from error
        return sorted(key.decode() for key in found)

    async def close(self) -> None:
        """See `SoftState.close`."""
        await self._redis.aclose()
        await self._pool.disconnect()


def open_soft_state(url: str) -> SoftState:
    """The keeper that a setting names: `memory`, or a Redis URL. Connects on first use."""
    return MemorySoftState() if url == "memory" else RedisSoftState(url)


def _checked(ttl_s: float) -> float:
    if ttl_s <= 0:
        raise ValueError(f"ttl_s ({ttl_s}) must be above 0")
    return ttl_s


def _milliseconds(ttl_s: float | None) -> int | None:
    return None if ttl_s is None else max(1, round(_checked(ttl_s) * 1000))

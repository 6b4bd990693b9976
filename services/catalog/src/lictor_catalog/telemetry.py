"""The process's metrics for `agent/metrics` and `agent/metrics/stream`: the last whole interval, and each as it ends.

Consul's agents keep such intervals themselves; here the Prometheus registry is looked at every ten seconds.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, Callable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from lictor_catalog.metrics_summary import INTERVAL_S, NOTHING, Look, look, summary


class Telemetry:
    """Intervals of one registry; run `run()` as one of the process's tasks. `now` gives Unix seconds."""

    def __init__(self, registry: CollectorRegistry, now: Callable[[], float]) -> None:
        self._registry = registry
        self._now = now
        self._began = now()
        self._before: Look = NOTHING
        self._last: dict[str, Any] | None = None
        self._ended = asyncio.Condition()

    async def run(self) -> None:
        """End an interval every ten seconds, on the tens of the clock."""
        while True:
            await asyncio.sleep(INTERVAL_S - self._now() % INTERVAL_S)
            await self.turn()

    async def turn(self) -> None:
        """End the interval and begin the next."""
        now = self._now()
        found = look(self._registry.collect())
        self._last = summary(self._before, found, _text(self._began), now - self._began)
        self._before, self._began = found, now
        async with self._ended:
            self._ended.notify_all()

    def last(self) -> dict[str, Any]:
        """The last whole interval; before the first has ended, what there is of it."""
        if self._last is not None:
            return self._last
        return summary(NOTHING, look(self._registry.collect()), _text(self._began), self._now() - self._began)

    async def intervals(self) -> AsyncGenerator[dict[str, Any]]:
        """What there is now, then every interval as it ends; a reader that is too slow misses some."""
        yield self.last()
        while True:
            async with self._ended:
                await self._ended.wait()
            yield self.last()

    def prometheus(self) -> bytes:
        """The metrics in Prometheus' text form."""
        return generate_latest(self._registry)


def _text(seconds: float) -> str:
    """As Go prints a time: `2026-11-25 22:10:00 +0000 UTC`."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")

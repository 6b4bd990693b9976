"""`PUT /v1/coordinate/update` and what gossips report: batches in which coordinates are proposed (Consul's HTTP API).

Every node measures all the time, so updates are answered at once and written together, the newest of each node only.
What cannot be written is dropped: the next measurement is as good.
"""

import asyncio
from typing import Any

import structlog

from lictor_bus import frames
from lictor_bus.frames import FrameError
from lictor_bus.pool_frames import CoordinateReport
from lictor_catalog.body_decoding import ListOf, Shape, body_object, text
from lictor_catalog.errors import ApiError, BodyError
from lictor_catalog.writes import Writes
from lictor_state.commands import CoordinateSpec, CoordinatesUpdate
from lictor_state.distance import is_valid

PERIOD_S = 5.0
"""Consul's `coordinate_update_period`."""

BATCH_MAX = 128
BATCHES_MAX = 5
PENDING_MAX = BATCH_MAX * BATCHES_MAX
"""Consul's bounds. What comes for further nodes within a period is dropped and said so in the log."""

log = structlog.get_logger()


def number(value: Any, path: str) -> float:
    """A number with a fraction; whole ones are taken."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise BodyError(f"json: cannot unmarshal {path.lstrip('.')} into a value of type float64")


_COORD = Shape({"Vec": ListOf(number), "Error": number, "Adjustment": number, "Height": number})
UPDATE = Shape({"Datacenter": text, "Node": text, "Segment": text, "Coord": _COORD})


def update(raw: bytes, datacenter: str) -> CoordinateSpec:
    """The update that a body asks for. Raises `ApiError`."""
    body = body_object(raw, UPDATE)
    if body.get("Datacenter", datacenter) not in {"", datacenter}:
        raise ApiError(500, "No path to datacenter")
    coord = body.get("Coord", {})
    spec = CoordinateSpec(
        node=body.get("Node", ""),
        segment=body.get("Segment", ""),
        vec=coord.get("Vec", ()),
        error=coord.get("Error", 0.0),
        adjustment=coord.get("Adjustment", 0.0),
        height=coord.get("Height", 0.0),
    )
    if not is_valid(spec.vec, spec.error, spec.adjustment, spec.height):
        raise ApiError(500, "incompatible coordinate")
    return spec


class CoordinateUpdates:
    """The updates that wait for their batch."""

    def __init__(self, writes: Writes, period_s: float = PERIOD_S) -> None:
        self._writes = writes
        self._period_s = period_s
        self._pending: dict[tuple[str, str], CoordinateSpec] = {}
        self._some = asyncio.Event()
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._pending)

    def take(self, spec: CoordinateSpec) -> None:
        """Keep an update for the next batch; it replaces an older one of its node and segment."""
        key = (spec.node.lower(), spec.segment)
        if key not in self._pending and len(self._pending) >= PENDING_MAX:
            self._dropped += 1
            return
        self._pending[key] = spec
        self._some.set()

    def on_report(self, _subject: str, data: bytes, _reply: str) -> None:
        """A gossip says where its node is; one that makes no sense is dropped."""
        try:
            report = frames.decode(data, CoordinateReport)
        except FrameError as error:
            log.warning("coordinate report not understood", reason=str(error))
            return
        if is_valid(report.vec, report.error, report.adjustment, report.height):
            self.take(
                CoordinateSpec(report.node, report.segment, report.vec, report.error, report.adjustment, report.height)
            )

    async def run(self) -> None:
        """Write what was taken, a period after the first of it."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._period_s)
            await self.flush()

    async def flush(self) -> None:
        """Write now what was taken."""
        pending, self._pending = self._pending, {}
        self._some.clear()
        dropped, self._dropped = self._dropped, 0
        if dropped:
            log.warning("coordinates dropped", count=dropped, reason=f"at most {PENDING_MAX} nodes a period")
        updates = tuple(pending.values())
        for start in range(0, len(updates), BATCH_MAX):
            batch = updates[start : start + BATCH_MAX]
            try:
                await self._writes.propose(CoordinatesUpdate(batch), seen_s=0.0)
            except ApiError as error:
                log.warning("coordinates not written", count=len(batch), reason=error.text)

"""Raft messages over a lane: one frame per peer and Ready, sent without waiting.

Flow control is the core's: it bounds messages and bytes in flight per peer. A frame names the sender's run, and a
second live run under one member id is refused (a copied data directory would otherwise vote twice).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from lictor_bus import Lane, frames
from lictor_bus.frames import MESSAGE_BYTES_MAX, FrameError, RaftFrame
from lictor_raft import Message

RUN_SILENT_S = 2.0
"""A sender's earlier run counts as ended after this much silence."""

log = structlog.get_logger()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


@dataclass(slots=True)
class _Run:
    run_id: str
    heard_at: float


class RaftTransport:
    """Sends and receives Raft messages of one member."""

    def __init__(
        self,
        lane: Lane,
        cluster: str,
        member_id: int,
        run_id: str,
        receive: Callable[[list[Message]], None],
        clock: Callable[[], float],
    ) -> None:
        self._lane, self._cluster, self._member_id, self._run_id = lane, cluster, member_id, run_id
        self._receive = receive
        self._clock = clock
        self._runs: dict[int, _Run] = {}
        self.refused = 0

    async def open(self) -> None:
        """Begin to receive."""
        await self._lane.serve("raft", self._on_frame)

    async def send(self, messages: Sequence[Message]) -> None:
        """Send messages to their members; lost ones are the core's business."""
        by_peer: dict[int, list[bytes]] = {}
        for message in messages:
            by_peer.setdefault(message.to, []).append(_encoder.encode(message))
        for peer, encoded in by_peer.items():
            batch: list[bytes] = []
            size = 0
            for one in encoded:
                if batch and size + len(one) > MESSAGE_BYTES_MAX:
                    await self._publish(peer, batch)
                    batch, size = [], 0
                batch.append(one)
                size += len(one) + 5
            await self._publish(peer, batch)

    async def _publish(self, peer: int, batch: list[bytes]) -> None:
        frame = RaftFrame(self._cluster, self._member_id, self._run_id, batch)
        await self._lane.publish(peer, "raft", frames.encode(frame))

    def _on_frame(self, data: bytes, _reply: str) -> None:
        try:
            frame = frames.decode(data, RaftFrame)
            messages = [_decoder.decode(one) for one in frame.messages]
        except (FrameError, msgspec.DecodeError) as error:
            log.warning("raft frame not understood", reason=str(error))
            return
        if frame.cluster == self._cluster and self._is_live_run(frame.sender, frame.run_id):
            self._receive(messages)

    def _is_live_run(self, sender: int, run_id: str) -> bool:
        now = self._clock()
        known = self._runs.get(sender)
        if known is None or known.run_id == run_id or now - known.heard_at > RUN_SILENT_S:
            self._runs[sender] = _Run(run_id, now)
            return True
        self.refused += 1
        if self.refused % 100 == 1:
            log.warning("second run of a member refused", member=f"{sender:x}", run=run_id, live=known.run_id)
        return False

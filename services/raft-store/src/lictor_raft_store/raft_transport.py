"""Raft messages over a lane: one frame per peer and Ready, sent without waiting.

Flow control is the core's: it bounds messages and bytes in flight per peer. A frame names the sender's run, and a
second live run under one member id is refused (a copied data directory would otherwise vote twice). An earlier run has
ended when it is silent on the link and in its presence: followers have nothing to say to each other, but every live run
announces itself; a restarted member that said goodbye does not wait, one that was killed waits little.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from lictor_bus import Lane, frames
from lictor_bus.frames import MESSAGE_BYTES_MAX, FrameError, RaftFrame
from lictor_raft import MEMBER_ID_MAX, Message

ANNOUNCEMENTS_MISSED_S = 1.1
"""Two announcements (twice a second) and some delay: a run silent for longer has ended, or is cut off."""

HEARTBEATS_MISSED = 3
"""Nor may it have sent anything in the time of so many heartbeats: where NATS is away, only the link can tell."""

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
        presence_silent_s: Callable[[str], float],
        heartbeat_s: float,
    ) -> None:
        """Begin.

        Args:
            lane: what carries the frames.
            cluster: the cluster; frames of another are ignored.
            member_id: this member.
            run_id: this run of it.
            receive: takes what came.
            clock: seconds of a steady clock.
            presence_silent_s: seconds since a run announced itself; infinite after its goodbye.
            heartbeat_s: time between two heartbeats of a leader.
        """
        self._lane, self._cluster, self._member_id, self._run_id = lane, cluster, member_id, run_id
        self._receive = receive
        self._clock = clock
        self._presence_silent_s = presence_silent_s
        self._link_silent_s = HEARTBEATS_MISSED * heartbeat_s
        self._runs: dict[int, _Run] = {}
        self.refused = 0

    async def open(self) -> None:
        """Begin to receive."""
        await self._lane.serve("raft", self._on_frame)

    def send(self, messages: Sequence[Message]) -> None:
        """Send messages to their members; lost ones are the core's business."""
        by_peer: dict[int, list[bytes]] = {}
        for message in messages:
            encoded = _encoder.encode(message)
            waiting = by_peer.get(message.to)
            if waiting is None:
                by_peer[message.to] = [encoded]
            else:
                waiting.append(encoded)
        for peer, waiting in by_peer.items():
            if len(waiting) == 1:
                self._publish(peer, waiting)
            else:
                self._publish_in_frames(peer, waiting)

    def _publish_in_frames(self, peer: int, encoded: list[bytes]) -> None:
        """Several messages, in as few frames as the bus takes."""
        batch: list[bytes] = []
        size = 0
        for one in encoded:
            if batch and size + len(one) > MESSAGE_BYTES_MAX:
                self._publish(peer, batch)
                batch, size = [], 0
            batch.append(one)
            size += len(one) + 5
        self._publish(peer, batch)

    def _publish(self, peer: int, batch: list[bytes]) -> None:
        frame = RaftFrame(self._cluster, self._member_id, self._run_id, batch)
        self._lane.publish_now(peer, "raft", frames.encode(frame))

    def _on_frame(self, data: bytes, _reply: str) -> None:
        try:
            frame = frames.decode(data, RaftFrame)
            messages = [_decoder.decode(one) for one in frame.messages]
        except (FrameError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("raft frame not understood", reason=str(error))
            return
        for one in messages:
            if one.from_ > MEMBER_ID_MAX:
                # Only this member's own storage speaks under such an id: a peer's word for it would pass for durable.
                log.warning("raft frame speaks for the own storage", member=f"{frame.sender:x}")
                return
        if frame.cluster == self._cluster and self._is_live_run(frame.sender, frame.run_id):
            self._receive(messages)

    def _is_live_run(self, sender: int, run_id: str) -> bool:
        now = self._clock()
        known = self._runs.get(sender)
        if known is not None and known.run_id == run_id:
            known.heard_at = now
            return True
        if known is None or self._has_ended(known, now):
            self._runs[sender] = _Run(run_id, now)
            return True
        self.refused += 1
        if self.refused % 100 == 1:
            log.warning("second run of a member refused", member=f"{sender:x}", run=run_id, live=known.run_id)
        return False

    def _has_ended(self, run: _Run, now: float) -> bool:
        silent = now - run.heard_at > self._link_silent_s
        return silent and self._presence_silent_s(run.run_id) > ANNOUNCEMENTS_MISSED_S

"""A raft-store in memory, for tests of what speaks with one: a real state behind a bus, without consensus or disk.

It leads alone, applies every proposal at once, publishes feed and beacons, and serves resumes. A test can make it
mute, deaf or a follower, and can have it lose answers.
"""

import asyncio
import itertools

import msgspec

from lictor_bus import frames, subjects
from lictor_bus.connection import Bus
from lictor_bus.frames import (
    Beacon,
    Feed,
    Member,
    ProposeAnswer,
    ProposeBatch,
    ReadAnswer,
    ResumeAnswer,
    ResumeAsk,
)
from lictor_state import Applied, Store, apply
from lictor_state.codec import GroupEncoder, decode_envelope
from lictor_state.commands import Command, Envelope
from lictor_state.snapshot import dump_stream
from lictor_state.streams import STREAMS, Stream

CLUSTER = "test-cluster"
MEMBER_ID = 7


class FakeStore:
    """One leading member called `server-1`."""

    def __init__(self, bus: Bus, cluster: str = CLUSTER, member_id: int = MEMBER_ID) -> None:
        self.bus, self.cluster, self.member_id = bus, cluster, member_id
        self.store = Store(cluster)
        self.term = 2
        self.leading = True
        self.publishing = True
        self.lose_answers = 0
        self.refuse_with: ProposeAnswer | None = None
        self.keep_changes = True
        self.batches: list[int] = []
        self.asks = 0
        self._raft_index = 1
        self._groups: dict[Stream, list[tuple[int, bytes]]] = {stream: [] for stream in STREAMS}
        self._snapshots: dict[int, list[bytes]] = {}
        self._sessions = itertools.count(1)

    async def open(self) -> None:
        """Begin to listen, and say that a leader is there."""
        for verb, callback in (("propose", self._on_propose), ("read", self._on_read), ("resume", self._on_resume)):
            await self.bus.subscribe(subjects.member(self.cluster, self.member_id, verb), callback)
        await self.beacon()

    async def beacon(self) -> None:
        """Publish one beacon."""
        meta = self.store.meta
        members = (Member(self.member_id, "server-1", "127.0.0.1:8300"),)
        beacon = Beacon(
            self.cluster,
            meta.epoch,
            self.term,
            self.member_id,
            self.store.index,
            dict(meta.stream_last),
            members,
            level=meta.level,
            reconnects=self.bus.reconnects,
        )
        await self.bus.publish(subjects.beacon(self.cluster), frames.encode(beacon))

    async def apply(self, command: Command) -> Applied:
        """Apply a command as if somebody had proposed it, and publish."""
        return await self._apply(Envelope(0, 0, 0, command))

    async def _apply(self, envelope: Envelope) -> Applied:
        before = dict(self.store.meta.stream_last)
        self._raft_index += 1
        done = apply(self.store, self._raft_index, envelope)
        if done.restored:
            self._groups = {stream: [] for stream in STREAMS}
            for stream in STREAMS:
                announced = Feed(self.cluster, self.store.epoch, done.index, done.index, [], resume=True)
                await self.bus.publish(subjects.feed(self.cluster, stream), frames.encode(announced))
        groups = GroupEncoder().encode(done.index, done.changes) if done.changes else {}
        for stream, group in groups.items():  # all are kept before the first await: a resume sees all or none of them
            self._groups[stream].append((done.index, group))
        for stream, group in groups.items():
            if self.publishing:
                feed = Feed(self.cluster, self.store.meta.epoch, before.get(stream, 0), done.index, [group])
                await self.bus.publish(subjects.feed(self.cluster, stream), frames.encode(feed))
        return done

    async def _on_propose(self, _subject: str, data: bytes, reply: str) -> None:
        batch = frames.decode(data, ProposeBatch)
        if not self.leading:
            await self.bus.publish(reply, frames.encode(ProposeAnswer("not-leader", 0, self.term)))
            return
        if self.refuse_with is not None:
            await self.bus.publish(reply, frames.encode(self.refuse_with))
            return
        self.batches.append(len(batch.envelopes))
        results = []
        for encoded in batch.envelopes:
            done = await self._apply(decode_envelope(encoded))
            results.append((done.index, msgspec.msgpack.encode(done.result)))
        if self.lose_answers:
            self.lose_answers -= 1
            return
        await self.bus.publish(reply, frames.encode(ProposeAnswer("ok", self.member_id, self.term, results)))

    async def _on_read(self, _subject: str, _data: bytes, reply: str) -> None:
        self.asks += 1
        meta = self.store.meta
        status = "ok" if self.leading else "not-leader"
        answer = ReadAnswer(
            status,  # type: ignore[arg-type]  # one of two literals
            self.member_id if self.leading else 0,
            self.term,
            meta.epoch,
            self.store.index,
            dict(meta.stream_last),
        )
        await self.bus.publish(reply, frames.encode(answer))

    async def _on_resume(self, _subject: str, data: bytes, reply: str) -> None:
        ask = frames.decode(data, ResumeAsk)
        stream: Stream = ask.stream  # type: ignore[assignment]  # what views send
        epoch = self.store.meta.epoch
        if ask.session:
            parts = self._snapshots.get(ask.session, [])
            answer = ResumeAnswer("part", body=parts[ask.part]) if ask.part < len(parts) else ResumeAnswer("gone")
        elif self.keep_changes and ask.epoch == epoch:
            groups = [group for index, group in self._groups[stream] if index > ask.index]
            answer = ResumeAnswer("changes", epoch, self.store.index, groups)
        else:
            session = next(self._sessions)
            parts = self._snapshots[session] = list(dump_stream(self.store, stream))
            answer = ResumeAnswer("snapshot", epoch, self.store.index, session=session, parts=len(parts))
        await self.bus.publish(reply, frames.encode(answer))

    async def beacons(self, every_s: float = 0.05) -> None:
        """Publish beacons until cancelled."""
        while True:
            await self.beacon()
            await asyncio.sleep(every_s)

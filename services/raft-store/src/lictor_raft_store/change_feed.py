"""Publishing the change feed and the beacons (design rules 3.7 to 3.9): what a leader says to all views.

Only the leader publishes, only what is committed and applied. One message per stream and applied batch, or for several
batches of a crowd (`held_changes`); a change too large for one message is cut into numbered parts, and one above 8 MiB
is only announced, so that views ask a member.
"""

from collections.abc import Iterator, Mapping

from lictor_bus import Bus, frames, subjects
from lictor_bus.frames import MESSAGE_BYTES_MAX, Beacon, Feed, Member
from lictor_raft_store.machine import StreamChanges
from lictor_state import Store
from lictor_state.streams import STREAMS, Stream

CUT_BYTES_MAX = 8 * 1024 * 1024


def messages(cluster: str, epoch: int, changes: StreamChanges) -> Iterator[Feed]:
    """The messages that carry one stream's changes, in order."""
    prev = changes.prev
    if changes.groups and sum([len(encoded) + 5 for _, encoded in changes.groups]) <= MESSAGE_BYTES_MAX:
        # the usual case, in half of the time
        yield Feed(cluster, epoch, prev, changes.groups[-1][0], [encoded for _, encoded in changes.groups])
        return
    waiting: list[bytes] = []
    size, last = 0, prev
    for index, encoded in changes.groups:
        if waiting and size + len(encoded) > MESSAGE_BYTES_MAX:
            yield Feed(cluster, epoch, prev, last, waiting)
            prev, waiting, size = last, [], 0
        if len(encoded) > CUT_BYTES_MAX:
            yield Feed(cluster, epoch, prev, index, [], resume=True)
            prev = index
        elif len(encoded) > MESSAGE_BYTES_MAX:
            slices = [encoded[at : at + MESSAGE_BYTES_MAX] for at in range(0, len(encoded), MESSAGE_BYTES_MAX)]
            for part, piece in enumerate(slices):
                yield Feed(cluster, epoch, prev, index, [piece], part, len(slices))
            prev = index
        else:
            waiting.append(encoded)
            size += len(encoded) + 5
        last = index
    if waiting:
        yield Feed(cluster, epoch, prev, last, waiting)


class ChangeFeed:
    """Sends feed messages and beacons in the cluster's name."""

    def __init__(self, bus: Bus, cluster: str) -> None:
        self._bus = bus
        self._cluster = cluster
        self._subjects: dict[Stream, str] = {}

    def encode(self, epoch: int, streams: Mapping[Stream, StreamChanges]) -> list[tuple[Stream, bytes]]:
        """The messages that say what has changed in each stream."""
        return [
            (stream, frames.encode(message))
            for stream, changes in streams.items()
            for message in messages(self._cluster, epoch, changes)
        ]

    def announce_restore(self, epoch: int, at: int) -> None:
        """Say that index `at` has replaced the whole state, so that views resume whole."""
        announced = frames.encode(Feed(self._cluster, epoch, at, at, [], resume=True))
        self.publish([(stream, announced) for stream in STREAMS])

    def publish(self, encoded: list[tuple[Stream, bytes]]) -> None:
        """Say it to all views."""
        for stream, message in encoded:
            self._bus.publish_now(self._subject(stream), message)

    def _subject(self, stream: Stream) -> str:
        subject = self._subjects.get(stream)
        if subject is None:
            subject = self._subjects[stream] = subjects.feed(self._cluster, stream)
        return subject

    def beacon(
        self, store: Store, term: int, leader: int, members: tuple[Member, ...], held: str, conf: tuple[int, ...]
    ) -> None:
        """Say that `leader` leads and how far the state has come."""
        meta = store.meta
        beacon = Beacon(
            self._cluster,
            meta.epoch,
            term,
            leader,
            store.index,
            dict(meta.stream_last),
            members,
            meta.level,
            held,
            conf,
            self._bus.reconnects,
        )
        self._bus.publish_now(subjects.beacon(self._cluster), frames.encode(beacon))

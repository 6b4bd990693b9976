"""The state machine's host: committed entries in, results and encoded changes out (design rules 3.5 to 3.7).

Rows are encoded once per change; what a stream gets is a selection of the same bytes. A committed entry that this
build cannot decode stops the process: skipping it would make this member's state another than its peers'.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from lictor_raft import Entry, EntryKind
from lictor_state import Store, apply, apply_noop
from lictor_state.codec import GroupEncoder, decode_envelope
from lictor_state.streams import STREAM_TABLES, Stream

STREAMS: tuple[Stream, ...] = tuple(STREAM_TABLES)

_results = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class StreamChanges:
    """What one applied batch changed in one stream: encoded groups in order, and the span they cover."""

    prev: int
    last: int
    groups: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class AppliedBatch:
    """What applying a batch of entries came to.

    `results` maps a Raft log index to its term, store index and encoded `Result`; `streams` holds the streams that
    changed. `restored_at` is the store index at which the whole state was replaced, 0 if it was not: then `streams`
    begins after it, and what was kept of the time before is of another epoch.
    """

    results: dict[int, tuple[int, int, bytes]]
    streams: dict[Stream, StreamChanges]
    restored_at: int = 0


class Machine:
    """Applies entries to the store, in order, each once."""

    def __init__(self, store: Store, applied: int) -> None:
        """Begin with a store that has applied the log up to the Raft index `applied`."""
        self.store = store
        self.applied = applied

    def apply(self, entries: Sequence[Entry], *, want_results: bool) -> AppliedBatch:
        """Apply committed entries; results are only encoded where somebody may wait for them."""
        store = self.store
        before = dict(store.meta.stream_last)
        batch = AppliedBatch({}, {})
        encoder = GroupEncoder()
        for entry in entries:
            assert entry.index == self.applied + 1, f"entry {entry.index} after {self.applied}"
            if entry.kind is not EntryKind.NORMAL or not entry.data:
                apply_noop(store, entry.index)
            else:
                done = apply(store, entry.index, decode_envelope(entry.data))
                if want_results:
                    batch.results[entry.index] = (entry.term, done.index, _results.encode(done.result))
                if done.restored:
                    batch.streams, batch.restored_at = {}, done.index
                    before = dict.fromkeys(STREAMS, done.index)
                if done.changes:
                    for stream, encoded in encoder.encode(done.index, done.changes).items():
                        changed = batch.streams.get(stream)
                        if changed is None:
                            changed = batch.streams[stream] = StreamChanges(before.get(stream, 0), 0)
                        changed.last = done.index
                        changed.groups.append((done.index, encoded))
            self.applied = entry.index
        return batch

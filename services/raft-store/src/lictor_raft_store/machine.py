"""The state machine's host: committed entries in, results and changes out (design rules 3.5 to 3.7).

Rows are encoded once per change; what a stream gets is a selection of the same bytes. A follower tells nobody of its
changes and only keeps them (`feed_log`): a stream's selection is made if somebody asks. A committed entry that this
build cannot decode stops the process: skipping it would make this member's state another than its peers'.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from lictor_raft import Entry
from lictor_raft.kinds import NORMAL
from lictor_state import Change, CodecError, Store, apply, apply_noop
from lictor_state.codec import GroupEncoder, decode_envelope, encode_group
from lictor_state.commands import RaiseLevel
from lictor_state.levels import LEVEL_MAX
from lictor_state.streams import STREAMS, Stream

LEVEL_UNKNOWN = (
    "the cluster is at feature level {}, this build knows levels up to {}: start a newer build of raft-store"
)

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

    `groups` has the changes of each index that changed something, encoded whole, and `lasts` the last index that
    changed each stream: what a `FeedLog` keeps. A leader's also has `results` (from a Raft log index to its term, store
    index and encoded `Result`), `streams` with the streams that changed, and `changes`, the rows, in order.
    `restored_at` is the store index at which the whole state was replaced, 0 if it was not: then the changes begin
    after it, and what was kept of the time before is of another epoch. `level_raised`: the feature level is another
    one now.
    """

    results: dict[int, tuple[int, int, bytes]]
    streams: dict[Stream, StreamChanges]
    groups: list[bytes] = field(default_factory=list)
    lasts: dict[Stream, int] = field(default_factory=dict)
    restored_at: int = 0
    changes: list[Change] = field(default_factory=list)
    level_raised: bool = False


class Machine:
    """Applies entries to the store, in order, each once."""

    def __init__(self, store: Store, applied: int) -> None:
        """Begin with a store that has applied the log up to the Raft index `applied`.

        Raises:
            CodecError: the store is of a feature level that this build does not know.
        """
        if store.level > LEVEL_MAX:
            raise CodecError(LEVEL_UNKNOWN.format(store.level, LEVEL_MAX))
        self.store = store
        self.applied = applied

    def apply(self, entries: Sequence[Entry], *, leading: bool) -> AppliedBatch:
        """Apply committed entries; results, and what each stream carries, are encoded where a leader tells of them."""
        store = self.store
        before, level = dict(store.meta.stream_last), store.level
        batch = AppliedBatch({}, {})
        results, streams, encode = batch.results, batch.streams, GroupEncoder().encode
        for entry in entries:
            raft_index, data = entry.index, entry.data
            assert raft_index == self.applied + 1, f"entry {raft_index} after {self.applied}"
            if entry.kind is not NORMAL or not data:
                apply_noop(store, raft_index)
            else:
                envelope = decode_envelope(data)
                if type(envelope.command) is RaiseLevel:
                    _check_level(envelope.command)
                done = apply(store, raft_index, envelope)
                index, changes = done.index, done.changes
                if leading:
                    results[raft_index] = (entry.term, index, _results.encode(done.result))
                if done.restored:
                    batch.streams, batch.groups, batch.restored_at, batch.changes = {}, [], index, []
                    streams, before = batch.streams, dict.fromkeys(STREAMS, index)
                if changes and leading:
                    batch.changes += changes
                    carried = encode(index, changes)
                    batch.groups.append(carried["all"])
                    for stream, encoded in carried.items():
                        changed = streams.get(stream)
                        if changed is None:
                            changed = streams[stream] = StreamChanges(before.get(stream, 0), 0)
                        changed.last = index
                        changed.groups.append((index, encoded))
                elif changes:
                    batch.groups.append(encode_group(index, changes))
            self.applied = raft_index
        lasts = store.meta.stream_last
        batch.lasts = {one: at for one in STREAMS if (at := lasts.get(one, 0)) > before.get(one, 0)}
        batch.level_raised = store.level != level
        return batch


def _check_level(command: RaiseLevel) -> None:
    """A level that this build does not know means entries to come that it could not apply: it stops here, in time."""
    if command.level > LEVEL_MAX:
        raise CodecError(LEVEL_UNKNOWN.format(command.level, LEVEL_MAX))

"""Asynchronous storage: what the log writer and the state machine have to do, as messages, and their answers.

Thesis 10.2.1 lets a leader write its log while it sends; here any member also goes on while it writes. With
`Config.async_storage_writes` a `Ready` carries messages to `LOCAL_APPEND` and `LOCAL_APPLY`. Each of the two receivers
works in order; several messages may wait at each. When one is done, the driver delivers its `responses`: those to
other members over the network, those to this member by `step`.

**A late answer must not vouch for what replaced its entries.** Entries (5, term 1) are being written; a leader of term
2 replaces them by (5, term 2), a leader of term 3 brings back (5, term 1). The answer to the first write names exactly
what the log holds, and the disk holds, for the moment, something else. So an answer carries the term in which it was
made and counts only in that term: within one term an index is given one entry. What such an answer would have told is
told again by the next one: each attests the whole log as of its message, not just the entries that it wrote; and there
is a next one, because a new term has to be persisted.

**Only what is known to be durable here is applied**, committed or not, in both modes: etcd-io/raft applies earlier in
its synchronous mode, which would let a state machine get ahead of its log. The payload being applied is bounded by
`Config.committed_bytes_per_ready_max`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lictor_raft import leader
from lictor_raft.kinds import STORAGE_APPEND, STORAGE_APPEND_RESPONSE, STORAGE_APPLY, STORAGE_APPLY_RESPONSE
from lictor_raft.messages import LOCAL_APPEND, LOCAL_APPLY, Entry, HardState, Message, Snapshot
from lictor_raft.storage import payload_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lictor_raft.core import Core


def append_message(
    core: Core, hard_state: HardState | None, entries: tuple[Entry, ...], snapshot: Snapshot | None
) -> Message | None:
    """What the log writer has to do now, or None; takes over the messages that wait for it."""
    responses = core.messages_after_append
    if not (entries or hard_state is not None or snapshot is not None or responses):
        return None
    if core.log.unstable.entries or snapshot is not None:
        # Before the own acknowledgement: a leader commits what it knows to be durable.
        responses = [_attestation(core, snapshot), *responses]
    return Message(
        STORAGE_APPEND,
        core.id,
        LOCAL_APPEND,
        core.term,
        entries=entries,
        snapshot=snapshot,
        hard_state=hard_state,
        responses=tuple(responses),
    )


def _attestation(core: Core, snapshot: Snapshot | None) -> Message:
    index = log_term = 0
    if core.log.unstable.entries:
        last = core.log.unstable.entries[-1]
        index, log_term = last.index, last.term
    return Message(
        STORAGE_APPEND_RESPONSE,
        LOCAL_APPEND,
        core.id,
        core.term,
        index=index,
        log_term=log_term,
        snapshot=snapshot,
    )


def apply_message(core: Core, committed: Sequence[Entry]) -> Message:
    """What the state machine has to do now. Its answer bears no term: what is committed is so in every term."""
    entries = tuple(committed)
    answer = Message(STORAGE_APPLY_RESPONSE, LOCAL_APPLY, core.id, 0, entries=entries)
    return Message(STORAGE_APPLY, core.id, LOCAL_APPLY, 0, entries=entries, responses=(answer,))


def step(core: Core, message: Message) -> None:
    """Take an answer of the log writer or of the state machine."""
    if message.kind is STORAGE_APPEND_RESPONSE:
        if message.index and message.term == core.term:
            core.log.unstable.stable_to(message.index, message.log_term)
        if message.snapshot is not None:
            # Whatever the term: a snapshot holds only what is committed.
            installed(core, message.snapshot)
    elif message.kind is STORAGE_APPLY_RESPONSE:
        size = payload_bytes(message.entries)
        core.log.applied_to(message.entries[-1].index, size)
        leader.after_apply(core, size)


def installed(core: Core, snapshot: Snapshot) -> None:
    """A snapshot is durable, and the state machine starts over from it."""
    core.log.unstable.stable_snapshot_to(snapshot.meta.index)
    core.log.applied_to(max(core.log.applied, snapshot.meta.index))


def applied(core: Core, entries: Sequence[Entry]) -> None:
    """Entries were applied, without asynchronous storage: no payload was counted as being applied."""
    core.log.applied_to(entries[-1].index)
    leader.after_apply(core, payload_bytes(entries))

"""How a leader sends: appends, snapshots and heartbeats to one peer or to all.

Raft paper 5.3 and 7; thesis 10.2.1 (pipelining). The windows are in `inflights`, the states in `progress`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lictor_raft.errors import LogUnavailable, SnapshotUnavailable
from lictor_raft.kinds import APPEND, HEARTBEAT
from lictor_raft.kinds import SNAPSHOT as SNAPSHOT_MESSAGE
from lictor_raft.messages import Entry, Message
from lictor_raft.progress import REPLICATE, SNAPSHOT

if TYPE_CHECKING:
    from lictor_raft.core import Core
    from lictor_raft.progress import Progress


def broadcast_append(core: Core) -> None:
    """Send every peer what it lacks, or at least the commit index."""
    for member in core.tracker.ids:
        if member != core.id:
            send_append(core, member)


def send_append(core: Core, to: int, *, even_if_empty: bool = True) -> bool:
    """Send one append to a peer that is not paused; a snapshot if the log no longer holds what it lacks.

    Returns:
        Whether anything was sent.
    """
    peer = core.tracker.progress[to]
    if peer.paused or peer.state is SNAPSHOT:
        return False
    log = core.log
    previous = peer.next - 1
    entries: tuple[Entry, ...] = ()
    size = 0
    try:
        previous_term = log.term(previous)
        # Into a full window only empty appends go. They keep a peer alive whose whole window was lost: it answers with
        # a rejection or an acknowledgement, and either clears the window.
        if peer.state is not REPLICATE or not peer.inflights.full():
            entries, size = log.entries(peer.next, core.config.entries_bytes_per_message_max)
    except LogUnavailable:
        return _send_snapshot(core, to, peer)
    if not entries and not even_if_empty:
        return False
    core.rounds.start_if_due(core.now)
    core.send(
        Message(
            APPEND,
            core.id,
            to,
            core.term,
            index=previous,
            log_term=previous_term,
            entries=entries,
            commit=log.committed,
            context=core.rounds.newest,
        )
    )
    if entries:
        peer.sent_entries(len(entries), size)
    peer.sent_commit = log.committed
    return True


def _send_snapshot(core: Core, to: int, peer: Progress) -> bool:
    if not peer.recent_active:
        # Nobody answers there: a snapshot is too much to send on suspicion.
        return False
    try:
        snapshot = core.log.storage.snapshot()
    except SnapshotUnavailable:
        return False
    peer.become_snapshot(snapshot.meta.index)
    core.rounds.start_if_due(core.now)
    core.send(Message(SNAPSHOT_MESSAGE, core.id, to, core.term, snapshot=snapshot, context=core.rounds.newest))
    return True


def broadcast_heartbeat(core: Core) -> None:
    """Start a round and send it to every peer."""
    core.rounds.start(core.now)
    core.read_round_due = False
    committed = core.log.committed
    for member, peer in core.tracker.progress.items():
        if member == core.id:
            continue
        # A peer may hold other entries above its match: it must not commit those.
        commit = min(peer.match, committed)
        core.send(Message(HEARTBEAT, core.id, member, core.term, commit=commit, context=core.rounds.newest))
        peer.sent_commit = max(peer.sent_commit, commit)

"""Which cluster a member belongs to: its slot's, one that it founds, or one that exists already (design §6).

A founder has promised the first voters and starts with them. Who is told that a cluster exists joins it: it starts
with an empty log and no configuration, says in its presence that it wants to join, and the leader adds it as a
learner. A promise that came to nothing, because another cluster was there first or because it can never be kept by
all, is set aside with the member id that gave it.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from lictor_bus import Bus
from lictor_raft import ConfState
from lictor_raft_store.founding import Promise, Void
from lictor_raft_store.founding_driver import found, read_promise, veto
from lictor_raft_store.slots import Slot

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Membership:
    """The cluster, and its first voters when this member is one of them; a joiner has none."""

    cluster: str
    founders: ConfState


def mint_cluster_id() -> str:
    """A cluster id that nobody has had before."""
    return str(uuid.uuid4())


async def find_membership(
    bus: Bus,
    slot: Slot,
    expect: int,
    clock: Callable[[], float],
    say: Callable[[str], None],
    mint: Callable[[], str] = mint_cluster_id,
) -> Membership:
    """The membership of the slot's member; takes part in founding while there is none.

    From its return on this process vetoes: before a long log is read, so that fresh members that start at the same
    moment cannot found a second cluster meanwhile.

    Args:
        bus: the bus.
        slot: the slot; its member id is another one afterwards if an earlier promise was void.
        expect: how many members found a cluster.
        clock: seconds of a steady clock.
        say: called with what is being waited for.
        mint: makes a fresh cluster id, which is used if it falls to this member to name the cluster.
    """
    membership = await _find(bus, slot, expect, clock, say, mint)
    await veto(bus, membership.cluster)
    return membership


async def _find(
    bus: Bus,
    slot: Slot,
    expect: int,
    clock: Callable[[], float],
    say: Callable[[str], None],
    mint: Callable[[], str],
) -> Membership:
    promise, known = read_promise(slot), slot.cluster()
    if known is not None:
        return Membership(known.decode(), ConfState(promise.members if promise else ()))
    outcome = await found(bus, slot, expect, mint(), clock, say)
    while isinstance(outcome, Void):
        void = slot.member_id
        slot.set_aside()
        log.warning("promise void, others promised otherwise", member=f"{void:x}", now=f"{slot.member_id:x}")
        outcome = await found(bus, slot, expect, mint(), clock, say)
    if isinstance(outcome, Promise):
        return Membership(outcome.cluster, ConfState(outcome.members))
    if read_promise(slot) is not None:
        void = slot.member_id
        slot.set_aside()
        log.warning(
            "promise void, another cluster exists", cluster=outcome, member=f"{void:x}", now=f"{slot.member_id:x}"
        )
    log.info("joining", cluster=outcome, member=f"{slot.member_id:x}")
    return Membership(outcome, ConfState())

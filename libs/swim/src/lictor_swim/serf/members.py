"""Serf's table of members: statuses, and the intents that tell leaving from failing.

                 join      leave/dead     leave intent       join intent
    unknown      alive     -              kept for later     kept for later
    alive        alive     failed         leaving            -
    leaving      alive     left           -                  alive
    left         alive     -              -                  -
    failed       alive     -              left ("forced")    -

An intent counts only if its Lamport time is above the member's; counted intents are passed on, others are not, which is
what ends their spread. The table keeps gone members much longer than memberlist does, so that they can be shown.
"""

from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from lictor_swim.events import Member
from lictor_swim.record import NAME_BYTES_MAX
from lictor_swim.serf.config import SerfConfig
from lictor_swim.serf.events import MemberChange, MemberEvent, SerfMember, Status
from lictor_swim.serf.lamport import LTIME_MAX
from lictor_swim.serf.tags import decode_tags
from lictor_swim.serf.wire import JoinIntent, LeaveIntent

MEMBERS_MAX = 16_384
"""Most members kept; beyond it the one gone longest is forgotten, and living ones always fit (SWIM's own limit)."""

INTENTS_MAX = 4096
"""Most intents kept for unknown nodes; further ones are dropped and come again with the next push/pull."""


class _Entry(Struct):
    member: Member
    status: Status
    status_ltime: int
    changed_at: float
    tags: dict[str, str]

    def show(self, member: Member) -> None:
        """Take over what the membership protocol knows; metadata is decoded only when it changed."""
        if member.meta != self.member.meta:
            self.tags = decode_tags(member.meta)
        self.member = member


class _Intent(Struct):
    leave: bool
    ltime: int
    received_at: float


class SerfMembers:
    """All members, gone ones included.

    Args:
        own_name: this node, which is never reaped.
        config: how long what is kept.
        emit: told of every change.
    """

    def __init__(self, own_name: str, config: SerfConfig, emit: Callable[[MemberEvent], None]) -> None:
        self._own_name = own_name
        self._config = config
        self._emit = emit
        self._entries: dict[str, _Entry] = {}
        self._prune_at: dict[str, float] = {}
        self._intents: dict[tuple[str, bool], _Intent] = {}
        self._counts: Counter[Status] = Counter()

    def values(self) -> list[SerfMember]:
        """All members, in the order in which they were first seen."""
        return [_value(entry) for entry in self._entries.values()]

    def find(self, name: str) -> SerfMember | None:
        """One member."""
        entry = self._entries.get(name)
        return None if entry is None else _value(entry)

    def with_status(self, *statuses: Status) -> list[SerfMember]:
        """Members in any of these statuses."""
        return [_value(entry) for entry in self._entries.values() if entry.status in statuses]

    def count(self, *statuses: Status) -> int:
        """How many members are in any of these statuses."""
        return sum([self._counts[status] for status in statuses])

    def status_ltimes(self) -> dict[str, int]:
        """Each member's status time, as it goes into an exchange of state."""
        return {name: entry.status_ltime for name, entry in self._entries.items()}

    def joined(self, member: Member, now: float) -> None:
        """The membership protocol found it alive."""
        entry = self._entries.get(member.name)
        if entry is None:
            self._make_room()
            entry = _Entry(member, Status.ALIVE, 0, now, decode_tags(member.meta))
            self._entries[member.name] = entry
            self._counts[Status.ALIVE] += 1
            self._apply_kept_intents(entry)
        else:
            entry.show(member)
            self._enter(entry, Status.ALIVE)
            entry.changed_at = now
        self._tell(MemberChange.JOINED, entry)

    def _apply_kept_intents(self, entry: _Entry) -> None:
        for leave in (False, True):
            intent = self._intents.pop((entry.member.name, leave), None)
            if intent is not None and intent.ltime > entry.status_ltime:
                entry.status_ltime = intent.ltime
                self._enter(entry, Status.LEAVING if leave else Status.ALIVE)

    def updated(self, member: Member) -> None:
        """Its metadata changed."""
        entry = self._entries.get(member.name)
        if entry is not None:
            entry.show(member)
            self._tell(MemberChange.UPDATED, entry)

    def refreshed(self, member: Member) -> None:
        """Its record changed in ways that are no event: the incarnation went up."""
        entry = self._entries.get(member.name)
        if entry is not None:
            entry.show(member)

    def gone(self, member: Member, now: float) -> None:
        """The membership protocol found it dead, or it left: which of the two, the intents tell."""
        entry = self._entries.get(member.name)
        if entry is None or entry.status not in (Status.ALIVE, Status.LEAVING):
            return
        was_leaving = entry.status == Status.LEAVING
        entry.show(member)
        entry.changed_at = now
        self._enter(entry, Status.LEFT if was_leaving else Status.FAILED)
        self._tell(MemberChange.LEFT if was_leaving else MemberChange.FAILED, entry)

    def leave_intent(self, intent: LeaveIntent, now: float) -> bool:
        """Take in a leave intent about another node, or our own; whether it is to be passed on."""
        entry = self._entries.get(intent.node)
        if entry is None:
            return self._keep(intent.node, intent.ltime, now, leave=True)
        if intent.ltime <= entry.status_ltime:
            return False
        entry.status_ltime = intent.ltime
        if entry.status == Status.ALIVE:
            self._enter(entry, Status.LEAVING)
            self._tell(MemberChange.LEAVING, entry)
        elif entry.status == Status.FAILED:
            self._enter(entry, Status.LEFT)
            entry.changed_at = now
            self._tell(MemberChange.LEFT, entry)
        if intent.prune:
            self._prune(entry, now)
        return True

    def join_intent(self, intent: JoinIntent, now: float) -> bool:
        """Take in a join intent; whether it is to be passed on."""
        entry = self._entries.get(intent.node)
        if entry is None:
            return self._keep(intent.node, intent.ltime, now, leave=False)
        if intent.ltime <= entry.status_ltime:
            return False
        entry.status_ltime = intent.ltime
        if entry.status == Status.LEAVING:
            self._enter(entry, Status.ALIVE)
            self._tell(MemberChange.JOINED, entry)
        return True

    def _enter(self, entry: _Entry, status: Status) -> None:
        self._counts[entry.status] -= 1
        self._counts[status] += 1
        entry.status = status
        if status == Status.ALIVE:
            # It has refuted, or is back: whoever was to be erased once its departure is told, stays.
            self._prune_at.pop(entry.member.name, None)

    def _keep(self, node: str, ltime: int, now: float, *, leave: bool) -> bool:
        kept = self._intents.get((node, leave))
        if kept is not None and ltime <= kept.ltime:
            return False
        if kept is None and (len(self._intents) >= INTENTS_MAX or len(node) > NAME_BYTES_MAX):
            return False
        self._intents[node, leave] = _Intent(leave, min(ltime, LTIME_MAX), now)
        return True

    def _prune(self, entry: _Entry, now: float) -> None:
        if entry.member.name == self._own_name:
            return
        if entry.status == Status.LEAVING:
            # It is still passing on its own departure: it disappears once that is over.
            self._prune_at[entry.member.name] = (
                now + self._config.broadcast_timeout_s + self._config.leave_propagate_delay_s
            )
        else:
            self._erase(entry)

    def reap_deadline(self) -> float:
        """When the next pruned member disappears."""
        return min(self._prune_at.values(), default=float("inf"))

    def reap(self, now: float) -> None:
        """Forget members that have been gone for long, and intents whose node never appeared."""
        for entry in list(self._entries.values()):
            gone_s = now - entry.changed_at
            if (
                (entry.status == Status.FAILED and gone_s > self._config.reconnect_timeout_s)
                or (entry.status == Status.LEFT and gone_s > self._config.tombstone_timeout_s)
                or now >= self._prune_at.get(entry.member.name, float("inf"))
            ) and entry.member.name != self._own_name:
                self._erase(entry)
        oldest = now - self._config.recent_intent_timeout_s
        self._intents = {key: intent for key, intent in self._intents.items() if intent.received_at > oldest}

    def _make_room(self) -> None:
        if len(self._entries) < MEMBERS_MAX:
            return
        gone = [entry for entry in self._entries.values() if entry.status in (Status.LEFT, Status.FAILED)]
        if gone:
            self._erase(min(gone, key=lambda entry: entry.changed_at))

    def _erase(self, entry: _Entry) -> None:
        del self._entries[entry.member.name]
        self._counts[entry.status] -= 1
        self._prune_at.pop(entry.member.name, None)
        self._tell(MemberChange.REAPED, entry)

    def _tell(self, change: MemberChange, entry: _Entry) -> None:
        self._emit(MemberEvent(change, _value(entry)))


def _value(entry: _Entry) -> SerfMember:
    member = entry.member
    return SerfMember(
        member.name,
        member.address,
        member.port,
        entry.tags,
        entry.status,
        entry.status_ltime,
        member.versions,
        member.incarnation,
        entry.changed_at,
    )

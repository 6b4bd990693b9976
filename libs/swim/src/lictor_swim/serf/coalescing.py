"""Coalescing: many changes within a moment become one report, as a Serf agent does for its event handlers.

Events wait until none has come for the quiet time, or until the period is over, whichever is first. Of each member only
the latest change is reported, and none if it is what was reported last (updates always are). Of the user events
of one name that may be coalesced, only those of the newest Lamport time are reported; the others pass at once.

A layer of its own between a node's events and whoever acts on them: nothing in the protocol needs it.
"""

from msgspec import Struct

from lictor_swim.serf.events import MemberChange, MemberEvent, SerfEvent, UserEventReceived

NAMES_MAX = 4096
"""Most names of user events that wait; with more, what waits is reported early."""


class CoalescingConfig(Struct, frozen=True, kw_only=True):
    """How long events wait, in seconds; a Serf agent's own values.

    Attributes:
        period_s: the longest wait, however many events come.
        quiet_s: what waits is reported when nothing has come for this long.
    """

    period_s: float = 3.0
    quiet_s: float = 1.0


class Coalescing:
    """Holds back changes of members and user events; every other event passes at once."""

    def __init__(self, config: CoalescingConfig | None = None) -> None:
        self._config = config or CoalescingConfig()
        self._members = _Waiting(self._config)
        self._users = _Waiting(self._config)
        self._latest: dict[str, MemberEvent] = {}
        self._reported: dict[str, MemberChange] = {}
        self._newest: dict[str, list[UserEventReceived]] = {}

    def take(self, events: list[SerfEvent], now: float) -> list[SerfEvent]:
        """Take in a node's events; those that are to be acted on now."""
        passed: list[SerfEvent] = []
        for event in events:
            match event:
                case MemberEvent(_, member):
                    self._latest[member.name] = event
                    self._members.add(now)
                case UserEventReceived(user_event) if user_event.coalesce:
                    self._add(event)
                    self._users.add(now)
                    if len(self._newest) >= NAMES_MAX:
                        passed.extend(self._users_due())
                case _:
                    passed.append(event)
        return passed + self.due(now)

    def due(self, now: float) -> list[SerfEvent]:
        """What has waited long enough."""
        found: list[SerfEvent] = []
        if now >= self._members.deadline:
            found.extend(self._members_due())
        if now >= self._users.deadline:
            found.extend(self._users_due())
        return found

    def deadline(self) -> float:
        """When `due` has something to give; infinite when nothing waits."""
        return min(self._members.deadline, self._users.deadline)

    def _add(self, event: UserEventReceived) -> None:
        waiting = self._newest.get(event.event.name)
        if waiting is None or event.event.ltime > waiting[0].event.ltime:
            self._newest[event.event.name] = [event]
        elif event.event.ltime == waiting[0].event.ltime:
            waiting.append(event)

    def _members_due(self) -> list[MemberEvent]:
        self._members.clear()
        found = []
        for name, event in self._latest.items():
            if event.change is MemberChange.UPDATED or self._reported.get(name) is not event.change:
                found.append(event)
            if event.change is MemberChange.REAPED:
                self._reported.pop(name, None)
            else:
                self._reported[name] = event.change
        self._latest.clear()
        return found

    def _users_due(self) -> list[UserEventReceived]:
        self._users.clear()
        found = [event for waiting in self._newest.values() for event in waiting]
        self._newest.clear()
        return found


class _Waiting:
    """When what waits is due: a quiet time after the last one, but not later than a period after the first one."""

    __slots__ = ("_config", "_first", "deadline")

    def __init__(self, config: CoalescingConfig) -> None:
        self._config = config
        self.clear()

    def clear(self) -> None:
        """Nothing waits."""
        self._first = float("inf")
        self.deadline = float("inf")

    def add(self, now: float) -> None:
        """One more waits."""
        self._first = min(self._first, now)
        self.deadline = min(now + self._config.quiet_s, self._first + self._config.period_s)

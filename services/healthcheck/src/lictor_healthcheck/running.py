"""The checks that this process runs, with what it knows of each.

Joins the pure parts: a check that becomes ours enters the schedule or the deadlines, one that is ours no more leaves
them. No awaits and no clock: the driver calls in with `now`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from lictor_healthcheck.alias import target_node
from lictor_healthcheck.checks import CheckKey, Kind, Verdict, interval_s, key_of, kind_of
from lictor_healthcheck.schedule import Schedule
from lictor_healthcheck.thresholds import Tally
from lictor_healthcheck.transitions import Transitions
from lictor_healthcheck.ttl import Deadlines
from lictor_state.rows import CheckRow


@dataclass(slots=True)
class RunningCheck:
    """One check of ours; `wanted` is what it should show, None while nothing is known yet."""

    row: CheckRow
    kind: Kind
    tally: Tally = field(default_factory=Tally)
    wanted: Verdict | None = None

    @property
    def shown(self) -> Verdict:
        """What the store has, as far as our view has come."""
        return Verdict(self.row.status, self.row.output)


class RunningChecks:
    """All checks of ours.

    Args:
        transitions: forgets with us.
        dice: spreads first runs.
    """

    def __init__(self, transitions: Transitions, dice: Callable[[], float]) -> None:
        self._transitions = transitions
        self._dice = dice
        self._checks: dict[CheckKey, RunningCheck] = {}
        self._aliases: dict[str, set[CheckKey]] = {}
        self._counts: Counter[Kind] = Counter()
        self.schedule = Schedule()
        self.deadlines = Deadlines()

    def get(self, key: CheckKey) -> RunningCheck | None:
        """The check, if it is ours."""
        return self._checks.get(key)

    def held(self) -> tuple[CheckKey, ...]:
        """The keys of all of them, in order of arrival."""
        return tuple(self._checks)

    @property
    def counts(self) -> Counter[Kind]:
        """How many of each kind."""
        return self._counts

    def aliases_of(self, node: str) -> tuple[CheckKey, ...]:
        """Our alias checks that look at a node (name in lower case)."""
        return tuple(self._aliases.get(node, ()))

    def hold(self, row: CheckRow, now: float) -> bool:
        """Have a check, or its new row; whether it was started, being new to us or newly defined."""
        key = key_of(row)
        check = self._checks.get(key)
        if check is not None and check.row.definition_index == row.definition_index:
            check.row = row
            return False
        if check is not None:
            self.release(key)
        kind = kind_of(row.definition)
        assert kind is not None, "only checks that can be run are owned"
        self._checks[key] = RunningCheck(row, kind)
        self._counts[kind] += 1
        if kind is Kind.TTL:
            self.deadlines.add(key, row.definition.ttl_ns / 1e9, now)
        elif kind is Kind.ALIAS:
            self._aliases.setdefault(target_node(row), set()).add(key)
        else:
            self.schedule.add(key, interval_s(row.definition), now, self._dice)
        return True

    def release(self, key: CheckKey) -> bool:
        """Let go of a check; whether it was ours."""
        check = self._checks.pop(key, None)
        if check is None:
            return False
        self._counts[check.kind] -= 1
        self.schedule.remove(key)
        self.deadlines.remove(key)
        self._transitions.forget(key)
        if check.kind is Kind.ALIAS:
            node = target_node(check.row)
            self._aliases[node].discard(key)
            if not self._aliases[node]:
                del self._aliases[node]
        return True

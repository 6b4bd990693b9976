"""Deciding that a node has failed, or is back (design §4, Reporters and Brake), as a pure core.

Reporters say which of the nodes they watch they find failed. Two healthy ones (one, if there is only one) make a
candidate; of a node that nobody watches (it is alone, or ended before the pool knew it) lost presence does. A candidate
is asked in person: an answer means alive and is shown as `disputed`, silence means failed. A failed node that is
present again and answers is alive again. A new leader waits before it decides, a node that is restarting on purpose is
held, and when most of a pool would fail at once the brake holds everything until an operator confirms or time passes.

It does not send questions or propose: it says whom to ask and what to decide. `now` is seconds of any steady clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lictor_bus.frames import FailureReport, NodeJudgement
from lictor_state.rows import AgentRow

REPORT_FRESH_S = 5.0
"""Reporters send every 2 s: older than two and a half reports is silence."""

NEW_LEADER_WAIT_S = 3.0
HOLD_S = 15.0
ASK_AGAIN_S = 1.0
ASK_TIMEOUT_S = 0.3
HEALTH_SCORE_MAX = 4
"""A reporter whose own local health score (Lifeguard, 0 is best, 8 worst) is above this is not believed."""

BRAKE_WINDOW_S = 30.0
BRAKE_HOLD_S = 300.0
CONFIRMED_S = 60.0
"""For so long after a brake ends, failures are decided without another: they come in several rounds of questions."""

BRAKE_POOL_MIN = 6
REPORTERS_MAX = 16_384

JUDGEMENTS_MAX = 1024
"""Told at once to whoever asks: more than these are a disaster, which its first thousand describe."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask this node in person whether it is alive."""

    node: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Decide:
    """Propose this decision about a node."""

    node: str
    run_id: str
    status_index: int
    decision: str
    reason: str


@dataclass(slots=True)
class _Report:
    report: FailureReport
    at: float


@dataclass(slots=True)
class _Asked:
    run_id: str
    at: float
    answered: bool | None = None


class _Pool:
    """What all reports say, by node: read once a round, so that the round costs what the reports are long."""

    def __init__(self, healthy: dict[str, FailureReport], silent: set[str], present: dict[str, str]) -> None:
        self._silent, self._present = silent, present
        self._finders: dict[str, list[str]] = {}
        self._watchers: dict[str, int] = {}
        for name, report in healthy.items():
            failed = {one.lower() for one in (*report.failed, *report.left)} - {name}
            for node in failed:
                self._finders.setdefault(node, []).append(name)
            for node in failed.union(map(str.lower, report.watched)) - {name}:
                self._watchers[node] = self._watchers.get(node, 0) + 1

    def suspects(self, node: str) -> tuple[bool, str]:
        """Whether enough of those who watch a node find it failed; one that nobody watches is known by presence."""
        found = self._finders.get(node, [])
        # those who have not reported yet may turn out to watch it
        watching = self._watchers.get(node, 0) + len(self._silent) - (node in self._silent)
        if not watching:
            return node not in self._present, "presence lost, and nobody watches it"
        return len(found) >= min(2, watching), f"reported failed by {', '.join(sorted(found))}"

    def found_by(self, node: str) -> tuple[str, ...]:
        """The reporters that find a node failed."""
        return tuple(sorted(self._finders.get(node, ())))

    def accused(self) -> set[str]:
        """The nodes that some reporter finds failed."""
        return set(self._finders)

    def watchers(self, node: str) -> int:
        """How many reporters watch a node."""
        return self._watchers.get(node, 0)


@dataclass(slots=True)
class FailureJudge:
    """The leader's judgement of nodes; made anew with each leadership at `since`."""

    since: float
    brake_fraction: float = 0.5
    disputed: set[str] = field(default_factory=set)
    brake_until: float = 0.0
    confirmed_until: float = 0.0
    _reports: dict[str, _Report] = field(default_factory=dict)
    _holds: dict[tuple[str, str], float] = field(default_factory=dict)
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _recent_failures: list[float] = field(default_factory=list)

    def report(self, report: FailureReport, now: float) -> None:
        """Take in a reporter's whole list."""
        if report.reporter in self._reports or len(self._reports) < REPORTERS_MAX:
            self._reports[report.reporter.lower()] = _Report(report, now)

    def hold(self, node: str, run_id: str, now: float) -> None:
        """This run of a node ends on purpose: decide nothing about it for a while."""
        self._holds[node.lower(), run_id] = now + HOLD_S

    def answer(self, node: str, run_id: str, *, alive: bool) -> None:
        """A node asked in person has answered (for this run), or has not in time."""
        asked = self._asked.get(node.lower())
        if asked is not None and asked.run_id == run_id:
            asked.answered = alive

    def confirm_brake(self, now: float) -> None:
        """An operator says, or enough time, that the failures are real."""
        self.brake_until = 0.0
        self.confirmed_until = now + CONFIRMED_S
        self._recent_failures.clear()

    def judgements(self, present: dict[str, str], now: float) -> list[NodeJudgement]:
        """What is held of nodes now, by name in lower case: for people who ask."""
        pool = _Pool(*self._reporters(present, now), present)
        held = {node: until - now for (node, run_id), until in self._holds.items() if until > now}
        return [
            NodeJudgement(node, pool.found_by(node), pool.watchers(node), node in self.disputed, held.get(node, 0.0))
            for node in sorted(pool.accused() | self.disputed | set(held))
        ][:JUDGEMENTS_MAX]

    def judge(self, agents: Iterable[AgentRow], present: dict[str, str], now: float) -> list[Ask | Decide]:
        """What to ask and decide now.

        Args:
            agents: the agent rows of role `node`.
            present: node in lower case → run id, for every gossip process fresh in presence.
            now: seconds.
        """
        if now - self.since < NEW_LEADER_WAIT_S:
            return []
        rows = list(agents)
        healthy, silent = self._reporters(present, now)
        pool = _Pool(healthy, silent, present)
        wanted: list[Ask | Decide] = []
        self.disputed.clear()
        for row in rows:
            if row.status == "alive":
                suspected, reason = pool.suspects(row.node.lower())
                if suspected and self._holds.get((row.node.lower(), row.run_id), 0.0) <= now:
                    self._pursue(row, "failed", reason, now, wanted)
                else:
                    self._asked.pop(row.node.lower(), None)
            elif row.status == "failed" and present.get(row.node.lower()) == row.run_id:
                self._pursue(row, "alive", "present and answering", now, wanted)
        return self._brake(wanted, sum(row.status == "alive" for row in rows), now)

    def _reporters(self, present: dict[str, str], now: float) -> tuple[dict[str, FailureReport], set[str]]:
        """The fresh reports of present reporters in good health, and the present ones that have not reported yet."""
        fresh = {
            name: kept.report
            for name, kept in self._reports.items()
            if now - kept.at < REPORT_FRESH_S and present.get(name) == kept.report.instance
        }
        healthy = {name: report for name, report in fresh.items() if report.health_score <= HEALTH_SCORE_MAX}
        return healthy, set(present) - set(fresh)

    def _pursue(self, row: AgentRow, decision: str, reason: str, now: float, wanted: list[Ask | Decide]) -> None:
        """Ask the node in person first; its answer (or silence) decides."""
        node = row.node.lower()
        asked = self._asked.get(node)
        if asked is None or asked.run_id != row.run_id:
            self._asked[node] = _Asked(row.run_id, now)
            wanted.append(Ask(row.node, row.run_id))
            return
        if asked.answered is None and now - asked.at < ASK_AGAIN_S:
            return  # the question is still under way
        alive = bool(asked.answered)
        if decision == "failed" and alive:
            self.disputed.add(node)
        if alive == (decision == "alive"):
            wanted.append(Decide(row.node, row.run_id, row.status_index, decision, reason))
            del self._asked[node]
        elif now - asked.at >= ASK_AGAIN_S:
            self._asked[node] = _Asked(row.run_id, now)
            wanted.append(Ask(row.node, row.run_id))

    def _brake(self, wanted: list[Ask | Decide], alive: int, now: float) -> list[Ask | Decide]:
        """Hold failures when more than the allowed part of the pool would fail within the window."""
        if self.brake_until and now >= self.brake_until:
            self.confirm_brake(self.brake_until)  # then, not now: a brake of long ago says nothing of today's failures
        failing = [one for one in wanted if isinstance(one, Decide) and one.decision == "failed"]
        self._recent_failures = [at for at in self._recent_failures if now - at < BRAKE_WINDOW_S]
        if not failing:
            return wanted
        pool = alive + len(self._recent_failures)
        if (
            not self.brake_until
            and now >= self.confirmed_until
            and pool >= BRAKE_POOL_MIN
            and len(self._recent_failures) + len(failing) > self.brake_fraction * pool
        ):
            self.brake_until = now + BRAKE_HOLD_S
        if self.brake_until:
            return [one for one in wanted if one not in failing]
        self._recent_failures += [now] * len(failing)
        return wanted

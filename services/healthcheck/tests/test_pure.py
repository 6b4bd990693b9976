"""The decisions: schedule, thresholds, transitions, TTLs, aliases; one table or story per rule."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_healthcheck import ttl
from lictor_healthcheck.alias import mirror
from lictor_healthcheck.checks import Kind, Verdict, interval_s, kind_of, output_bytes_max, timeout_s
from lictor_healthcheck.schedule import Schedule
from lictor_healthcheck.thresholds import Tally, weigh
from lictor_healthcheck.transitions import Transitions
from lictor_state.rows import CheckDefinition, CheckRow

SECOND = 1_000_000_000
A, B = ("n1", "a"), ("n1", "b")


# -- definitions


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        (CheckDefinition(http="http://x", interval_ns=SECOND), Kind.HTTP),
        (CheckDefinition(tcp="x:1", interval_ns=SECOND), Kind.TCP),
        (CheckDefinition(ttl_ns=SECOND), Kind.TTL),
        (CheckDefinition(alias_service="web"), Kind.ALIAS),
        (CheckDefinition(alias_node="n2"), Kind.ALIAS),
        (CheckDefinition(), None),
        (CheckDefinition(http="http://x"), None),
        (CheckDefinition(grpc="x:1", interval_ns=SECOND), None),
        (CheckDefinition(script_args=("true",), interval_ns=SECOND), None),
        (CheckDefinition(http="http://x", tcp="x:1", interval_ns=SECOND), Kind.HTTP),
        (CheckDefinition(http="http://x", ttl_ns=SECOND, interval_ns=SECOND), Kind.TTL),
    ],
)
def test_the_first_type_given_is_run(definition: CheckDefinition, kind: Kind | None) -> None:
    assert kind_of(definition) is kind


def test_intervals_below_one_second_are_raised_and_timeouts_default_to_ten() -> None:
    assert interval_s(CheckDefinition(interval_ns=10_000_000)) == 1.0
    assert interval_s(CheckDefinition(interval_ns=15 * SECOND)) == 15.0
    assert timeout_s(CheckDefinition()) == 10.0
    assert timeout_s(CheckDefinition(timeout_ns=SECOND // 2)) == 0.5


def test_the_smaller_output_limit_counts() -> None:
    assert output_bytes_max(CheckDefinition()) == 4096
    assert output_bytes_max(CheckDefinition(output_max_size=100)) == 100
    assert output_bytes_max(CheckDefinition(output_max_size=9999)) == 4096


# -- schedule


@pytest.mark.parametrize(("dice", "first", "second"), [(0.0, 100.0, 5.0), (0.5, 100.5, 7.5), (0.999, 100.999, 9.995)])
def test_the_first_run_comes_within_a_second_and_the_second_within_an_interval(
    dice: float, first: float, second: float
) -> None:
    schedule = Schedule()
    schedule.add(A, 10.0, now=100.0, dice=lambda: dice)
    assert schedule.next_due() == pytest.approx(first)
    schedule.take_due(first)
    schedule.finished(A, first)
    assert schedule.next_due() == pytest.approx(first + second)


def test_the_next_run_comes_one_interval_after_the_end_of_the_last() -> None:
    schedule = Schedule()
    schedule.add(A, 10.0, now=0.0, dice=lambda: 0.0)
    assert schedule.take_due(0.0) == [(0.0, A)]
    schedule.finished(A, 0.0)
    assert schedule.take_due(5.0) == [(5.0, A)]
    assert schedule.next_due() is None, "a check that runs is not due"
    assert schedule.take_due(1000.0) == []
    schedule.finished(A, 8.0)
    assert schedule.take_due(17.9) == []
    assert schedule.take_due(18.0) == [(18.0, A)]


def test_a_removed_check_is_never_due_again() -> None:
    schedule = Schedule()
    schedule.add(A, 10.0, now=0.0, dice=lambda: 0.1)
    schedule.remove(A)
    schedule.finished(A, 0.0)
    assert schedule.next_due() is None
    assert schedule.take_due(1e9) == []
    assert len(schedule) == 0


def test_a_check_added_again_keeps_only_its_new_time() -> None:
    schedule = Schedule()
    schedule.add(A, 10.0, now=0.0, dice=lambda: 0.1)
    schedule.add(A, 100.0, now=0.0, dice=lambda: 0.5)
    assert schedule.take_due(0.4) == []
    assert schedule.take_due(0.5) == [(0.5, A)]


def test_an_interval_below_the_floor_is_raised() -> None:
    schedule = Schedule()
    schedule.add(A, 0.01, now=0.0, dice=lambda: 0.0)
    for _ in range(2):
        schedule.take_due(1.0)
        schedule.finished(A, 1.0)
    assert schedule.next_due() == 2.0


def test_runs_of_many_checks_are_spread_over_the_interval() -> None:
    schedule = Schedule()
    dice = random.Random(7)
    for number in range(1000):
        schedule.add(("n", str(number)), 10.0, now=0.0, dice=dice.random)
    for due, key in schedule.take_due(1.0):
        schedule.finished(key, due)
    per_second = [len(schedule.take_due(float(second))) for second in range(2, 12)]
    assert sum(per_second) == 1000
    assert max(per_second) < 250


def test_a_schedule_under_churn_stays_small() -> None:
    schedule = Schedule()
    for round_number in range(5000):
        schedule.add(A, 3600.0, now=float(round_number), dice=lambda: 0.5)
    assert len(schedule._heap) < 200


@given(st.lists(st.tuples(st.sampled_from("arfx"), st.integers(0, 4), st.floats(0, 30)), max_size=60))
def test_a_check_runs_exactly_when_a_plain_table_says_so(steps: list[tuple[str, int, float]]) -> None:
    schedule, now = Schedule(), 0.0
    due: dict[tuple[str, str], float] = {}
    known: set[tuple[str, str]] = set()
    fresh: set[tuple[str, str]] = set()
    for what, number, amount in steps:
        key = ("n", str(number))
        now += amount
        if what == "a":
            schedule.add(key, 10.0, now, lambda: 0.5)
            known.add(key)
            fresh.add(key)
            due[key] = now + 0.5
        elif what == "r":
            schedule.remove(key)
            known.discard(key)
            due.pop(key, None)
        elif what == "f" and key not in due:
            schedule.finished(key, now)
            if key in known:
                due[key] = now + (7.5 if key in fresh else 10.0)
                fresh.discard(key)
        else:
            expected = {key for key, at in due.items() if at <= now}
            assert {key for _, key in schedule.take_due(now)} == expected
            due = {key: at for key, at in due.items() if key not in expected}
        assert schedule.next_due() == min(due.values(), default=None)


# -- thresholds


def shown(pattern: str, definition: CheckDefinition) -> str:
    """What a check shows after each result, `.` for no change; p, w and c stand for the statuses."""
    names = {"p": "passing", "w": "warning", "c": "critical"}
    letters = {name: letter for letter, name in names.items()}
    tally, out = Tally(), ""
    for letter in pattern:
        tally, verdict = weigh(tally, Verdict(names[letter], letter), definition)
        out += "." if verdict is None else letters[verdict.status]
    return out


@pytest.mark.parametrize(
    ("success", "warning", "critical", "results", "shows"),
    [
        (0, 0, 0, "pcwp", "pcwp"),
        (1, 1, 1, "pcwp", "pcwp"),
        (0, 0, 3, "pccc", "p..c"),
        (0, 0, 3, "pccpccc", "p..p..c"),
        (0, 2, 4, "pccccp", "p.wwcp"),
        (0, 1, 3, "pccc", "pwwc"),
        (3, 0, 0, "cppp", "c..p"),
        (3, 0, 0, "cppcppp", "c..c..p"),
        (2, 0, 0, "cpw", "c.w"),
        (2, 0, 2, "cpcpcpccpp", ".......c.p"),
    ],
)
def test_a_status_changes_after_enough_results_in_a_row(
    success: int, warning: int, critical: int, results: str, shows: str
) -> None:
    definition = CheckDefinition(
        success_before_passing=success, failures_before_warning=warning, failures_before_critical=critical
    )
    assert shown(results, definition) == shows


# -- transitions


def test_a_changed_status_is_always_proposed_and_the_same_verdict_never() -> None:
    transitions = Transitions(output_interval_s=300.0)
    passing, critical = Verdict("passing", "ok"), Verdict("critical", "refused")
    for now in (0.0, 0.1, 0.2):
        assert transitions.judge(A, passing, critical, now)
        assert transitions.judge(A, critical, passing, now)
        assert not transitions.judge(A, passing, passing, now)


def test_noise_in_the_output_costs_one_write_per_interval_and_the_newest_is_not_lost() -> None:
    transitions = Transitions(output_interval_s=300.0)
    stored = Verdict("passing", "0")
    writes = 0
    for tenth in range(6000):
        wanted = Verdict("passing", str(tenth + 1))
        if transitions.judge(A, stored, wanted, tenth / 10):
            stored, writes = wanted, writes + 1
    assert writes == 2
    assert transitions.ripe(599.9) == []
    assert transitions.ripe(600.0) == [A]
    assert transitions.judge(A, stored, wanted, 600.0)
    assert transitions.ripe(1e9) == []


def test_the_rate_is_per_check_and_forgotten_with_it() -> None:
    transitions = Transitions(output_interval_s=300.0)
    old, new = Verdict("passing", "old"), Verdict("passing", "new")
    assert transitions.judge(A, old, new, 0.0)
    assert transitions.judge(B, old, new, 0.0)
    assert not transitions.judge(A, new, old, 1.0)
    transitions.forget(A)
    assert transitions.ripe(1e9) == []
    assert transitions.judge(A, new, old, 1.0)


# -- TTL


def test_a_ttl_check_expires_once_when_nobody_speaks_for_it() -> None:
    deadlines = ttl.Deadlines()
    deadlines.add(A, 10.0, now=0.0)
    assert deadlines.take_expired(9.9) == []
    assert deadlines.take_expired(10.0) == [A]
    assert deadlines.take_expired(1000.0) == []


def test_an_update_gives_a_whole_ttl_and_wakes_an_expired_check() -> None:
    deadlines = ttl.Deadlines()
    deadlines.add(A, 10.0, now=0.0)
    deadlines.touch(A, 9.0)
    assert deadlines.take_expired(18.9) == []
    assert deadlines.take_expired(19.0) == [A]
    deadlines.touch(A, 50.0)
    assert deadlines.take_expired(59.0) == []
    assert deadlines.take_expired(60.0) == [A]


def test_after_a_gap_every_ttl_starts_afresh() -> None:
    deadlines = ttl.Deadlines()
    deadlines.add(A, 10.0, now=0.0)
    deadlines.add(B, 2.0, now=0.0)
    deadlines.touch_all(100.0)
    assert deadlines.take_expired(101.9) == []
    assert deadlines.take_expired(102.0) == [B]
    assert deadlines.take_expired(110.0) == [A]


def test_a_shorter_ttl_counts_at_once_and_a_removed_check_never_expires() -> None:
    deadlines = ttl.Deadlines()
    deadlines.add(A, 1000.0, now=0.0)
    deadlines.add(A, 1.0, now=0.0)
    deadlines.add(B, 1.0, now=0.0)
    deadlines.remove(B)
    assert deadlines.next_deadline() == 1.0
    assert deadlines.take_expired(1.0) == [A]
    assert deadlines.take_expired(2000.0) == []
    with pytest.raises(KeyError):
        deadlines.touch(B, 0.0)


def test_deadlines_under_churn_stay_small() -> None:
    deadlines = ttl.Deadlines()
    for number in range(5000):
        deadlines.add(("n", str(number)), 3600.0, now=0.0)
        deadlines.remove(("n", str(number)))
    assert len(deadlines._heap) < 200


@given(st.lists(st.tuples(st.sampled_from("atrxg"), st.integers(0, 3), st.floats(0, 20)), max_size=60))
def test_ttls_expire_exactly_when_a_plain_table_says_so(steps: list[tuple[str, int, float]]) -> None:
    deadlines, now = ttl.Deadlines(), 0.0
    ttls: dict[tuple[str, str], float] = {}
    table: dict[tuple[str, str], float] = {}
    for what, number, amount in steps:
        key = ("n", str(number))
        now += amount
        if what == "a":
            ttls[key] = 5.0 + number
            deadlines.add(key, ttls[key], now)
            table[key] = now + ttls[key]
        elif what == "t" and key in ttls:
            deadlines.touch(key, now)
            table[key] = now + ttls[key]
        elif what == "r":
            deadlines.remove(key)
            ttls.pop(key, None)
            table.pop(key, None)
        elif what == "g":
            deadlines.touch_all(now)
            table = {key: now + each for key, each in ttls.items()}
        else:
            expected = {key for key, at in table.items() if at <= now}
            assert set(deadlines.take_expired(now)) == expected
            table = {key: at for key, at in table.items() if key not in expected}
        upcoming = deadlines.next_deadline()
        if table:
            assert upcoming is not None
            assert upcoming <= min(table.values()), "woken too early is fine, too late is not"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Verdict("critical", ""), "TTL expired"),
        (Verdict("passing", "all fine"), "TTL expired (last output before timeout follows): all fine"),
        (Verdict("critical", "TTL expired"), "TTL expired"),
        (
            Verdict("critical", "TTL expired (last output before timeout follows): all fine"),
            "TTL expired (last output before timeout follows): all fine",
        ),
    ],
)
def test_an_expired_check_tells_its_last_words_once(before: Verdict, after: str) -> None:
    assert ttl.expired_verdict(before) == Verdict("critical", after)


def test_a_long_output_is_cut_at_a_character_and_its_size_told() -> None:
    assert ttl.cut_output("short", 5) == "short"
    assert ttl.cut_output("longer", 5) == "longe ... (captured 5 of 6 bytes)"
    assert ttl.cut_output("ééé", 3) == "é ... (captured 3 of 6 bytes)"


# -- alias


def check(check_id: str, status: str, service_id: str = "", node: str = "n1") -> CheckRow:
    return CheckRow(node, check_id, f"name of {check_id}", status, output=f"out of {check_id}", service_id=service_id)


ALIAS = CheckRow(
    "N1", "alias", "alias", "critical", service_id="proxy", definition=CheckDefinition(alias_service="web")
)
NODE_ALIAS = CheckRow("n1", "alias", "alias", "critical", definition=CheckDefinition(alias_node="n1"))


@pytest.mark.parametrize(
    ("row", "checks", "exists", "verdict"),
    [
        (ALIAS, [], False, ("critical", "Service web could not be found on node N1")),
        (ALIAS, [check("x", "passing", "web")], False, ("critical", "Service web could not be found on node N1")),
        (ALIAS, [], True, ("passing", "No checks found.")),
        (ALIAS, [check("other", "critical", "db")], True, ("passing", "No checks found.")),
        (ALIAS, [check("x", "passing", "web")], True, ("passing", "All checks passing.")),
        (
            ALIAS,
            [check("x", "passing", "web"), check("node", "critical")],
            True,
            ("critical", 'Aliased check "name of node" failing: out of node'),
        ),
        (
            ALIAS,
            [check("w", "warning", "web"), check("y", "passing", "web")],
            True,
            ("warning", 'Aliased check "name of w" failing: out of w'),
        ),
        (
            ALIAS,
            [check("w", "warning", "web"), check("c", "critical", "web"), check("b", "critical", "web")],
            True,
            ("critical", 'Aliased check "name of b" failing: out of b'),
        ),
        (
            NODE_ALIAS,
            [check("x", "critical", "web"), check("node", "passing")],
            False,
            ("passing", "All checks passing."),
        ),
        (NODE_ALIAS, [NODE_ALIAS, check("node", "passing")], False, ("passing", "All checks passing.")),
        (NODE_ALIAS, [NODE_ALIAS], False, ("passing", "No checks found.")),
    ],
)
def test_an_alias_mirrors_the_worst_check_that_counts(
    row: CheckRow, checks: list[CheckRow], exists: bool, verdict: tuple[str, str]
) -> None:
    assert mirror(row, checks, exists) == Verdict(*verdict)
    assert mirror(row, reversed(checks), exists) == Verdict(*verdict)

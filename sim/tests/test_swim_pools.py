"""Large gossip pools: a small version of what `python -m lictor_sim.swim` prints, and that the short cuts are none."""

import random

import pytest

from lictor_sim.swim import formulas
from lictor_sim.swim.__main__ import is_wrong, main
from lictor_sim.swim.detection import detect
from lictor_sim.swim.member import SharedRecords, identities, shared_list
from lictor_sim.swim.pool import SwimPool
from lictor_swim import LAN, MemberState
from lictor_swim.record import Record


def test_crashes_among_300_are_known_to_all_in_the_formulas_time_and_nobody_else_is_accused() -> None:
    run = detect(300, seed=5, crashes=3, loss=0.01)
    assert not is_wrong(run)
    assert run.false_suspicions == 0
    shortest, _ = formulas.suspicion_s(LAN, 300)
    for crash in run.crashes:
        # The probe of a dead member takes one interval, the first of them comes within a few.
        assert 1.0 < crash.suspected < 6.0
        assert crash.declared >= shortest
        assert crash.known - crash.declared <= formulas.convergence_s(LAN, 300, 0.01)
        assert crash.known < 6.0 + shortest + formulas.convergence_s(LAN, 300, 0.01)
    assert run.idle_packets_s == pytest.approx(formulas.idle_packets_s(LAN), rel=0.2)


def test_a_run_is_a_function_of_its_seed() -> None:
    def story(seed: int) -> tuple[object, ...]:
        run = detect(60, seed=seed, crashes=2, loss=0.05)
        return run.crashes, run.events, run.idle_packets_s

    assert story(8) == story(8)
    assert story(8) != story(9)


def test_members_short_of_cpu_are_seen_to_be_in_trouble() -> None:
    """The row would pass if starvation did nothing: that it does is this test's claim."""
    pool = SwimPool(30, 4)
    pool.run_until(10.0)
    assert max(member.health_score for member in pool.members) == 0
    pool.starved = set(range(10))
    worst = [0] * 30
    for second in range(11, 60):
        pool.run_until(float(second))
        worst = [max(before, member.health_score) for before, member in zip(worst, pool.members, strict=True)]
    assert min(worst[:10]) > 0


def test_a_shared_list_behaves_as_a_dict() -> None:
    base = shared_list(identities(6))
    shared, plain, dice = SharedRecords(base), dict(base), random.Random(1)
    for step in range(2000):
        name = f"m{dice.randrange(9)}"
        what = dice.randrange(4)
        if what == 0:
            row = Record(name, b"\x7f\0\0\1", 1, b"", b"", step, MemberState.ALIVE, 0.0)
            shared[name] = plain[name] = row
        elif what == 1 and name in plain:
            del shared[name], plain[name]
        assert shared.get(name) == plain.get(name)
        assert (name in shared) == (name in plain)
        assert len(shared) == len(plain)
    assert dict(shared) == plain


def test_the_command_prints_tables_with_formulas_and_in_no_row_a_healthy_member_is_declared_dead(capsys) -> None:
    status = main(["--sizes", "40", "--runs", "1", "--crashes", "1", "--workers", "1", "--seed", "3"])
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert "| formula |" in printed
    assert printed.count("| yes |") == 7

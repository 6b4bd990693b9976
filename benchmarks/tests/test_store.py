"""The store's own rows: quantiles, tables and options, without starting anything."""

import random

import pytest

from benchmarks.__main__ import options
from benchmarks.store.__main__ import PARTS, plan_of
from benchmarks.store.figures import Commits, commits_of, commits_table, elections_table, longest_gap, quantile
from benchmarks.store.install import Installed, lines


@pytest.mark.parametrize(
    ("values", "part", "found"),
    [
        ([], 0.5, 0.0),
        ([7.0], 0.99, 7.0),
        ([3.0, 1.0, 2.0], 0.0, 1.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([float(one) for one in range(1, 51)], 0.99, 50.0),
        ([float(one) for one in range(1, 101)], 0.99, 99.0),
        ([3.0, 1.0, 2.0], 1.0, 3.0),
    ],
)
def test_a_quantile_is_the_smallest_value_that_the_part_does_not_exceed(
    values: list[float], part: float, found: float
) -> None:
    assert quantile(values, part) == found


def test_a_quantile_of_any_values_is_one_of_them_and_enough_are_not_above_it() -> None:
    dice = random.Random(7)
    for _ in range(300):
        values = [dice.random() for _ in range(dice.randrange(1, 80))]
        part = dice.random()
        found = quantile(values, part)
        assert found in values
        assert sum(one <= found for one in values) >= part * len(values)


def test_a_round_of_commits_tells_its_rate_and_latency_in_milliseconds() -> None:
    found = commits_of("external", "NATS", 2, 0, [0.001, 0.002, 0.003, 0.010], 2.0, 0.5)
    assert found == Commits("external", "NATS", 2, 0, 2.0, 2.0, 10.0, 0.5)


def test_rounds_of_one_row_share_a_line_with_their_spread_and_load() -> None:
    rounds = [
        Commits("in-process", "NATS", 64, 0, 9_000.0, 3.0, 9.0, 1.0),
        Commits("in-process", "direct", 64, 0, 20_000.0, 2.0, 5.0, 1.0),
        Commits("in-process", "NATS", 64, 1, 15_000.0, 4.0, 11.0, 6.0),
        Commits("in-process", "NATS", 64, 2, 12_000.0, 5.0, 10.0, 2.0),
    ]
    assert commits_table(rounds)[2:] == [
        "| in-process | NATS | 64 | 12,000 | 9,000 | 15,000 | 4.00 | 10.00 | 1.0 to 6.0 |",
        "| in-process | direct | 64 | 20,000 | 20,000 | 20,000 | 2.00 | 5.00 | 1.0 to 1.0 |",
    ]


def test_a_system_without_kills_has_no_line_among_the_elections() -> None:
    found = elections_table({"Lictor": [1.0, 2.0, 3.0], "Consul": []}, [0.4, 2.0])
    assert found[2:] == ["| Lictor | 3 | 1.00 | 2.00 | 3.00 | 3.00 | 3.00 |", "\nload average 0.4 to 2.0"]


def test_the_longest_gap_needs_two_moments() -> None:
    assert [longest_gap(times) for times in ([], [4.0], [1.0, 2.0, 5.0, 5.5])] == [0.0, 0.0, 3.0]


@pytest.mark.parametrize(("after", "said"), [(2, "the term (2) stayed"), (3, "the term (2) went on to 3")])
def test_an_installation_says_whether_the_term_stayed(after: int, said: str) -> None:
    assert said in lines(Installed("NATS", 100, 3.3, 0.26, 0.11, 2, after, 4.8))


def test_the_store_is_measured_whole_without_options_and_can_be_left_out() -> None:
    plan, folder = plan_of([])
    assert (plan.parts, plan.clients, plan.kills, plan.peer_kills, folder) == (PARTS, (1, 64, 256), 50, 20, None)
    assert plan_of(["--parts", "install", "--mib", "7"])[0].mib == 7
    assert [options(given).no_store for given in ([], ["--no-store"])] == [False, True]


@pytest.mark.parametrize("arguments", [["--parts", "votes"], ["--clients", "0"], ["--rounds", "0"], ["--kills", "0"]])
def test_parts_and_counts_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        plan_of(arguments)

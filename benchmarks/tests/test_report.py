"""From rounds to a line of the table."""

import pytest

from benchmarks.report import Sample, cell, memory_table, number, ratio, table
from benchmarks.rows.memory import Memory, parse_smaps_rollup

OURS, LEADER, FOLLOWER = "Lictor", "Consul leader", "Consul follower"


def rounds(target: str, *rates: float, void: str = "") -> list[Sample]:
    return [
        Sample("kv-get", target, number, per_second=rate, cpu_us_each=100.0, latency_ms={"p50": 2.0}, void=void)
        for number, rate in enumerate(rates, start=1)
    ]


def test_a_cell_is_the_median_and_the_range_of_its_rounds() -> None:
    found = cell(rounds(OURS, 900, 1000, 1300), "not run")
    assert found.median == 1000
    assert found.spread == pytest.approx(0.4)
    assert found.text() == "1,000 ±20%"


def test_one_void_round_makes_the_cell_void() -> None:
    found = cell([*rounds(OURS, 900, 1000), *rounds(OURS, 1100, void="3 answers were not 2xx")], "not run")
    assert found.text() == "void: 3 answers were not 2xx"


def test_a_cell_without_rounds_says_why() -> None:
    assert cell([], "there is no peer").text() == "void: there is no peer"


def test_a_ratio_is_ours_through_the_peers() -> None:
    assert ratio(cell(rounds(OURS, 500), ""), cell(rounds(LEADER, 2000), "")) == 0.25


@pytest.mark.parametrize(("ours", "peers"), [("broken", ""), ("", "broken")])
def test_there_is_no_ratio_with_a_void_cell(ours: str, peers: str) -> None:
    assert ratio(cell(rounds(OURS, 500, void=ours), ""), cell(rounds(LEADER, 2000, void=peers), "")) is None


def test_a_table_has_a_line_per_row_and_address_of_the_peer() -> None:
    samples = [*rounds(OURS, 500), *rounds(LEADER, 2000), *rounds(FOLLOWER, 1000)]
    lines = table({"kv-get": "GET kv"}, samples, OURS, (LEADER, FOLLOWER), {})
    assert lines[2:] == [
        "| GET kv | 500 ±0% | Consul leader | 2,000 ±0% | 0.25 | 100 / 100 | p50 2 / p50 2 |",
        "| GET kv | 500 ±0% | Consul follower | 1,000 ±0% | 0.50 | 100 / 100 | p50 2 / p50 2 |",
    ]


def test_a_table_without_a_peer_says_so_and_keeps_our_number() -> None:
    lines = table({"kv-get": "GET kv"}, rounds(OURS, 500), OURS, (LEADER,), {LEADER: "there is no peer"})
    assert lines[2:] == [
        "| GET kv | 500 ±0% | Consul leader | void: there is no peer | - | 100 / - | p50 2 / - |",
    ]


def test_a_row_is_counted_with_its_own_samples_only() -> None:
    samples = [*rounds(OURS, 500), Sample("kv-put", OURS, 1, per_second=7)]
    line = table({"kv-put": "PUT kv"}, samples, OURS, (LEADER,), {})[2]
    assert line.startswith("| PUT kv | 7 ±0% |")


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.123, "0.123"), (3.14159, "3.14"), (99.94, "99.9"), (12345.6, "12,346")]
)
def test_numbers_show_what_means_something(value: float, text: str) -> None:
    assert number(value) == text


def test_memory_is_summed_per_system_and_compared() -> None:
    before = {OURS: {"catalog": Memory(60, 40), "dns": Memory(40, 20)}, "Consul": {"consul-1": Memory(50, 40)}}
    after = {OURS: {"catalog": Memory(70, 50)}, "Consul": {"consul-1": Memory(100, 100)}}
    assert memory_table(before, after)[2:] == [
        "| Lictor | catalog | 60 | 70 | 40 | 50 |",
        "| Lictor | dns | 40 | - | 20 | - |",
        "| **Lictor** | **all** | 100 | 70 | 60 | 50 |",
        "| Consul | consul-1 | 50 | 100 | 40 | 100 |",
        "| **Consul** | **all** | 50 | 100 | 40 | 100 |",
        "| Lictor / Consul | ratio | 2.00 | 0.70 | 1.50 | 0.50 |",
    ]


def test_memory_is_read_in_mib() -> None:
    assert parse_smaps_rollup("55a0-7fff ---p 00000000\nRss:   2048 kB\nPss:   512 kB\nPss_Anon: 1 kB\n") == (2.0, 0.5)

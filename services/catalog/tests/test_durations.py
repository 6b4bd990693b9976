"""Go durations in and out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_catalog import durations


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("10s", 10_000_000_000),
        ("1m30s", 90_000_000_000),
        ("0.5s", 500_000_000),
        ("15000ms", 15_000_000_000),
        ("0", 0),
        ("-1.5h", -5_400_000_000_000),
        ("1h2m3.004s", 3_723_004_000_000),
        ("2us", 2_000),
        ("2µs", 2_000),
        (".5m", 30_000_000_000),
        ("1.s", 1_000_000_000),
    ],
)
def test_durations_are_read_as_go_reads_them(text: Any, nanoseconds: Any) -> None:
    assert durations.parse(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "x", "10", "10 s", "s", "1d", ".s", "1s2", "--1s", "9999999h9999999h", "1,5s"])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(durations.DurationError, match="time: "):
        durations.parse(text)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (10_000_000_000, "10s"),
        (60_000_000_000, "1m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (1_500_000_000, "1.5s"),
        (15_000_000, "15ms"),
        (1_500, "1.5µs"),
        (7, "7ns"),
        (-90_000_000_000, "-1m30s"),
    ],
)
def test_durations_are_printed_as_go_prints_them(nanoseconds: Any, text: Any) -> None:
    assert durations.render(nanoseconds) == text


@given(st.integers(min_value=-(1 << 62), max_value=1 << 62))
def test_what_is_printed_is_read_back(nanoseconds: Any) -> None:
    assert durations.parse(durations.render(nanoseconds)) == nanoseconds

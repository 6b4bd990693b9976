"""The table of differences itself: each has its reason and stands in docs/compatibility.md; and there are enough requests."""

from pathlib import Path

import pytest

from tests.conformance import differences, families
from tests.conformance.both_sides import Ask

pytestmark = pytest.mark.conformance

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs/compatibility.md").read_text()
LEAST = 1_000
LEAST_OF_ONE = 10


@pytest.mark.parametrize("one", [*differences.RULES, *differences.LISTED], ids=lambda one: one.documented)
def test_every_difference_has_a_reason_and_stands_in_the_compatibility_page(one):
    assert one.reason
    assert one.documented in PAGE


@pytest.mark.parametrize("prefix", differences.NOT_THERE)
def test_what_is_not_there_stands_in_the_compatibility_page(prefix):
    assert f"`/v1/{prefix.rstrip('/')}`" in PAGE.split("**Not there:**")[1].split("##")[0]


def test_enough_is_asked_of_every_family():
    rows = families.tables()
    assert all(isinstance(row, Ask) for table in rows.values() for row in table)
    assert sum(map(len, rows.values())) >= LEAST, families.counted()
    assert all(len(table) >= LEAST_OF_ONE for table in rows.values()), families.counted()
    assert {one.family for one in differences.LISTED} <= set(rows)

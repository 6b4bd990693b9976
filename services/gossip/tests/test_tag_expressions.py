"""Tag filters of queries understand Go's expressions, and hostile ones take no time."""

import time

import pytest

from lictor_gossip.tag_expressions import matches


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        ("^web-\\d{2,}$", "web-12", True),
        ("^web-\\d{2,}$", "web-1", False),
        ("(?i)DB|cache", "mydb", True),
        ("", "anything", True),
        ("(", "(", False),
        ("a(?=b)", "ab", False),
    ],
)
def test_expressions_are_gos_and_unanchored(expression: str, text: str, found: bool) -> None:
    assert matches(expression, text) is found


def test_an_expression_made_to_take_for_ever_does_not() -> None:
    began = time.process_time()
    assert not matches("(a*)*(a*)*(a*)*b", "a" * 500)
    assert time.process_time() - began < 1.0

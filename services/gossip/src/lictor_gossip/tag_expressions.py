"""The regular expressions of queries' tag filters: Go's language, in time that grows with the text only."""

from lictor_state.regexp import compile_regexp
from lictor_state.regexp_syntax import RegexpError


def matches(expression: str, text: str) -> bool:
    """Whether an expression matches somewhere in a text; one that Go would refuse matches nothing."""
    try:
        return compile_regexp(expression).search(text)
    except RegexpError:
        return False

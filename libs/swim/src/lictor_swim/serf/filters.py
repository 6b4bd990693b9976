"""Whom a query is for: filters by name, and by regular expressions on tags.

The expressions are Go's and come from the network, so whoever evaluates them needs an engine whose time is bounded. A
node is given one (`Matches`); `matches_plain` is what this library has by itself: literals, `.`, `[...]`, `|`, `^`, `$`
and up to two `.*`, run by Python's engine, which is harmless for these. A query whose expression is not understood is
passed on but not answered.
"""

import re
from collections.abc import Callable

from lictor_swim.serf.wire import TagFilter, decode_filter
from lictor_swim.wire.errors import WireError

Matches = Callable[[str, str], bool]
"""Whether an expression matches somewhere in a text; False for one that it does not understand. It raises nothing."""

EXPRESSION_LENGTH_MAX = 256
"""Longest expression evaluated; a longer one matches nobody."""

_SAFE_EXPRESSION = re.compile(r"(?:[^\\*+?{}()\[\].]|\[[^\\\[\]]+\]|\.(?!\*))*")
_WILDCARDS_MAX = 2


def matches_filters(filters: tuple[bytes, ...] | None, own_name: str, tags: dict[str, str], matches: Matches) -> bool:
    """Whether a query with these filters is for this member. A filter that cannot be understood matches nobody."""
    for encoded in filters or ():
        try:
            parsed = decode_filter(encoded)
        except WireError:
            return False
        if isinstance(parsed, TagFilter):
            text = tags.get(parsed.tag, "")
            if len(parsed.expression) > EXPRESSION_LENGTH_MAX or not matches(parsed.expression, text):
                return False
        elif own_name not in parsed:
            return False
    return True


def matches_plain(expression: str, text: str) -> bool:
    """Whether an expression of the plain part of the language matches somewhere in a text."""
    pieces = expression.split(".*")
    if len(pieces) - 1 > _WILDCARDS_MAX or not all(_SAFE_EXPRESSION.fullmatch(piece) for piece in pieces):
        return False
    try:
        return re.search(expression, text) is not None
    except re.error:
        return False

"""Queries as a member that is asked sees them: whom a query is for, and the answers that Serf itself gives.

Filters on tags are Go regular expressions. Evaluating arbitrary ones that come from the network could take unbounded
time, so only a part of the language is understood: literals, `.`, `[...]`, `|`, `^`, `$` and up to two `.*`. A query
with any other expression is passed on but not answered.
"""

import re

from lictor_swim.serf.wire import TagFilter, decode_filter
from lictor_swim.wire.errors import WireError

INTERNAL_PREFIX = "_serf_"
"""Queries with this prefix belong to Serf and never reach the application."""

EXPRESSION_LENGTH_MAX = 256
_SAFE_EXPRESSION = re.compile(r"(?:[^\\*+?{}()\[\].]|\[[^\\\[\]]+\]|\.(?!\*))*")
_WILDCARDS_MAX = 2


def matches_filters(filters: tuple[bytes, ...] | None, own_name: str, tags: dict[str, str]) -> bool:
    """Whether a query with these filters is for this member. A filter that cannot be understood matches nobody."""
    for encoded in filters or ():
        try:
            parsed = decode_filter(encoded)
        except WireError:
            return False
        if isinstance(parsed, TagFilter):
            if not _matches_expression(parsed.expression, tags.get(parsed.tag, "")):
                return False
        elif own_name not in parsed:
            return False
    return True


def _matches_expression(expression: str, value: str) -> bool:
    if len(expression) > EXPRESSION_LENGTH_MAX:
        return False
    pieces = expression.split(".*")
    if len(pieces) - 1 > _WILDCARDS_MAX or not all(_SAFE_EXPRESSION.fullmatch(piece) for piece in pieces):
        return False
    try:
        return re.search(expression, value) is not None
    except re.error:
        return False

"""`?filter=` of a request: the rows that an answer keeps (Consul's HTTP API, filter expressions).

The language is `lictor_state.filter`'s. A filter is judged before any row is looked at, so a wrong one is refused even
where there is nothing to filter. It is part of a plan's key and has no influence on the index that is reported.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from lictor_catalog.errors import ApiError
from lictor_catalog.request import Params
from lictor_state.filter import FilterError, FilterKind, compile_filter

BAD_FILTER = "Failed to create boolean expression evaluator: "

Row = TypeVar("Row")


class Filter(msgspec.Struct, frozen=True):
    """What a request keeps; `text` belongs into the plan's key and is empty when everything is kept."""

    text: str
    holds: Callable[[Any], bool]

    def __call__(self, row: object) -> bool:
        """Whether a row is kept."""
        return self.holds(row)

    def kept(self, rows: Iterable[Row]) -> list[Row]:
        """The rows that are kept, in their order."""
        return list(filter(self.holds, rows)) if self.text else list(rows)


def _always(_row: object) -> bool:
    return True


EVERYTHING = Filter("", _always)


def filter_of(params: Params, kind: FilterKind) -> Filter:
    """The filter of a request for rows of a kind; raises `ApiError` 500 with Consul's words when it is none."""
    text = params.first("filter")
    if not text:
        return EVERYTHING
    try:
        return Filter(text, compile_filter(text, kind))
    except FilterError as error:
        raise ApiError(500, f"{BAD_FILTER}{error}") from None

"""Coordinates as Consul's JSON: numbers in the form that Go gives them."""

from decimal import Decimal
from typing import Annotated

import msgspec

from lictor_catalog.consul_shapes import Shown
from lictor_state.coordinate_rows import DIMENSIONS, CoordinateRow

_PLAIN_FROM, _PLAIN_BELOW = 1e-6, 1e21
"""Within these Go writes all digits, outside an exponent."""


_Number = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "number"})]


class ShownCoord(Shown, frozen=True, gc=False, kw_only=True):
    """`Coord`."""

    vec: tuple[_Number, ...]
    error: _Number
    adjustment: _Number
    height: _Number


class ShownCoordinate(Shown, frozen=True, gc=False, kw_only=True):
    """A node's coordinate in a segment."""

    node: str
    segment: str
    coord: ShownCoord


STARTING = CoordinateRow("", "", (0.0,) * DIMENSIONS, error=1.5, adjustment=0.0, height=0.00001)
"""Where Serf puts a node before it has measured anything."""


def coordinate(row: CoordinateRow, node: str = "") -> ShownCoordinate:
    """A row, or with `node` the same place for another node."""
    return ShownCoordinate(
        node=node or row.node,
        segment=row.segment,
        coord=ShownCoord(
            vec=tuple(map(go_number, row.vec)),
            error=go_number(row.error),
            adjustment=go_number(row.adjustment),
            height=go_number(row.height),
        ),
    )


def go_number(number: float) -> msgspec.Raw:
    """The shortest digits that say exactly this number, placed as Go's JSON encoder places them."""
    digits = repr(number)
    if number == 0 or _PLAIN_FROM <= abs(number) < _PLAIN_BELOW:
        plain = f"{Decimal(digits):f}"
        return msgspec.Raw((plain.rstrip("0").rstrip(".") if "." in plain else plain).encode())
    mantissa, _, exponent = digits.partition("e")
    sign = "-" if exponent.startswith("-") else "+"
    return msgspec.Raw(f"{mantissa}e{sign}{exponent.lstrip('+-0')}".encode())

"""Network coordinates on the wire: the payload of a probe's ack.

A coordinate is a point of eight dimensions, a height, an error estimate and an adjustment (Vivaldi, as in Serf's
`coordinate` package); units are seconds, the error has none. This module has the format and the coordinate of a node
that has observed nothing yet, which is what we send: peers then weigh our acks least. It does not move coordinates.
"""

import math

from msgspec import Struct

from lictor_swim.wire.errors import WireError
from lictor_swim.wire.msgpack import Reader
from lictor_swim.wire.schema import FLOAT, Field, StructCodec, list_of

DIMENSIONS = 8
ERROR_MAX = 1.5
HEIGHT_S_MIN = 10e-6
_VERSION = 1


class Coordinate(Struct, frozen=True, gc=False):
    """A position in the latency space."""

    vector: tuple[float, ...] = (0.0,) * DIMENSIONS
    error: float = ERROR_MAX
    adjustment: float = 0.0
    height: float = HEIGHT_S_MIN


_COORDINATE = StructCodec(
    Coordinate,
    Field("Vec", "vector", list_of(FLOAT)),
    Field("Error", "error", FLOAT),
    Field("Adjustment", "adjustment", FLOAT),
    Field("Height", "height", FLOAT),
)


def encode_coordinate(coordinate: Coordinate) -> bytes:
    """The ack payload: a version byte and the coordinate."""
    return bytes((_VERSION,)) + _COORDINATE.encode(coordinate)


def decode_coordinate(payload: bytes) -> Coordinate:
    """Read an ack payload.

    Raises:
        WireError: another version, another number of dimensions, or a number that is not finite.
    """
    if not payload or payload[0] != _VERSION:
        raise WireError("coordinate has an unknown version")
    coordinate = _COORDINATE.read(Reader(payload, 1))
    if len(coordinate.vector) != DIMENSIONS:
        raise WireError(f"coordinate has {len(coordinate.vector)} dimensions, not {DIMENSIONS}")
    numbers = (*coordinate.vector, coordinate.error, coordinate.adjustment, coordinate.height)
    if not all(math.isfinite(number) for number in numbers):
        raise WireError("coordinate holds a number that is not finite")
    return coordinate

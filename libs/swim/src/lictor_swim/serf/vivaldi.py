"""Network coordinates: where this node lies in the space of latencies (Dabek, Cox, Kaashoek, Morris: Vivaldi, 2004).

Each direct probe gives a round trip and the peer's coordinate; the own coordinate then moves as if a spring between the
two had that length. On top of Vivaldi, as in Serf's `coordinate` package: the median of each peer's last round trips
(Ledlie et al., NSDI 2007), an adjustment for what a Euclidean space cannot show, and a weak pull to the origin, so that
the whole pool does not drift. Units are seconds.
"""

import math
from collections import deque

from lictor_swim.dice import Dice
from lictor_swim.serf.coordinates import DIMENSIONS, ERROR_MAX, HEIGHT_S_MIN, Coordinate

ERROR_GAIN = 0.25
"""How fast the error estimate follows new observations (c_e)."""

FORCE_GAIN = 0.25
"""How far one observation moves the coordinate (c_c)."""

ADJUSTMENT_SAMPLES = 20
FILTER_SAMPLES = 3
GRAVITY_RHO_S = 150.0
"""At this distance from the origin the pull is one second; at real distances it is almost nothing."""

ROUND_TRIP_S_MAX = 10.0
"""Longer round trips are no observation of the network, and no peer is farther away than that."""

PEERS_MAX = 16_384
"""Most peers whose last round trips are kept, as many as there are members."""

_ZERO = 1e-6
_ORIGIN = Coordinate()
_Vector = tuple[float, ...]


class Vivaldi:
    """This node's coordinate.

    Args:
        dice: gives a direction when two nodes are at one point.
    """

    __slots__ = ("_adjustments", "_dice", "_round_trips", "coordinate")

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._round_trips: dict[str, deque[float]] = {}
        self._adjustments: deque[float] = deque(maxlen=ADJUSTMENT_SAMPLES)
        self.coordinate = Coordinate()

    def observe(self, peer: str, other: Coordinate, round_trip_s: float) -> bool:
        """Take in one probe of a peer; whether it was a usable observation."""
        if not 0.0 <= round_trip_s <= ROUND_TRIP_S_MAX or not self._is_credible(other):
            return False
        round_trip_s = self._median(peer, round_trip_s)
        moved = self._attract(other, max(round_trip_s, _ZERO))
        self._adjustments.append(round_trip_s - raw_distance_s(moved, other))
        adjustment = sum(self._adjustments) / (2 * ADJUSTMENT_SAMPLES)
        moved = Coordinate(moved.vector, moved.error, adjustment, moved.height)
        pull = -((distance_s(_ORIGIN, moved) / GRAVITY_RHO_S) ** 2)
        self.coordinate = self._push(moved, pull, _ORIGIN)
        return True

    def _is_credible(self, other: Coordinate) -> bool:
        """Whether a peer may be there: its numbers come from the network, and one absurd one would throw us far off."""
        return (
            len(other.vector) == DIMENSIONS
            and other.error >= 0
            and other.height >= 0
            and raw_distance_s(self.coordinate, other) <= ROUND_TRIP_S_MAX
            and distance_s(self.coordinate, other) <= ROUND_TRIP_S_MAX
        )

    def forget(self, peer: str) -> None:
        """The peer is gone: its round trips mean nothing to whoever comes under its name."""
        self._round_trips.pop(peer, None)

    def _median(self, peer: str, round_trip_s: float) -> float:
        """The middle one of the peer's last round trips: one slow answer moves nothing."""
        kept = self._round_trips.get(peer)
        if kept is None:
            if len(self._round_trips) >= PEERS_MAX:
                return round_trip_s
            kept = self._round_trips[peer] = deque(maxlen=FILTER_SAMPLES)
        kept.append(round_trip_s)
        return sorted(kept)[len(kept) // 2]

    def _attract(self, other: Coordinate, round_trip_s: float) -> Coordinate:
        me = self.coordinate
        distance = distance_s(me, other)
        wrongness = abs(distance - round_trip_s) / round_trip_s
        weight = me.error / max(me.error + other.error, _ZERO)
        error = ERROR_GAIN * weight * wrongness + me.error * (1 - ERROR_GAIN * weight)
        me = Coordinate(me.vector, min(error, ERROR_MAX), me.adjustment, me.height)
        return self._push(me, FORCE_GAIN * weight * (round_trip_s - distance), other)

    def _push(self, me: Coordinate, force_s: float, other: Coordinate) -> Coordinate:
        """Move along the line from the other, by `force_s`."""
        unit, apart = self._direction(me.vector, other.vector)
        vector = tuple([a + b * force_s for a, b in zip(me.vector, unit, strict=True)])
        height = me.height
        if apart > _ZERO:
            height = max((me.height + other.height) * force_s / apart + me.height, HEIGHT_S_MIN)
        return Coordinate(vector, me.error, me.adjustment, height)

    def _direction(self, to: _Vector, origin: _Vector) -> tuple[_Vector, float]:
        """The unit vector between two points and their distance; at one point, any direction and 0."""
        apart = math.dist(to, origin)
        if apart > _ZERO:
            return tuple([(a - b) / apart for a, b in zip(to, origin, strict=True)]), apart
        any_way = [self._dice.random() - 0.5 for _ in range(DIMENSIONS)]
        length = math.hypot(*any_way)
        if length > _ZERO:
            return tuple([part / length for part in any_way]), 0.0
        return (1.0, *(0.0,) * (DIMENSIONS - 1)), 0.0


def raw_distance_s(one: Coordinate, other: Coordinate) -> float:
    """Distance without adjustments: through the space, down one height and up the other."""
    return math.dist(one.vector, other.vector) + one.height + other.height


def distance_s(one: Coordinate, other: Coordinate) -> float:
    """The estimated round trip between two nodes, in seconds; what `serf rtt` prints."""
    raw = raw_distance_s(one, other)
    adjusted = raw + one.adjustment + other.adjustment
    return adjusted if adjusted > 0 else raw

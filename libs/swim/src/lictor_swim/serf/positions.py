"""Where this node and its peers lie in the space of latencies: the own coordinate, and the last one of each peer.

Coordinates travel in the acks of probes, so a node knows those of the peers that it has probed; in a large pool that
takes a round of probes.
"""

from lictor_swim.dice import Dice
from lictor_swim.serf.coordinates import Coordinate, encode_coordinate
from lictor_swim.serf.vivaldi import PEERS_MAX, Vivaldi


class Positions:
    """The own coordinate and those of peers.

    Args:
        own_name: this node.
        dice: gives a direction when two nodes are at one point.
    """

    __slots__ = ("_encoded", "_own_name", "_peers", "_vivaldi")

    def __init__(self, own_name: str, dice: Dice) -> None:
        self._own_name = own_name
        self._vivaldi = Vivaldi(dice)
        self._peers: dict[str, Coordinate] = {}
        self._encoded: bytes | None = None

    @property
    def own(self) -> Coordinate:
        """This node's coordinate."""
        return self._vivaldi.coordinate

    def of(self, name: str) -> Coordinate | None:
        """A member's coordinate; None when this node has not probed it yet."""
        return self.own if name == self._own_name else self._peers.get(name)

    def payload(self) -> bytes:
        """What goes into an ack."""
        if self._encoded is None:
            self._encoded = encode_coordinate(self.own)
        return self._encoded

    def observe(self, peer: str, coordinate: Coordinate, round_trip_s: float) -> None:
        """A direct probe of the peer was answered with its coordinate."""
        if not self._vivaldi.observe(peer, coordinate, round_trip_s):
            return
        self._encoded = None
        if peer in self._peers or len(self._peers) < PEERS_MAX:
            self._peers[peer] = coordinate

    def forget(self, peer: str) -> None:
        """The peer is no longer in the table of members."""
        self._peers.pop(peer, None)
        self._vivaldi.forget(peer)

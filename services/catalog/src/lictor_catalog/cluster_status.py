"""The leader and the voters, as the newest beacon names them."""

from lictor_bus.leader import LeaderTracker


class ClusterStatus:
    """Reads the leader tracker."""

    def __init__(self, leader: LeaderTracker) -> None:
        self._leader = leader

    @property
    def leader_address(self) -> str:
        """`host:port` of the leader, empty while none is known."""
        beacon, leader = self._leader.beacon, self._leader.leader
        if beacon is None or not leader:
            return ""
        return next((one.address for one in beacon.members if one.member_id == leader), "")

    @property
    def peer_addresses(self) -> list[str]:
        """`host:port` of every voter; the last known ones while there is no leader."""
        beacon = self._leader.beacon
        return [one.address for one in beacon.members if one.voter] if beacon else []

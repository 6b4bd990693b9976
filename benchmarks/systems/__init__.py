"""The systems under load: how each is started, found ready, and ended."""

from benchmarks.systems.consul import Consul
from benchmarks.systems.lictor import Lictor
from benchmarks.systems.system import LICTOR, PEER_FOLLOWER, PEER_LEADER, System, Target, UnavailableError

__all__ = ["LICTOR", "PEER_FOLLOWER", "PEER_LEADER", "Consul", "Lictor", "System", "Target", "UnavailableError"]

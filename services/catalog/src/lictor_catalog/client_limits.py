"""How much one client address may have: open connections, and requests a second. Pure: `now` is handed in.

Connections are counted as long as they are open. Requests take tokens from a bucket that holds a second's worth and
fills at the allowed rate; who finds it empty is told how long to wait. An address counts as it is seen here: behind a
proxy or NAT all clients are one, loopback is counted like any other (as Consul does). With several worker processes
each counts for itself.
"""

from collections import OrderedDict

CLIENTS_MAX = 16_384
"""Addresses whose bucket is remembered; beyond it the one heard least lately is forgotten, and begins anew with a full
bucket. Whoever has that many addresses is not held by limits per address."""


class ClientLimits:
    """The counts of all addresses; 0 stands for no limit."""

    def __init__(self, connections_max: int, requests_per_s: float) -> None:
        self._connections_max = connections_max
        self._rate = requests_per_s
        self._full = max(1.0, requests_per_s)
        self._connections: dict[str, int] = {}
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were that many
        self.counts_requests = requests_per_s > 0
        self.connections_refused = 0
        self.requests_refused = 0

    def opened(self, client: str) -> bool:
        """A connection has come; False when it is one too many, and then it is not counted."""
        open_now = self._connections.get(client, 0)
        if self._connections_max and open_now >= self._connections_max:
            self.connections_refused += 1
            return False
        self._connections[client] = open_now + 1
        return True

    def closed(self, client: str) -> None:
        """A connection that was counted has ended."""
        left = self._connections[client] - 1
        if left:
            self._connections[client] = left
        else:
            del self._connections[client]

    def wait_s(self, client: str, now: float) -> float:
        """Take a token for one request: 0, or without one the seconds until there is one."""
        if not self.counts_requests:
            return 0.0
        tokens, since = self._buckets.get(client, (self._full, now))
        tokens = min(self._full, tokens + (now - since) * self._rate)
        allowed = tokens >= 1.0
        self._buckets[client] = (tokens - 1.0 if allowed else tokens, now)
        self._buckets.move_to_end(client)
        if len(self._buckets) > CLIENTS_MAX:
            self._buckets.popitem(last=False)
        if allowed:
            return 0.0
        self.requests_refused += 1
        return (1.0 - tokens) / self._rate

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._connections.keys() | self._buckets.keys())

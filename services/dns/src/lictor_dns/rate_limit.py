"""Response-rate limiting: how many replies a network of clients gets over UDP, where addresses can be forged. Pure.

The victim of a reflection sees replies to questions that it never asked; so what is counted is replies, by the network
that they go to and by their kind, and what is over the rate is not sent. Every `slip`-th of those is sent empty with TC
set: a true client asks again over TCP, which is not limited; to a victim it is no larger than the question.

A bucket is one number, the time at which it will be empty (the generic cell rate algorithm, ITU-T I.371); full ones are
not kept. Two generations of buckets bound the memory: when the young one is full it becomes the old one, and what was
in that is forgotten; a network that still gets replies has moved to the young one by then.
"""

from enum import IntEnum

IPV4_BYTES, IPV4_PREFIX_BYTES, IPV6_PREFIX_BYTES = 4, 3, 7
"""A /24 and a /56: what one network that forges or suffers usually has, as BIND and Knot count."""

BURST_S = 5.0
"""What a network that was silent for this long may have at once."""

NETWORKS_MAX = 16_384
"""Buckets of a generation, about 3 MB."""

RATE_MAX = 1_000_000
NOERROR, NXDOMAIN = 0, 3


class Kind(IntEnum):
    """Kinds of replies: each has buckets of its own, so that a flood of one kind does not use up the others."""

    ANSWER = 0
    NEGATIVE = 1
    ERROR = 2


class Verdict(IntEnum):
    """What becomes of a reply."""

    SEND = 0
    SLIP = 1
    DROP = 2


def kind_of(reply: bytes) -> Kind:
    """The kind of a whole reply: answers; no such name or no such records; anything else."""
    rcode = reply[3] & 0x0F
    if rcode == NOERROR:
        return Kind.ANSWER if reply[6] or reply[7] else Kind.NEGATIVE
    return Kind.NEGATIVE if rcode == NXDOMAIN else Kind.ERROR


class RateLimit:
    """The buckets."""

    def __init__(self, answers_per_s: int, errors_per_s: int, slip: int, networks_max: int = NETWORKS_MAX) -> None:
        """Rates for each network and second, 0 for no limit: of answers, and of negative replies and errors each."""
        self._gaps_s = [1 / rate if rate else 0.0 for rate in (answers_per_s, errors_per_s, errors_per_s)]
        self._slip, self._networks_max = slip, networks_max
        self._young: dict[bytes, list[float]] = {}
        self._old: dict[bytes, list[float]] = {}
        self.slipped = 0
        self.withheld = 0

    def __len__(self) -> int:
        """Buckets kept."""
        return len(self._young) + len(self._old)

    @property
    def limits(self) -> bool:
        """Whether there is any limit."""
        return any(self._gaps_s)

    def judge(self, client: bytes, kind: Kind, now: float) -> Verdict:
        """What becomes of a reply to a client, whose address is 4 or 16 bytes; `now` is in seconds of any clock."""
        gap_s = self._gaps_s[kind]
        if not gap_s:
            return Verdict.SEND
        prefix = client[:IPV4_PREFIX_BYTES] if len(client) == IPV4_BYTES else client[:IPV6_PREFIX_BYTES]
        key = prefix + bytes((kind,))
        bucket = self._young.get(key)
        if bucket is None:
            bucket = self._enter(key, now)
        if bucket[0] - now < BURST_S:
            bucket[0] = max(bucket[0], now) + gap_s
            return Verdict.SEND
        bucket[1] += 1
        if self._slip and bucket[1] % self._slip == 0:
            self.slipped += 1
            return Verdict.SLIP
        self.withheld += 1
        return Verdict.DROP

    def _enter(self, key: bytes, now: float) -> list[float]:
        """The bucket of a network that has none among the young: when it will be empty, and replies withheld."""
        if len(self._young) >= self._networks_max:
            self._old, self._young = self._young, {}
        bucket = self._young[key] = self._old.pop(key) if key in self._old else [now, 0]
        return bucket

"""DNS cookies (RFC 7873), the server's side, in the form that servers of different makers share (RFC 9018). Pure.

A client that shows a cookie which we made for its address has received a reply there: it does not forge its address.
Nothing is refused for want of a cookie; who has a good one is exempt from rate limits. Secrets are handed in, the first
makes cookies and all are accepted, so that replicas agree and a secret can be replaced in steps: add the new one
behind the old everywhere, put it first everywhere, and drop the old one an hour later.
"""

import re
import struct
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from lictor_dns.siphash import KEY_BYTES, siphash24

CLIENT_BYTES = 8
SERVER_BYTES = 16
FULL_BYTES = CLIENT_BYTES + SERVER_BYTES
FOREIGN_BYTES_MAX = CLIENT_BYTES + 32
VERSION = b"\x01"
_HEAD = b"\x01\x00\x00\x00"  # the version, and three reserved bytes
_TIME = struct.Struct("!I")

LIFE_S, FUTURE_S, RENEW_S = 3600, 300, 1800
"""How old a cookie may be, how far ahead another replica's clock may be, when it is made anew (RFC 9018, 4.3)."""

HASHES_PER_S = 2_000
"""Hashes made each second at most, a few hundredths of its time; whoever comes then is answered without a cookie."""

KNOWN_MAX = 4_096
"""Good cookies remembered, so that a resolver's next thousand questions cost no hash; the oldest goes first."""

_SECRETS = re.compile(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}")


class CookieError(ValueError):
    """A COOKIE option of a length that no cookie has (RFC 7873, section 5.2.2): the query is malformed."""


class Judged(NamedTuple):
    """What is known of a client by its cookie: the option's data for the reply (empty: none), whether it was good."""

    option: bytes
    good: bool


def secrets_of(text: str) -> tuple[bytes, ...]:
    """The secrets in a text, 32 hex digits each, separated by commas or white space.

    Raises:
        ValueError: something else is there; the text is not repeated, since it is secret.
    """
    words = text.replace(",", " ").split()
    if not all(_SECRETS.fullmatch(word) for word in words):
        raise ValueError(f"cookie secrets have {2 * KEY_BYTES} hex digits each, separated by commas or lines")
    return tuple(map(bytes.fromhex, words))


class Cookies:
    """Judges and makes cookies."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """Begin with at least one secret."""
        self._secrets: tuple[bytes, ...] = ()
        self._known: OrderedDict[tuple[bytes, bytes], bool] = OrderedDict()
        self._second = 0
        self._hashes = 0
        self.replace(secrets)

    def replace(self, secrets: Sequence[bytes]) -> None:
        """Use other secrets from now on."""
        assert secrets, "at least one secret makes cookies"
        if tuple(secrets) != self._secrets:
            self._secrets = tuple(secrets)
            self._known.clear()

    def judge(self, option: bytes, client: bytes, now: int) -> Judged:
        """Judge a query's option.

        Args:
            option: the option's data: the client's cookie, with the server's behind it if the client has one.
            client: the 4 or 16 bytes of its address.
            now: Unix time in seconds.

        Raises:
            CookieError: the length is wrong.
        """
        if len(option) != CLIENT_BYTES and not CLIENT_BYTES + 8 <= len(option) <= FOREIGN_BYTES_MAX:
            raise CookieError(f"a COOKIE option has 8 or 16 to 40 bytes, not {len(option)}")
        age_s = self._age_s(option, now)
        by_first = self._made_by_first(option, client, now) if age_s is not None else None
        if by_first and age_s is not None and age_s < RENEW_S:
            return Judged(option, good=True)
        head = option[:CLIENT_BYTES] + _HEAD + _TIME.pack(now & 0xFFFFFFFF)
        hashed = self._hash(self._secrets[0], head, client, now)
        return Judged(head + hashed if hashed else b"", good=by_first is not None)

    def _age_s(self, option: bytes, now: int) -> int | None:
        """How long ago a cookie of our form says that it was made; None for others, and if it is not good now."""
        if len(option) != FULL_BYTES or option[CLIENT_BYTES : CLIENT_BYTES + 1] != VERSION:
            return None
        made_at: int = _TIME.unpack_from(option, 12)[0]
        age_s = (now - made_at + 2**31) % 2**32 - 2**31  # serial number arithmetic (RFC 1982)
        return age_s if -FUTURE_S <= age_s <= LIFE_S else None

    def _made_by_first(self, option: bytes, client: bytes, now: int) -> bool | None:
        """Whether the first secret made a cookie for this client, or another of ours did; None: none did."""
        known = self._known.get((client, option))
        if known is not None:
            return known
        head, hashed = option[:-CLIENT_BYTES], option[-CLIENT_BYTES:]
        for place, secret in enumerate(self._secrets):
            if self._hash(secret, head, client, now) == hashed:
                if len(self._known) >= KNOWN_MAX:
                    self._known.popitem(last=False)
                self._known[client, option] = place == 0
                return place == 0
        return None

    def _hash(self, secret: bytes, head: bytes, client: bytes, now: int) -> bytes:
        """The hash, or nothing when this second has had its share."""
        if now != self._second:
            self._second, self._hashes = now, 0
        if self._hashes >= HASHES_PER_S:
            return b""
        self._hashes += 1
        return siphash24(secret, head + client)

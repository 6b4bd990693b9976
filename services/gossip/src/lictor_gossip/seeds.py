"""Whom to join: seeds by name or address, and the members that the last run knew.

A name is looked up anew for every attempt and each of its addresses is a seed of its own, so that a pool whose members
move is still found. While this member is alone, everything that could lead to others is tried, for ever, with a
backoff. Once it is not, seeds that no living member holds are still tried now and then: two halves that were founded
apart, or were apart for longer than failed members are remembered, become one pool.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NamedTuple

import structlog

from lictor_kit.backoff import Backoff
from lictor_swim import Endpoint

LOOKUP_TIMEOUT_S = 2.0
ADDRESSES_MAX = 16
"""Addresses tried at once, of one name that is to be joined or of all seeds in one attempt; which ones, dice say."""

RETRY_S_MIN = 0.5
RETRY_S_MAX = 15.0
"""While alone: soon at first, since whole pools start together; later as often as an operator has patience."""

LOOK_AGAIN_S = 60.0
"""Once joined: what a look-up and a few streams a minute cost is nothing."""

log = structlog.get_logger()


class Seed(NamedTuple):
    """One entry of the list: a host name or address, and a port."""

    host: str
    port: int


def host_and_port(text: str, default: int) -> tuple[str, int]:
    """The parts of `host`, `host:port`, `[v6]:port` or a bare IPv6 address."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, _port(rest.removeprefix(":"), default)
    if text.count(":") == 1:
        host, _, given = text.partition(":")
        return host, _port(given, default)
    return text, default


def _port(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and int(text) < 1 << 16 else default


def parse(text: str, default_port: int) -> list[Seed]:
    """The seeds of a comma separated list."""
    return [Seed(*host_and_port(one.strip(), default_port)) for one in text.split(",") if one.strip()]


async def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a name, none when it has none or nobody says so in time."""
    if not host:
        return []
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def to_try(
    seeds: Collection[Endpoint],
    remembered: Collection[Endpoint],
    own: Collection[Endpoint],
    alive: Collection[Endpoint],
    dice: random.Random,
) -> list[Endpoint]:
    """Whom to exchange state with now, at most `ADDRESSES_MAX`.

    Args:
        seeds: what the list leads to at the moment.
        remembered: members of the last run.
        own: this member's own addresses.
        alive: the other living members; with some, only seeds that none of them holds are of interest.
        dice: which ones, when there are too many.
    """
    wanted = seeds if alive else [*seeds, *remembered]
    known = {*own, *alive}
    found = [one for one in dict.fromkeys(wanted) if one not in known]
    return found if len(found) <= ADDRESSES_MAX else dice.sample(found, ADDRESSES_MAX)


class Joining:
    """Joins for as long as the process lives; run `run()` as one of its tasks.

    Args:
        seeds: the list.
        remembered: members of the last run, from its snapshot.
        own: this member's own addresses.
        others: the addresses of the other living members, now.
        join: exchanges state with each address; how many answered.
        say: told why the pool is not found, empty when it is.
        dice: randomness.
    """

    def __init__(
        self,
        seeds: Sequence[Seed],
        remembered: Sequence[Endpoint],
        own: Collection[Endpoint],
        others: Callable[[], Collection[Endpoint]],
        join: Callable[[Sequence[Endpoint]], Awaitable[int]],
        say: Callable[[str], None],
        dice: random.Random,
    ) -> None:
        self._seeds, self._remembered, self._own = seeds, remembered, own
        self._others, self._join, self._say, self._dice = others, join, say, dice
        self._told = False

    async def run(self) -> None:
        """Try for ever."""
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX, self._dice.random)
        while True:
            await self._attempt()
            if self._others() or not (self._seeds or self._remembered):
                self._say("")
                self._told = False
                backoff.reset()
                await asyncio.sleep(LOOK_AGAIN_S * (0.5 + self._dice.random()))
                continue
            self._tell()
            await asyncio.sleep(next(backoff))

    async def _attempt(self) -> None:
        found = await asyncio.gather(*(addresses_of(*seed) for seed in self._seeds))
        seeds = [Endpoint(one, seed.port) for seed, some in zip(self._seeds, found, strict=True) for one in some]
        targets = to_try(seeds, self._remembered, self._own, self._others(), self._dice)
        if targets:
            answered = await self._join(targets)
            log.debug("tried to join", tried=len(targets), answered=answered)

    def _tell(self) -> None:
        shown = ", ".join(seed.host for seed in self._seeds) or "the members of the last run"
        self._say(f"alone: nobody answers at {shown}")
        if not self._told:
            log.warning("alone in the pool, trying on", seeds=shown, remembered=len(self._remembered))
            self._told = True

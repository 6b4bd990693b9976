"""The randomness that the cores are given: `random.Random` and `random.SystemRandom` both fit.

With encryption the source must be one that cannot be predicted, because nonces come from it.
"""

from typing import Protocol


class Dice(Protocol):
    """A source of randomness."""

    def random(self) -> float:
        """A float in [0, 1)."""
        ...

    def randrange(self, stop: int, /) -> int:
        """An integer in [0, stop)."""
        ...

    def randbytes(self, n: int, /) -> bytes:
        """N random bytes."""
        ...


def shuffle(dice: Dice, items: list[str]) -> None:
    """Shuffle in place (Fisher and Yates)."""
    for last in range(len(items) - 1, 0, -1):
        other = dice.randrange(last + 1)
        items[last], items[other] = items[other], items[last]


def sample(dice: Dice, items: list[str], count: int) -> list[str]:
    """Up to `count` different items in random order. `items` is consumed."""
    count = min(count, len(items))
    for index in range(count):
        other = index + dice.randrange(len(items) - index)
        items[index], items[other] = items[other], items[index]
    return items[:count]

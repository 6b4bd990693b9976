"""A sorted set of strings whose prefix reads and single writes both stay cheap.

One flat sorted list would move megabytes per insertion at a million keys; blocks of a few hundred keys move a few
kilobytes. Order is by code point, which for UTF-8 is the order of the bytes, as Consul sorts keys.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

BLOCK_KEYS_MAX = 1024  # a full block splits in two: 512 pointers are moved per insertion on average


class SortedKeys:
    """A set of strings, iterated in order, with `below(prefix)`."""

    __slots__ = ("_blocks", "_count", "_first")

    def __init__(self, keys: Iterable[str] = ()) -> None:
        ordered = sorted(set(keys))
        half = BLOCK_KEYS_MAX // 2
        self._blocks = [ordered[at : at + half] for at in range(0, len(ordered), half)]
        self._first = [block[0] for block in self._blocks]
        self._count = len(ordered)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: str) -> bool:
        block = self._blocks[self._block_of(key)] if self._blocks else []
        at = bisect_left(block, key)
        return at < len(block) and block[at] == key

    def __iter__(self) -> Iterator[str]:
        for block in self._blocks:
            yield from block

    def _block_of(self, key: str) -> int:
        """The block that holds or would hold `key`: the last one whose first key is not above it."""
        at = bisect_left(self._first, key)
        if at < len(self._first) and self._first[at] == key:
            return at
        return max(at - 1, 0)

    def add(self, key: str) -> None:
        """Add a key that is not there yet; adding it twice changes nothing."""
        if not self._blocks:
            self._blocks.append([key])
            self._first.append(key)
            self._count = 1
            return
        at = self._block_of(key)
        block = self._blocks[at]
        before = bisect_left(block, key)
        if before < len(block) and block[before] == key:
            return
        block.insert(before, key)
        self._count += 1
        self._first[at] = block[0]
        if len(block) > BLOCK_KEYS_MAX:
            middle = len(block) // 2
            self._blocks.insert(at + 1, block[middle:])
            self._first.insert(at + 1, block[middle])
            del block[middle:]

    def discard(self, key: str) -> None:
        """Remove a key if it is there."""
        if not self._blocks:
            return
        at = self._block_of(key)
        block = self._blocks[at]
        where = bisect_left(block, key)
        if where == len(block) or block[where] != key:
            return
        del block[where]
        self._count -= 1
        if block:
            self._first[at] = block[0]
        else:
            del self._blocks[at], self._first[at]

    def blocks(self) -> list[list[str]]:
        """The keys in order, some hundred at a time."""
        return self._blocks

    def below(self, prefix: str) -> Iterator[str]:
        """All keys that start with `prefix`, in order. The set must not change while this is being read."""
        if not self._blocks:
            return
        for block in self._blocks[self._block_of(prefix) :]:
            for key in block[bisect_left(block, prefix) :]:
                if not key.startswith(prefix):
                    return
                yield key

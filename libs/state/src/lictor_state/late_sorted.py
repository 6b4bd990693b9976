"""Keys by name, put in order when somebody looks and not when they come.

To find a key's place among a few hundred it is compared with nine of them, which lie all over memory: a tenth of what
a view spent on a new instance. A crowd of registrations writes far more often than anybody looks, and sorting a list
that is in order but for its end takes little more than going through it, as its reader will.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from lictor_state.rows import Key


class LateSorted:
    """Lists of keys by name; every list that it gives out is in order."""

    __slots__ = ("_keys", "_unsorted")

    def __init__(self) -> None:
        self._keys: dict[str, list[Key]] = {}
        self._unsorted: set[str] = set()

    def enter(self, name: str, key: Key) -> None:
        """Add a key, which must not be there."""
        keys = self._keys.get(name)
        if keys is None:
            self._keys[name] = [key]
            return
        if name not in self._unsorted and key < keys[-1]:
            self._unsorted.add(name)
        keys.append(key)

    def leave(self, name: str, key: Key) -> None:
        """Take away a key, which must be there; a name goes with its last one."""
        keys = self._sorted(name, self._keys[name])
        if len(keys) == 1:
            del self._keys[name]
        else:
            del keys[bisect_left(keys, key)]

    def get(self, name: str, default: Sequence[Key] = ()) -> Sequence[Key]:
        """The keys of a name, in order; `default` if it has none. Not to be changed, nor kept over a change."""
        keys = self._keys.get(name)
        return default if keys is None else self._sorted(name, keys)

    def __getitem__(self, name: str) -> Sequence[Key]:
        return self._sorted(name, self._keys[name])

    def _sorted(self, name: str, keys: list[Key]) -> list[Key]:
        if name in self._unsorted:
            keys.sort()
            self._unsorted.discard(name)
        return keys

    def __contains__(self, name: str) -> bool:
        return name in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __eq__(self, other: object) -> bool:
        """Whether another one holds the same; a dict of sorted lists will do, for tests."""
        for name in tuple(self._unsorted):
            self._sorted(name, self._keys[name])
        if isinstance(other, LateSorted):
            return other == self._keys
        return self._keys == other

    __hash__ = None  # type: ignore[assignment]  # it changes

    def blocks(self) -> list[dict[str, list[Key]]]:
        """What it holds, for a store that lets go of it."""
        return [self._keys]

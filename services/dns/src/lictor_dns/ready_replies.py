"""Replies that were made before: a query's bytes in, a reply's bytes out. Pure.

A query is known by all its bytes but the id. Its replies, one per rotation of the answers, are made as their turn
comes and kept until something that they were made of changes; so the first answer moves on from query to query, which
spreads clients evenly. What a reply holds is the responder's: this module knows only ids, turns and bounds.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

READY_REPLIES_MAX = 16_384
"""Queries whose replies are kept ready; beyond it all are dropped and made again as they are asked for."""

ROTATIONS_MAX = 64
"""Replies kept per query: enough for an even spread; a larger set starts at a random place for each of them."""

_ID_BYTES = 2


@dataclass(slots=True)
class _Rotation:
    """The replies to one query, without ids, made as their turn comes; `start` is the first one's rotation."""

    bodies: list[bytes | None]
    turn: int
    start: int
    make: Callable[[int], bytes]

    def next(self) -> bytes:
        """The reply whose turn it is."""
        turn = self.turn
        self.turn = turn + 1 if turn + 1 < len(self.bodies) else 0
        body = self.bodies[turn]
        if body is None:
            body = self.bodies[turn] = self.make(self.start + turn)[_ID_BYTES:]
        return body


class ReadyReplies:
    """Keeps replies by query; `drop` must hear of every change that can make one untrue."""

    def __init__(self) -> None:
        self._by_query: dict[bytes, _Rotation] = {}
        self._by_dependency: dict[Hashable, list[bytes]] = {}

    def __len__(self) -> int:
        """Queries whose replies are kept."""
        return len(self._by_query)

    def find(self, query: bytes) -> bytes | None:
        """The next reply to a query that has been asked before, with this query's id; None if none is kept."""
        kept = self._by_query.get(query[_ID_BYTES:])
        if kept is None:
            return None
        return query[:_ID_BYTES] + kept.next()

    def keep(
        self, query: bytes, dependencies: Iterable[Hashable], rotations: int, start: int, make: Callable[[int], bytes]
    ) -> bytes:
        """Keep the replies to a query from now on; the first one is the result.

        Args:
            query: whole, with its id.
            dependencies: what the replies were made of, as `drop` will name it.
            rotations: how many different replies there are.
            start: the first one's rotation.
            make: the whole reply of a rotation, with any id; a rotation may exceed `rotations` and wraps.
        """
        if len(self._by_query) >= READY_REPLIES_MAX:
            self.drop(None)
        key = query[_ID_BYTES:]
        kept = self._by_query[key] = _Rotation([None] * min(rotations, ROTATIONS_MAX), 0, start, make)
        for dependency in dependencies:
            self._by_dependency.setdefault(dependency, []).append(key)
        return query[:_ID_BYTES] + kept.next()

    def drop(self, dependency: Hashable | None) -> None:
        """Forget what was made of a dependency; None: everything."""
        if dependency is None:
            self._by_query.clear()
            self._by_dependency.clear()
            return
        for key in self._by_dependency.pop(dependency, ()):
            self._by_query.pop(key, None)

"""Replies that were made before: a query's bytes in, a reply's bytes out. Pure.

A query is known by all its bytes but the id and the case of its name, which a reply repeats (RFC 4343; resolvers mix it
as a nonce). Its replies, one per rotation of the answers, are made as their turn comes and kept until something that
they were made of changes; so the first answer moves on from query to query, which spreads clients evenly. Of a larger
set `SLOTS_MAX` rotations are kept at a time, far from one another, and after some turns others in their place.

Bounded by count and by bytes. What goes first is what was asked once and not again: newcomers wait in a small queue of
their own and are proven by being asked again; a proven one goes when it has not been asked since it was last looked
at (the queues of S3-FIFO, Yang et al., SOSP 2023). So a client that makes up variants of a query pushes out other
newcomers, and not what everybody asks. What a reply holds is the responder's.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

QUERIES_MAX = 8_192
"""Queries whose replies are kept ready: a thousand services in several spellings, types and sizes."""

BYTES_MAX = 10 * 1024 * 1024
"""For keys and replies together, with what Python needs around them: one part in fifteen of a worker's memory, and
enough for the usual replies to a thousand services of a hundred instances."""

SLOTS_MAX = 16
"""Replies kept of one query at a time."""

TURNS = 16
"""How often each of them is used before others take their place: making one costs five times as much as all of that."""

GOLDEN = 0.6180339887498949
"""The rotations of a larger set are this part of the whole apart: however many were made, they are spread evenly (the
additive recurrence with the golden ratio has the lowest discrepancy)."""

NEW_SHARE = 8
"""One part in this many of either bound is for queries not yet proven."""

QUERY_BYTES_MAX = 256 * 1024
"""Replies of one query; beyond it they are forgotten and made anew: those to large sets, of up to 64 KiB each."""

LOOKS_MAX = 64
"""Proven queries spared in one go; then one goes, asked or not, so that no query pays for looking at all of them."""

_ID_BYTES = 2
_NAME_AT = 12
_BODY_NAME_AT = _NAME_AT - _ID_BYTES
_QUERY_COST = 1_500
"""Bytes that a kept query takes beside its key and replies, as measured: entries in tables here, what makes replies."""

_REPLY_COST = 33 + 8
_SLOT_COST = 8


@dataclass(slots=True, eq=False)
class _Kept:
    """The replies to one query, without ids, the name in lower case; `asked` counts, `seen` is its last look."""

    key: bytes
    dependencies: tuple[Hashable, ...]
    bodies: list[bytes | None]
    rotations: int
    start: int
    make: Callable[[int], bytes]
    size: int
    renewed_at: int
    made: int = 0
    asked: int = 0
    seen: int = 0
    proven: bool = False


class ReadyReplies:
    """Keeps replies by query; `drop` must hear of every change that can make one untrue."""

    def __init__(self, queries_max: int = QUERIES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._queries_max, self._bytes_max = queries_max, bytes_max
        self._by_key: dict[bytes, _Kept] = {}
        self._new: OrderedDict[bytes, _Kept] = OrderedDict()
        self._proven: OrderedDict[bytes, _Kept] = OrderedDict()
        self._by_dependency: dict[Hashable, set[bytes]] = {}
        self._new_bytes = 0
        self.bytes = 0
        """What is kept, in bytes."""
        self.found = 0
        """Replies that were ready."""
        self.evicted = 0
        """Queries that went because of a bound."""

    def __len__(self) -> int:
        """Queries whose replies are kept."""
        return len(self._by_key)

    def find(self, query: bytes) -> bytes | None:
        """The next reply to a query that has been asked before, with this query's id; None if none is kept."""
        kept = self._by_key.get(query[_ID_BYTES:])
        if kept is None:
            return self._find_spelt(query)
        turn = kept.asked
        kept.asked = turn + 1
        self.found += 1
        if turn == kept.renewed_at:
            self._renew(kept)
        body = kept.bodies[turn % len(kept.bodies)]
        return query[:_ID_BYTES] + (self._made(kept, turn) if body is None else body)

    def keep(
        self, query: bytes, dependencies: Iterable[Hashable], rotations: int, start: int, make: Callable[[int], bytes]
    ) -> bytes:
        """Keep the replies to a query from now on; the first one is the result.

        Args:
            query: whole, with its id.
            dependencies: what the replies were made of, as `drop` will name it.
            rotations: how many different replies there are, at least one.
            start: the first one's rotation.
            make: the whole reply of a rotation, with any id, its question as in the query; a rotation may exceed
                `rotations` and wraps.
        """
        key = _key(query)
        old = self._by_key.get(key)
        if old is not None:
            self._forget(old)
        slots = min(rotations, SLOTS_MAX)
        size = _QUERY_COST + len(key) + slots * _SLOT_COST
        renewed_at = slots * TURNS if rotations > slots else -1
        kept = _Kept(key, tuple(dependencies), [None] * slots, rotations, start, make, size, renewed_at)
        self._by_key[key] = self._new[key] = kept
        self._new_bytes += size
        self.bytes += size
        for dependency in kept.dependencies:
            self._by_dependency.setdefault(dependency, set()).add(key)
        reply = make(start)
        kept.asked = 1
        self._take(kept, 0, _lower_name(reply[_ID_BYTES:]))
        return query[:_ID_BYTES] + reply[_ID_BYTES:]

    def drop(self, dependency: Hashable | None) -> None:
        """Forget what was made of a dependency; None: everything."""
        if dependency is None:
            for kept in (self._by_key, self._new, self._proven, self._by_dependency):
                kept.clear()
            self._new_bytes = self.bytes = 0
            return
        for key in tuple(self._by_dependency.get(dependency, ())):
            self._forget(self._by_key[key])

    def _find_spelt(self, query: bytes) -> bytes | None:
        """As `find`, for a query that is kept in lower case."""
        stop = query.find(0, _NAME_AT)
        name = query[_NAME_AT:stop]
        lower = name.lower()
        if stop < 0 or lower == name:
            return None
        key = query[_ID_BYTES:_NAME_AT] + lower + query[stop:]
        if key not in self._by_key:
            return None
        found = self.find(query[:_ID_BYTES] + key)
        assert found is not None, "its key was there"
        return found[:_NAME_AT] + name + found[stop:]

    def _made(self, kept: _Kept, turn: int) -> bytes:
        if kept.renewed_at < 0:
            rotation = kept.start + turn
        else:
            kept.made += 1
            rotation = kept.start + int(kept.made * GOLDEN % 1 * kept.rotations)
        body = _lower_name(kept.make(rotation)[_ID_BYTES:])
        self._take(kept, turn, body)
        return body

    def _renew(self, kept: _Kept) -> None:
        """Let other rotations take the place of those that had their turns."""
        kept.renewed_at = kept.asked - 1 + len(kept.bodies) * TURNS
        self._empty(kept)

    def _empty(self, kept: _Kept) -> None:
        self._grow(kept, -sum(len(one) + _REPLY_COST for one in kept.bodies if one is not None))
        kept.bodies = [None] * len(kept.bodies)

    def _take(self, kept: _Kept, turn: int, body: bytes) -> None:
        """Remember a reply, and make room for it."""
        added = len(body) + _REPLY_COST
        if kept.size + added > QUERY_BYTES_MAX:
            self._empty(kept)
        kept.bodies[turn % len(kept.bodies)] = body
        self._grow(kept, added)
        looks = 0
        while len(self._by_key) > self._queries_max or self.bytes > self._bytes_max:
            looks += self._evict(spare=looks < LOOKS_MAX)

    def _evict(self, *, spare: bool) -> int:
        """Let one query go, or move one on; whether a proven one was spared."""
        crowded = len(self._new) * NEW_SHARE > self._queries_max or self._new_bytes * NEW_SHARE > self._bytes_max
        if crowded or not self._proven:
            kept = next(iter(self._new.values()))
            if kept.asked == 1:
                self._give_up(kept)
                return 0
            self._new.popitem(last=False)
            self._new_bytes -= kept.size
            kept.proven, kept.seen = True, kept.asked
            self._proven[kept.key] = kept
            return 0
        kept = next(iter(self._proven.values()))
        if spare and kept.asked > kept.seen:
            kept.seen = kept.asked
            self._proven.move_to_end(kept.key)
            return 1
        self._give_up(kept)
        return 0

    def _give_up(self, kept: _Kept) -> None:
        self.evicted += 1
        self._forget(kept)

    def _grow(self, kept: _Kept, added: int) -> None:
        kept.size += added
        self.bytes += added
        if not kept.proven:
            self._new_bytes += added

    def _forget(self, kept: _Kept) -> None:
        del self._by_key[kept.key]
        self._grow(kept, -kept.size)
        del (self._proven if kept.proven else self._new)[kept.key]
        for dependency in kept.dependencies:
            keys = self._by_dependency[dependency]
            keys.discard(kept.key)
            if not keys:
                del self._by_dependency[dependency]


def _key(query: bytes) -> bytes:
    """A query without its id, its name in lower case: what all its spellings have in common."""
    return _lower_name(query[_ID_BYTES:])


def _lower_name(body: bytes) -> bytes:
    """A message without its id, with the name of its question in lower case.

    A name ends at its first zero byte, unless a label holds one: then the rest of the name keeps its case, which makes
    two spellings two queries and is no fault. Length bytes are below the letters.
    """
    stop = body.find(0, _BODY_NAME_AT)
    name = body[_BODY_NAME_AT:stop]
    lower = name.lower()
    return body if stop < 0 or lower == name else body[:_BODY_NAME_AT] + lower + body[stop:]

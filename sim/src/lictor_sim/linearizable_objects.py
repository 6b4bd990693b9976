"""The sequential objects that histories are judged against.

Kinds of operations, as argument -> result:

- `Register(initial)`: read -> value; write: value -> anything; cas: (expected, new) -> whether.
- `Lock()`: acquire: owner -> lock index, True or False; release: owner -> whether; read -> (owner or None, lock index).
- `GrowSet()`: add: element -> anything; read -> the elements, in any order.
- `VersionedCell()`: read -> (value, index) or None; set: value -> index or True; delete -> anything;
  cas: (expected index, value) -> index, True or False, where the expected index 0 means "only if there is nothing".

Lock and VersionedCell behave as Consul's KV does: the lock index grows with each acquisition by a new owner and stands
still when the holder acquires again; ModifyIndex grows with each write. A session that may expire is a `release` with
an unknown result. Values must be hashable.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

from lictor_sim.linearizability import IMPOSSIBLE, UNKNOWN, Mark, Model, Operation


class Register(Model[Hashable]):
    """A value that is read, written, and compared and set."""

    def __init__(self, initial: Hashable = None) -> None:
        self.initial = initial

    def step(self, state: Hashable, operation: Operation) -> Hashable | Mark:
        """See `Model`."""
        result = operation.result
        if operation.kind == "read":
            return state if result is UNKNOWN or result == state else IMPOSSIBLE
        if operation.kind == "write":
            written: Hashable = operation.argument
            return written
        assert operation.kind == "cas", operation.kind
        expected, new = operation.argument
        swaps = state == expected
        if result is not UNKNOWN and result != swaps:
            return IMPOSSIBLE
        return new if swaps else state

    def only_looks(self, operation: Operation) -> bool:
        """See `Model`."""
        return operation.kind == "read" or (operation.kind == "cas" and operation.result is False)


class Holding(NamedTuple):
    """Who holds a lock, and how often it has been taken."""

    owner: Hashable
    lock_index: int


class Lock(Model[Holding]):
    """A lock with a fencing number."""

    initial = Holding(None, 0)

    def step(self, state: Holding, operation: Operation) -> Holding | Mark:
        """See `Model`."""
        owner, result = operation.argument, operation.result
        if operation.kind == "read":
            return state if result is UNKNOWN or result == state else IMPOSSIBLE
        if operation.kind == "release":
            holds = state.owner == owner
            if result is not UNKNOWN and result != holds:
                return IMPOSSIBLE
            return state._replace(owner=None) if holds else state
        assert operation.kind == "acquire", operation.kind
        if state.owner not in (None, owner):
            return state if result is UNKNOWN or result is False else IMPOSSIBLE
        after = Holding(owner, state.lock_index + (state.owner is None))
        return after if result is UNKNOWN or result is True or _is_index(result, after.lock_index) else IMPOSSIBLE

    def is_past(self, state: Holding, operation: Operation) -> bool:
        """The lock index only grows."""
        result = operation.result
        if operation.kind == "read":
            return bool(result[1] < state.lock_index)
        return operation.kind == "acquire" and not isinstance(result, bool) and result < state.lock_index

    def only_looks(self, operation: Operation) -> bool:
        """See `Model`."""
        return operation.kind == "read" or operation.result is False


class GrowSet(Model[frozenset[Hashable]]):
    """A set that only grows."""

    initial = frozenset()

    def step(self, state: frozenset[Hashable], operation: Operation) -> frozenset[Hashable] | Mark:
        """See `Model`."""
        if operation.kind == "read":
            result = operation.result
            return state if result is UNKNOWN or frozenset(result) == state else IMPOSSIBLE
        assert operation.kind == "add", operation.kind
        return state | {operation.argument}

    def is_past(self, state: frozenset[Hashable], operation: Operation) -> bool:
        """What is in the set stays there."""
        return operation.kind == "read" and not state.issubset(operation.result)

    def settled(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Unanswered additions happened before the first read that shows them; what no read shows does not matter."""
        seen_at: dict[Hashable, float] = {}
        added = Counter(operation.argument for operation in operations if operation.kind == "add")
        for operation in operations:
            if operation.kind == "read" and operation.result is not UNKNOWN:
                for element in operation.result:
                    seen_at[element] = min(operation.returned_at, seen_at.get(element, math.inf))
        settled = []
        for operation in operations:
            if operation.kind == "read" or operation.result is not UNKNOWN or added[operation.argument] > 1:
                settled.append(operation)
            elif operation.argument in seen_at:
                settled.append(replace(operation, result=True, returned_at=seen_at[operation.argument]))
        return settled

    def only_looks(self, operation: Operation) -> bool:
        """See `Model`."""
        return operation.kind == "read"


class Version(NamedTuple):
    """A value with its ModifyIndex; the index may be known only as lying above `index`."""

    present: bool
    value: Hashable
    at: int
    """The ModifyIndex if `exact`; else the largest that the cell certainly had before."""
    exact: bool


class VersionedCell(Model[Version]):
    """A key of a store whose writes carry a growing index, and cas compares that index.

    The index of a write that did not report it becomes known with the first read or cas that shows it; a cas that was
    refused in between says nothing then.
    """

    initial = Version(present=False, value=None, at=0, exact=True)

    def step(self, state: Version, operation: Operation) -> Version | Mark:
        """See `Model`."""
        result = operation.result
        if operation.kind == "read":
            if result is UNKNOWN:
                return state
            if result is None or not state.present:
                return state if result is None and not state.present else IMPOSSIBLE
            value, index = result
            if value != state.value or not _may_be_at(state, index):
                return IMPOSSIBLE
            return state._replace(at=index, exact=True)
        if operation.kind == "delete":
            # The index of what was deleted still bounds what comes later.
            return state._replace(present=False, value=None)
        if operation.kind == "set":
            return _written(state, operation.argument, result)
        assert operation.kind == "cas", operation.kind
        expected, value = operation.argument
        may_swap = not state.present if expected == 0 else state.present and _may_be_at(state, expected)
        must_swap = may_swap and (expected == 0 or state.exact)
        if result is False:
            return IMPOSSIBLE if must_swap else state
        if not may_swap:
            return state if result is UNKNOWN else IMPOSSIBLE
        return _written(state._replace(at=max(state.at, expected)), value, result)

    def is_past(self, state: Version, operation: Operation) -> bool:
        """Indexes only grow."""
        result = operation.result
        if operation.kind == "read":
            return result is not None and not _may_come(state, result[1])
        if operation.kind == "cas" and operation.argument[0] and result is not False:
            return not _may_come(state, operation.argument[0])
        return operation.kind != "delete" and not isinstance(result, bool) and bool(result <= state.at)

    def only_looks(self, operation: Operation) -> bool:
        """See `Model`."""
        return operation.kind == "read" or operation.result is False


def _may_be_at(state: Version, index: int) -> bool:
    return index == state.at if state.exact else index > state.at


def _may_come(state: Version, index: int) -> bool:
    return index > state.at or (state.exact and index == state.at)


def _written(state: Version, value: Hashable, result: object) -> Version | Mark:
    if result is UNKNOWN or result is True:
        return Version(present=True, value=value, at=state.at, exact=False)
    if not isinstance(result, int) or isinstance(result, bool) or result <= state.at:
        return IMPOSSIBLE
    return Version(present=True, value=value, at=result, exact=True)


def _is_index(result: object, index: int) -> bool:
    return not isinstance(result, bool) and result == index

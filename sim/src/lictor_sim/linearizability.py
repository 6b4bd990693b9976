"""Judges whether a history of concurrent operations could have come from one object that does one thing at a time.

Wing and Gong, "Testing and verifying concurrent objects" (1993): search an order of the operations that respects real
time (what returned before another was invoked comes first) and in which the object gives each result that was seen.
Lowe, "Testing for linearizability" (2017): never look twice at the same set of linearised operations with the same
state. Herlihy and Wing (1990), locality: objects are judged one by one, so a history is split by key first.

    history = [Operation(1, "write", "a", None, 0.0, 1.0), Operation(2, "read", None, "a", 0.5, 2.0)]
    verdict = check(history, Register())
    assert verdict.ok, verdict.text()

An operation whose outcome is not known has `result=UNKNOWN` and never returns: it may take effect at any time after its
invocation, or never. One that is known not to have happened does not belong into the history. Times are numbers of one
clock; operations that touch in the same instant count as concurrent.

The search is bounded by steps and never by a clock, so a history has the same verdict everywhere. A search that is too
large ends as UNDECIDED, which is not OK. Objects are described in `linearizable_objects`. Pure: no I/O, clock or dice.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, Generic, TypeVar

STEPS_MAX = 1_000_000
"""Transitions tried per key before the verdict is UNDECIDED: a second or two, and far above what a history of a
thousand operations by ten clients takes."""
MINIMISING_FACTOR = 4
"""A counter-example is made smaller for at most this many times the steps that finding it was allowed."""
SHOWN_MAX = 40
"""Operations that `Verdict.text` prints, the last ones: the reader looks at the end first."""


class Mark(Enum):
    """Values that no object can have."""

    UNKNOWN = "unknown"
    IMPOSSIBLE = "impossible"


UNKNOWN: Final = Mark.UNKNOWN
"""The result of an operation whose outcome nobody has seen."""
IMPOSSIBLE: Final = Mark.IMPOSSIBLE
"""What `Model.step` returns when the object cannot have given that result."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call by one process on the object named `key`, with what came back."""

    process: int
    kind: str
    argument: Any
    result: Any
    invoked_at: float
    returned_at: float = math.inf
    key: Hashable = ""

    def __str__(self) -> str:
        """One line of a counter-example."""
        known = self.result is not UNKNOWN
        end, result = (f"{self.returned_at:.4f}", repr(self.result)) if known else ("", "?")
        return f"[{self.invoked_at:.4f}, {end:>9}] process {self.process}: {self.kind}({self.argument!r}) -> {result}"


S = TypeVar("S", bound=Hashable)


class Model(Generic[S]):
    """A sequential object: an initial state, and what an operation makes of a state.

    States are immutable and hashable, and equal states behave equally. Where a result does not tell everything about
    the new state, the state says what is not known (see `VersionedCell`).
    """

    initial: S

    def step(self, state: S, operation: Operation) -> S | Mark:
        """The state after `operation` with the result that it had, or IMPOSSIBLE.

        For the result UNKNOWN: the state after whatever the operation does here.
        """
        raise NotImplementedError

    def is_past(self, state: S, operation: Operation) -> bool:  # noqa: ARG002 - what most objects can not tell
        """Whether the operation's result is possible neither in this state nor in any that may follow."""
        return False

    def settled(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """The history without such doubt as plain reasoning removes: legal if, and only if, `operations` is."""
        return operations

    def only_looks(self, operation: Operation) -> bool:
        """Whether the operation, with the result that it had, changes no state; for shorter counter-examples."""
        raise NotImplementedError


class Outcome(Enum):
    """What a check found."""

    OK = "linearizable"
    ILLEGAL = "not linearizable"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome; if not OK also the key, and if ILLEGAL a part of its history that is illegal already alone."""

    outcome: Outcome
    key: Hashable = ""
    counter_example: tuple[Operation, ...] = ()
    steps: int = 0

    @property
    def ok(self) -> bool:
        """Whether the whole history was found linearizable."""
        return self.outcome is Outcome.OK

    def text(self) -> str:
        """The verdict for a reader."""
        if self.ok:
            return self.outcome.value
        lines = [f"key {self.key!r}: {self.outcome.value} after {self.steps} steps"]
        left_out = len(self.counter_example) - SHOWN_MAX
        if left_out > 0:
            lines.append(f"  ({left_out} earlier operations)")
        lines += [f"  {operation}" for operation in self.counter_example[-SHOWN_MAX:]]
        return "\n".join(lines)


def check(history: Sequence[Operation], model: Model[Any], *, steps_max: int = STEPS_MAX) -> Verdict:
    """Judge a history, key by key, the shortest first; the first illegal key ends the search.

    Args:
        history: in any order.
        model: the object behind every key.
        steps_max: the bound per key.
    """
    by_key: dict[Hashable, list[Operation]] = defaultdict(list)
    for operation in history:
        by_key[operation.key].append(operation)
    undecided = None
    steps = 0
    for key, operations in sorted(by_key.items(), key=lambda item: len(item[1])):
        search = _Search(operations, model, steps_max)
        outcome = search.run()
        steps += search.steps
        if outcome is Outcome.ILLEGAL:
            return Verdict(outcome, key, _minimal(operations, model, steps_max), steps)
        if outcome is Outcome.UNDECIDED:
            undecided = undecided or Verdict(outcome, key, steps=search.steps)
    return undecided or Verdict(Outcome.OK, steps=steps)


class _Search:
    """The search for an order of the operations on one object.

    The operations stand in the order of their invocations, in a list linked by position, out of which an operation is
    taken while it is part of the order being tried.
    """

    def __init__(self, operations: Sequence[Operation], model: Model[Any], steps_max: int) -> None:
        self.operations = sorted(model.settled(operations), key=lambda operation: operation.invoked_at)
        self.model = model
        self.steps = 0
        self.steps_max = steps_max
        count = len(self.operations)
        self._returns = [math.inf if o.result is UNKNOWN else o.returned_at for o in self.operations]
        # Position `count` is both ends of the ring.
        self._next = [*range(1, count + 1), 0]
        self._previous = [count, *range(count)]

    def run(self) -> Outcome:
        """Look for an order of all operations with a known result; depth first, without recursion."""
        state = self.model.initial
        linearised = 0
        missing = sum(end < math.inf for end in self._returns)
        seen: set[tuple[int, Hashable]] = {(0, state)}
        path: list[tuple[int, Hashable, Iterator[int]]] = []
        candidates = self._candidates(state)
        while missing:
            for position in candidates:
                if self.steps >= self.steps_max:
                    return Outcome.UNDECIDED
                self.steps += 1
                operation = self.operations[position]
                after = self.model.step(state, operation)
                if after is IMPOSSIBLE or (operation.result is UNKNOWN and after == state):
                    continue  # without a result and an effect there is no need to place it anywhere
                if path and self._came_too_early(*path[-1][:2], operation, after):
                    continue
                node = (linearised | 1 << position, after)
                if node in seen:
                    continue
                seen.add(node)
                path.append((position, state, candidates))
                linearised, state = node
                missing -= operation.result is not UNKNOWN
                self._take(position)
                candidates = self._candidates(state)
                break
            else:
                if not path:
                    return Outcome.ILLEGAL
                position, state, candidates = path.pop()
                linearised ^= 1 << position
                missing += self.operations[position].result is not UNKNOWN
                self._put_back(position)
        return Outcome.OK

    def _came_too_early(self, last: int, before: Hashable, operation: Operation, after: Hashable) -> bool:
        """Whether the last operation placed has no result, and `operation` goes as well without it or before it.

        Then the order that leaves it out, or places it later, leads to the same state: what has no result is placed
        only where something known needs it. No success is lost through `seen`: of all visited nodes from which one is
        reachable, take one with the fewest known operations left, and among those the one that has to place the fewest
        operations without a result ahead of them. Were its way on forbidden here, its parent would need fewer.
        """
        if self.operations[last].result is not UNKNOWN:
            return False
        without = self.model.step(before, operation)
        if without is IMPOSSIBLE:
            return False
        if without == after:
            return True
        return operation.result is not UNKNOWN and self.model.step(without, self.operations[last]) == after

    def _candidates(self, state: Hashable) -> Iterator[int]:
        """What may come next: everything invoked before the first return among what is not placed yet.

        Those that return first come first, because they must be placed soon, and last those without a result: most of
        them have happened late or never. There are none if one of them is past already.
        """
        known: list[int] = []
        unknown: list[int] = []
        end = math.inf
        at_end = len(self.operations)
        position = self._next[at_end]
        while position != at_end and self.operations[position].invoked_at <= end:
            returned_at = self._returns[position]
            if returned_at == math.inf:
                unknown.append(position)
            elif self.model.is_past(state, self.operations[position]):
                return iter(())
            else:
                known.append(position)
                end = min(end, returned_at)
            position = self._next[position]
        known.sort(key=self._returns.__getitem__)
        return iter(known + unknown)

    def _take(self, position: int) -> None:
        before, after = self._previous[position], self._next[position]
        self._next[before], self._previous[after] = after, before

    def _put_back(self, position: int) -> None:
        # Last out, first in: the neighbours are those that it had when it was taken out.
        before, after = self._previous[position], self._next[position]
        self._next[before] = self._previous[after] = position


def _minimal(operations: Sequence[Operation], model: Model[Any], steps_max: int) -> tuple[Operation, ...]:
    """A small illegal part, made only by cuts that can not make a legal history illegal.

    A prefix of a legal history is legal (what had not returned yet has no result there), and so is a history without
    an operation that only looked.
    """
    budget = MINIMISING_FACTOR * steps_max

    def illegal(part: Sequence[Operation]) -> bool:
        nonlocal budget
        search = _Search(part, model, min(steps_max, budget))
        outcome = search.run()
        budget -= search.steps
        return outcome is Outcome.ILLEGAL

    smallest = list(operations)
    ends = sorted({operation.returned_at for operation in operations if operation.result is not UNKNOWN})
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        part = _prefix(operations, ends[middle])
        if illegal(part):
            high, smallest = middle, part
        else:
            low = middle + 1
    smallest.sort(key=lambda operation: operation.invoked_at)
    for operation in tuple(smallest):
        part = [other for other in smallest if other is not operation]
        if model.only_looks(operation) and illegal(part):
            smallest = part
    return tuple(smallest)


def _prefix(operations: Sequence[Operation], end: float) -> list[Operation]:
    """What was known at `end`."""
    return [
        operation if operation.returned_at <= end else replace(operation, result=UNKNOWN, returned_at=math.inf)
        for operation in operations
        if operation.invoked_at <= end
    ]

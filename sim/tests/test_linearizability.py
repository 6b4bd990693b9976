"""The checker against hand-made histories, against histories of a real object, and against all permutations."""

import itertools
import math
import random
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from lictor_sim.linearizability import IMPOSSIBLE, UNKNOWN, Model, Operation, Outcome, check
from lictor_sim.linearizable_objects import GrowSet, Lock, Register, VersionedCell


def history(*rows: tuple[int, str, Any, Any, float, float]) -> list[Operation]:
    return [Operation(*row) for row in rows]


# --- hand-made -------------------------------------------------------------------------------------------------

LEGAL: list[tuple[str, Model[Any], list[Operation]]] = [
    ("nothing", Register(), []),
    ("one read of the initial value", Register(7), history((1, "read", None, 7, 0, 1))),
    (
        "a read beside a write sees the old value or the new one",
        Register("old"),
        history((1, "write", "new", True, 0, 10), (2, "read", None, "old", 1, 2), (2, "read", None, "new", 3, 4)),
    ),
    (
        "a write without an answer takes effect long afterwards",
        Register(),
        history(
            (1, "write", "a", UNKNOWN, 0, math.inf),
            (2, "write", "b", True, 1, 2),
            (3, "read", None, "b", 3, 4),
            (3, "read", None, "a", 5, 6),
        ),
    ),
    (
        "a write without an answer never happens",
        Register(),
        history((1, "write", "a", UNKNOWN, 0, math.inf), (2, "read", None, None, 1, 2)),
    ),
    (
        "two cas race and one wins",
        Register(0),
        history((1, "cas", (0, 1), True, 0, 5), (2, "cas", (0, 2), False, 0, 5), (3, "read", None, 1, 6, 7)),
    ),
    (
        "a lock goes from hand to hand",
        Lock(),
        history(
            (1, "acquire", "s1", 1, 0, 1),
            (2, "acquire", "s2", False, 2, 3),
            (1, "acquire", "s1", 1, 4, 5),
            (1, "release", "s1", True, 6, 7),
            (2, "acquire", "s2", 2, 6, 9),
            (3, "read", None, ("s2", 2), 10, 11),
        ),
    ),
    (
        "a session that may expire frees its lock when it likes",
        Lock(),
        history(
            (1, "acquire", "s1", True, 0, 1),
            (0, "release", "s1", UNKNOWN, 1, math.inf),
            (2, "acquire", "s2", False, 2, 3),
            (2, "acquire", "s2", True, 4, 5),
        ),
    ),
    (
        "a set shows an unanswered element from some moment on",
        GrowSet(),
        history(
            (1, "add", 1, True, 0, 1),
            (2, "add", 2, UNKNOWN, 0, math.inf),
            (3, "read", None, [1], 2, 3),
            (3, "read", None, [1, 2], 4, 5),
        ),
    ),
    (
        "the index of a write is learnt by reading",
        VersionedCell(),
        history(
            (1, "set", "a", True, 0, 1),
            (1, "read", None, ("a", 12), 2, 3),
            (1, "cas", (12, "b"), True, 4, 5),
            (2, "cas", (12, "c"), False, 6, 7),
            (2, "read", None, ("b", 15), 8, 9),
            (2, "delete", None, True, 10, 11),
            (2, "read", None, None, 12, 13),
            (3, "cas", (0, "d"), 20, 14, 15),
            (3, "cas", (0, "e"), False, 16, 17),
        ),
    ),
]

ILLEGAL: list[tuple[str, Model[Any], list[Operation]]] = [
    (
        "a stale read",
        Register("old"),
        history((1, "write", "new", True, 0, 1), (2, "read", None, "old", 2, 3)),
    ),
    (
        "a new value and then the old one",
        Register("old"),
        history((1, "write", "new", True, 0, 10), (2, "read", None, "new", 1, 2), (3, "read", None, "old", 3, 4)),
    ),
    (
        "a value that nobody wrote",
        Register(),
        history((1, "read", None, "x", 0, 1)),
    ),
    (
        "two cas from one value",
        Register(0),
        history((1, "cas", (0, 1), True, 0, 5), (2, "cas", (0, 2), True, 0, 5)),
    ),
    (
        "an unanswered write takes effect twice",
        Register(),
        history(
            (1, "write", "a", UNKNOWN, 0, math.inf),
            (2, "read", None, "a", 1, 2),
            (2, "write", "b", True, 3, 4),
            (2, "read", None, "b", 5, 6),
            (2, "read", None, "a", 7, 8),
        ),
    ),
    (
        "an effect before its invocation",
        Register(),
        history((2, "read", None, "a", 1, 2), (1, "write", "a", UNKNOWN, 3, math.inf)),
    ),
    (
        "two holders of one lock",
        Lock(),
        history((1, "acquire", "s1", True, 0, 1), (2, "acquire", "s2", True, 2, 3)),
    ),
    (
        "a fencing number that was given before",
        Lock(),
        history((1, "acquire", "s1", 1, 0, 1), (1, "release", "s1", True, 2, 3), (2, "acquire", "s2", 1, 4, 5)),
    ),
    (
        "a lost element",
        GrowSet(),
        history((1, "add", 1, True, 0, 1), (2, "add", 2, True, 0, 1), (3, "read", None, [2], 2, 3)),
    ),
    (
        "two reads that disagree on an order",
        GrowSet(),
        history(
            (1, "add", 1, True, 0, 9),
            (2, "add", 2, True, 0, 9),
            (3, "read", None, [1], 1, 2),
            (4, "read", None, [2], 3, 4),
        ),
    ),
    (
        "a cas on an index that has passed",
        VersionedCell(),
        history((1, "set", "a", 5, 0, 1), (1, "set", "b", 6, 2, 3), (1, "cas", (5, "c"), 7, 4, 5)),
    ),
    (
        "an index that goes back",
        VersionedCell(),
        history((1, "set", "a", 5, 0, 1), (1, "set", "b", True, 2, 3), (1, "read", None, ("b", 4), 4, 5)),
    ),
    (
        "a cas that is refused on the very index",
        VersionedCell(),
        history((1, "set", "a", 5, 0, 1), (1, "cas", (5, "b"), False, 2, 3)),
    ),
]


@pytest.mark.parametrize(("model", "operations"), [row[1:] for row in LEGAL], ids=[row[0] for row in LEGAL])
def test_a_legal_history_is_accepted(model: Model[Any], operations: list[Operation]) -> None:
    assert check(operations, model).ok


@pytest.mark.parametrize(("model", "operations"), [row[1:] for row in ILLEGAL], ids=[row[0] for row in ILLEGAL])
def test_an_illegal_history_is_found(model: Model[Any], operations: list[Operation]) -> None:
    verdict = check(operations, model)
    assert verdict.outcome is Outcome.ILLEGAL
    assert check(verdict.counter_example, model).outcome is Outcome.ILLEGAL


def test_keys_are_judged_apart_and_the_wrong_one_is_named() -> None:
    good = [Operation(1, "write", 1, None, 0, 1, "good"), Operation(1, "read", None, 1, 2, 3, "good")]
    bad = [Operation(1, "write", 1, None, 0, 1, "bad"), Operation(1, "read", None, None, 2, 3, "bad")]
    verdict = check([*good, *bad], Register())
    assert verdict.outcome is Outcome.ILLEGAL
    assert verdict.key == "bad"
    assert "bad" in verdict.text()
    assert {operation.key for operation in verdict.counter_example} == {"bad"}


def test_a_counter_example_leaves_out_what_only_looked_or_came_later() -> None:
    noise = [Operation(9, "read", None, 1, 2 + i, 2.5 + i) for i in range(20)]
    later = [Operation(8, "write", i, None, 100 + i, 100.5 + i) for i in range(20)]
    stale = Operation(2, "read", None, 0, 50, 51)
    verdict = check([Operation(1, "write", 1, None, 0, 1), *noise, stale, *later], Register(0))
    assert verdict.counter_example == (Operation(1, "write", 1, None, 0, 1), stale)
    assert "read(None) -> 0" in verdict.text()


def too_wide(key: str) -> list[Operation]:
    """Twenty writes at once and a read that none of them explains."""
    writes = [Operation(i, "write", i, None, 0, 100, key) for i in range(20)]
    return [*writes, Operation(99, "read", None, "nobody's", 0, 100, key)]


def test_a_search_that_is_too_large_is_undecided_and_never_ok() -> None:
    verdict = check(too_wide(""), Register(), steps_max=1000)
    assert verdict.outcome is Outcome.UNDECIDED
    assert not verdict.ok
    assert "undecided" in verdict.text()


def test_one_undecided_key_does_not_hide_an_illegal_one() -> None:
    bad = [Operation(i, "write", i, None, i, i + 0.5, "bad") for i in range(40)]
    bad.append(Operation(1, "read", None, 5, 90, 91, "bad"))
    verdict = check([*too_wide("wide"), *bad], Register(), steps_max=1000)
    assert verdict.outcome is Outcome.ILLEGAL
    assert verdict.key == "bad"


# --- histories of a real object --------------------------------------------------------------------------------


def concrete(model: Model[Any], state: Any, kind: str, argument: Any, index: int) -> tuple[Any, Any]:
    """What a correct object does: its result and its next state."""
    if kind in ("write", "add"):
        result: Any = True
    elif isinstance(model, GrowSet):
        result = tuple(sorted(state))
    elif isinstance(model, Register):
        result = state if kind == "read" else state == argument[0]
    elif isinstance(model, Lock):
        owner, lock_index = state
        if kind == "read":
            result = tuple(state)
        elif kind == "release":
            result = owner == argument
        else:
            result = False if owner not in (None, argument) else lock_index + (owner is None)
    elif kind == "read":
        result = (state.value, state.at) if state.present else None
    elif kind == "cas":
        at = state.at if state.present else 0
        result = index if at == argument[0] else False
    else:
        result = index
    after = model.step(state, Operation(0, kind, argument, result, 0, 1))
    assert after is not IMPOSSIBLE
    return result, after


def draw(model: Model[Any], rng: random.Random, number: int) -> tuple[str, Any]:
    if isinstance(model, Register):
        kind = rng.choice(["read", "write", "cas"])
        return kind, {"read": None, "write": rng.randrange(4), "cas": (rng.randrange(4), rng.randrange(4))}[kind]
    if isinstance(model, Lock):
        kind = rng.choice(["read", "acquire", "release"])
        return kind, None if kind == "read" else f"s{rng.randrange(3)}"
    if isinstance(model, GrowSet):
        kind = rng.choice(["read", "add"])
        return kind, None if kind == "read" else number
    kind = rng.choice(["read", "set", "cas", "delete"])
    return kind, {"set": number, "cas": (rng.randrange(number + 2), number)}.get(kind)


def observed(model: Model[Any], rng: random.Random, count: int, processes: int) -> list[Operation]:
    """A history of a correct object: each operation takes effect at one moment between its two ends, or is lost."""
    free_at = [0.0] * processes
    planned = []
    for number in range(count):
        process = rng.randrange(processes)
        invoked = free_at[process] + rng.random()
        lost = rng.random() < 0.15
        effect = invoked + rng.random() * (20 if lost else 2)
        returned = math.inf if lost else effect + rng.random() * 2
        # Who got no answer goes on under another name: a process does one thing at a time.
        free_at[process] = invoked + 1 if lost else returned
        planned.append((effect, lost, process, *draw(model, rng, number), invoked, returned))
    planned.sort(key=lambda row: row[0])
    state: Any = model.initial
    rows = []
    for index, (_, lost, process, kind, argument, invoked, returned) in enumerate(planned, 1):
        happens = not lost or rng.random() < 0.5
        result, after = concrete(model, state, kind, argument, index)
        if happens:
            state = after
        rows.append(Operation(process, kind, argument, UNKNOWN if lost else result, invoked, returned))
    rng.shuffle(rows)
    return rows


MODELS: list[Model[Any]] = [Register(0), Lock(), GrowSet(), VersionedCell()]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_histories_of_a_correct_object_are_accepted(model: Model[Any]) -> None:
    for seed in range(60):
        rng = random.Random(seed)
        rows = observed(model, rng, count=rng.choice([5, 20, 80]), processes=rng.randint(2, 8))
        assert check(rows, model).ok, f"seed {seed}"


# --- all permutations ------------------------------------------------------------------------------------------


def linearizable_by_permutation(rows: Sequence[Operation], model: Model[Any]) -> bool:
    known = [row for row in rows if row.result is not UNKNOWN]
    unknown = [row for row in rows if row.result is UNKNOWN]
    for count in range(len(unknown) + 1):
        for happened in itertools.combinations(unknown, count):
            for order in itertools.permutations([*known, *happened]):
                if respects_time(order) and runs(order, model):
                    return True
    return False


def respects_time(order: Sequence[Operation]) -> bool:
    return not any(
        later.result is not UNKNOWN and later.returned_at < earlier.invoked_at
        for earlier, later in itertools.combinations(order, 2)
    )


def runs(order: Sequence[Operation], model: Model[Any]) -> bool:
    state: Any = model.initial
    for row in order:
        state = model.step(state, row)
        if state is IMPOSSIBLE:
            return False
    return True


def mutated(rows: list[Operation], rng: random.Random) -> list[Operation]:
    """One operation gets another's result, or another time."""
    rows = list(rows)
    position = rng.randrange(len(rows))
    row = rows[position]
    if rng.random() < 0.5:
        same = [other.result for other in rows if other.kind == row.kind and other.result is not UNKNOWN]
        if same and row.result is not UNKNOWN:
            rows[position] = replace(row, result=rng.choice(same))
    else:
        shift = rng.uniform(-4, 4)
        rows[position] = replace(row, invoked_at=row.invoked_at + shift, returned_at=row.returned_at + shift)
    return rows


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_verdict_is_that_of_trying_all_permutations(model: Model[Any]) -> None:
    verdicts: dict[bool, int] = {True: 0, False: 0}
    for seed in range(250):
        rng = random.Random(seed)
        rows = mutated(mutated(observed(model, rng, count=rng.randint(2, 5), processes=3), rng), rng)
        expected = linearizable_by_permutation(rows, model)
        verdicts[expected] += 1
        assert check(rows, model).ok == expected, f"seed {seed}"
    assert min(verdicts.values()) > 10


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_counter_example_is_illegal_and_no_longer_than_the_history(model: Model[Any]) -> None:
    found = 0
    for seed in range(60):
        rng = random.Random(seed)
        rows = mutated(observed(model, rng, count=30, processes=4), rng)
        verdict = check(rows, model)
        if verdict.outcome is Outcome.ILLEGAL:
            found += 1
            assert len(verdict.counter_example) <= len(rows)
            assert check(verdict.counter_example, model).outcome is Outcome.ILLEGAL
    assert found


def test_the_result_of_a_check_does_not_depend_on_the_order_of_the_history() -> None:
    rows: list[Operation] = observed(Register(0), random.Random(5), count=40, processes=4)
    keys: list[Hashable] = ["a", "b"]
    rows = [replace(row, key=keys[position % 2]) for position, row in enumerate(rows)]
    verdicts = set()
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        verdicts.add(check(rows, Register(0)).outcome)
    assert len(verdicts) == 1

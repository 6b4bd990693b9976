"""What the groups of a regular expression have matched, in time that grows with the text (Pike's machine; Cox, 2009).

As `regexp`, which only asks whether there is a match and is faster; here all ways are followed together too,
each with the places where its groups began and ended, and in the order that decides between them: leftmost first, then
as greedy as written.
"""

from collections.abc import Callable
from functools import lru_cache

import msgspec

from lictor_state.regexp import EXPRESSIONS_KEPT, LAYING_MAX, PROGRAM_MAX, holds, is_one_of, kind_of
from lictor_state.regexp_syntax import Assertion, Chars, Choice, Group, Node, RegexpError, Repeat, Sequence, parse

_Places = tuple[int, ...]
"""Where groups begin and end, -1 where they do not."""


class _Step(msgspec.Struct):
    """One step: reads a character, passes an assertion, notes a place (`slot`), goes on at several, or matches."""

    then: list[int]
    chars: Chars | None = None
    assertion: str = ""
    slot: int = -1


class _Program:
    def __init__(self, text: str) -> None:
        self._text = text
        self._emits = 0
        self.groups = 0
        self.steps = [_Step([])]  # the match
        self.begin = self._emit(Group(0, parse(text)), 0)

    def _add(self, step: _Step) -> int:
        if len(self.steps) >= PROGRAM_MAX:
            raise RegexpError("expression too large", self._text[:100])
        self.steps.append(step)
        return len(self.steps) - 1

    def _emit(self, node: Node, then: int) -> int:
        """Emit the node so that it leads to `then`; where it begins."""
        self._emits += 1
        if self._emits > LAYING_MAX:
            raise RegexpError("expression too large", self._text[:100])
        if isinstance(node, Chars):
            return self._add(_Step([then], chars=node))
        if isinstance(node, Assertion):
            return self._add(_Step([then], assertion=node.kind))
        if isinstance(node, Group):
            self.groups = max(self.groups, node.number + 1)
            end = self._add(_Step([then], slot=2 * node.number + 1))
            return self._add(_Step([self._emit(node.part, end)], slot=2 * node.number))
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                then = self._emit(part, then)
            return then
        if isinstance(node, Choice):
            return self._add(_Step([self._emit(part, then) for part in node.options]))
        return self._emit_repeat(node, then)

    def _emit_repeat(self, node: Repeat, then: int) -> int:
        def fork(inside: int, past: int) -> list[int]:
            return [past, inside] if node.lazy else [inside, past]

        if node.high is None:
            at = self._add(_Step([]))
            self.steps[at].then = fork(self._emit(node.part, at), then)
            then = at
        else:
            past = then
            for _ in range(node.high - node.low):
                then = self._add(_Step(fork(self._emit(node.part, then), past)))
        for _ in range(node.low):
            then = self._emit(node.part, then)
        return then


@lru_cache(EXPRESSIONS_KEPT)
def compile_submatches(text: str) -> Callable[[str], tuple[str, ...]]:
    """A function that gives the first match in a text and its groups; nothing where there is no match.

    A group that took no part in the match is empty. Raises `RegexpError`.
    """
    program = _Program(text)
    return lambda given: _run(program, given)


def _run(program: _Program, text: str) -> tuple[str, ...]:
    nowhere: _Places = (-1,) * (2 * program.groups)
    ways: dict[int, _Places] = {}
    matched: _Places | None = None
    for at in range(len(text) + 1):
        last, letter = kind_of(text[at - 1]) if at else "none", text[at : at + 1]
        reached: dict[int, _Places] = {}
        begins = [] if matched else [(program.begin, nowhere)]
        for state, places in (*ways.items(), *begins):
            _follow(program, reached, state, places, at, last, letter)
        ways = {}
        for state, places in reached.items():
            if state == 0:
                matched = places
                break  # what comes later is of less worth
            step = program.steps[state]
            if step.chars is not None and letter and is_one_of(letter, step.chars):
                ways.setdefault(step.then[0], places)
        if matched and not ways:
            break
    if matched is None:
        return ()
    pairs = zip(matched[::2], matched[1::2], strict=True)
    return tuple(text[start:end] if start >= 0 and end >= 0 else "" for start, end in pairs)


def _follow(
    program: _Program, reached: dict[int, _Places], state: int, places: _Places, at: int, last: str, letter: str
) -> None:
    """Add what can be reached from a state without a character, in the order of worth."""
    todo = [(state, places)]
    while todo:
        state, places = todo.pop()
        if state in reached:
            continue
        reached[state] = places
        step = program.steps[state]
        if step.chars is not None or (step.assertion and not holds(step.assertion, last, letter)):
            continue
        if step.slot >= 0:
            places = (*places[: step.slot], at, *places[step.slot + 1 :])
        todo.extend((then, places) for then in reversed(step.then))

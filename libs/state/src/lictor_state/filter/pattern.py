"""Whether a text holds a match of an RE2 pattern, in time that grows with the text and never faster.

A filter comes from whoever can reach the port, so Python's `re`, which tries ways one after the other and can take
years for `(a+)+$`, is no choice. This is Thompson's construction: a pattern becomes a program of states, a text is read
once while all states that it may be in are followed together, and the steps between sets of states are kept (the lazy
deterministic automaton of RE2). Matches are not located: a filter only asks whether there is one.
"""

from collections.abc import Callable

from lictor_state.filter.pattern_syntax import (
    Chain,
    Char,
    Choice,
    Edge,
    Holds,
    Node,
    PatternError,
    Repeat,
    parse_pattern,
)

__all__ = ["PatternError", "compile_pattern"]

STATES_MAX = 1000
"""States of a program. A character of a text costs at most this many steps, a few microseconds on the average."""

EMITS_MAX = 20_000
"""Nodes visited while a program is made: repetitions of what is empty make work and no states."""

KEPT_MAX = 16_384
"""States in the sets that are kept for one pattern, a megabyte; beyond it all are forgotten and found again."""

_ANY, _LINE, _WORD, _OUTSIDE = range(4)
"""What stands on one side of a place, as far as edges care: anything, a newline, a word character, no character."""

_WORD_CHARS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")


class _Read:
    """Passes one character of a set."""

    __slots__ = ("holds", "then")

    def __init__(self, holds: Holds) -> None:
        self.holds = holds
        self.then = 0


class _Place:
    """Passes no character, at an edge only."""

    __slots__ = ("sign", "then")

    def __init__(self, sign: str) -> None:
        self.sign = sign
        self.then = 0


class _Fork:
    """Goes on at several states."""

    __slots__ = ("then",)

    def __init__(self) -> None:
        self.then: list[int] = []


_State = _Read | _Place | _Fork | None  # None: there is a match


def compile_pattern(text: str) -> Callable[[str], bool]:
    """A function that says whether a text holds a match; raises `PatternError`."""
    return _Automaton(_program(parse_pattern(text), text)).holds_match


def _program(tree: Node, text: str) -> list[_State]:
    """States; the first is where matching begins, and each leads on until `None`."""
    states: list[_State] = []
    emits = 0

    def add(state: _State) -> int:
        if len(states) >= STATES_MAX:
            raise PatternError(f"expression too large: `{text[:100]}`")
        states.append(state)
        return len(states) - 1

    def emit(node: Node, then: int) -> int:
        """Emit the node so that it leads to `then`; where it begins."""
        nonlocal emits
        emits += 1
        if emits > EMITS_MAX:
            raise PatternError(f"expression too large: `{text[:100]}`")
        if isinstance(node, Char):
            read = _Read(node.holds)
            read.then = then
            return add(read)
        if isinstance(node, Edge):
            place = _Place(node.sign)
            place.then = then
            return add(place)
        if isinstance(node, Chain):
            for part in reversed(node.parts):
                then = emit(part, then)
            return then
        fork = _Fork()
        if isinstance(node, Choice):
            at = add(fork)
            fork.then.extend([emit(part, then) for part in node.parts])
            return at
        return emit_repeat(node, then)

    def emit_repeat(node: Repeat, then: int) -> int:
        if node.most is None:
            fork = _Fork()
            at = add(fork)
            fork.then += (emit(node.of, at), then)
            then = at
        else:
            end = then
            for _ in range(node.most - node.least):
                fork = _Fork()
                at = add(fork)
                fork.then += (emit(node.of, then), end)
                then = at
        for _ in range(node.least):
            then = emit(node.of, then)
        return then

    match = add(None)
    begin = _Fork()
    at = add(begin)
    begin.then.append(emit(tree, match))
    assert at == _BEGIN
    return states


_MATCH, _BEGIN = 0, 1


class _Set:
    """The states that a text may be in between two characters, before edges are looked at, and what stands before."""

    __slots__ = ("before", "steps", "waiting")

    def __init__(self, waiting: frozenset[int], before: int) -> None:
        self.waiting = waiting
        self.before = before
        self.steps: dict[str, _Set | None] = {}


class _Automaton:
    def __init__(self, states: list[_State]) -> None:
        self._states = states
        self._has_edges = any(isinstance(state, _Place) for state in states)
        self._kept = 0
        self._sets: dict[tuple[frozenset[int], int], _Set] = {}
        self._start = self._set(frozenset({_BEGIN}), _OUTSIDE)

    def holds_match(self, text: str) -> bool:
        """Whether the text holds a match anywhere."""
        now = self._start
        for char in text:
            following = now.steps[char] if char in now.steps else self._step(now, char)
            if following is None:
                return True
            now = following
        return _MATCH in self._closed(now, _OUTSIDE)

    def _set(self, waiting: frozenset[int], before: int) -> _Set:
        key = (waiting, before)
        known = self._sets.get(key)
        if known is None:
            known = self._sets[key] = _Set(waiting, before)
            self._kept += len(waiting)
        return known

    def _step(self, now: _Set, char: str) -> _Set | None:
        """The set after one more character; None when there was a match before it."""
        side = self._side(char)
        closed = self._closed(now, side)
        following: _Set | None = None
        if _MATCH not in closed:
            reached = {_BEGIN}
            for at in closed:
                state = self._states[at]
                if isinstance(state, _Read) and state.holds(char):
                    reached.add(state.then)
            following = self._set(frozenset(reached), side)
        self._kept += 1
        if self._kept > KEPT_MAX:
            self._kept = 0
            self._sets.clear()
            self._start = self._set(frozenset({_BEGIN}), _OUTSIDE)
        else:
            now.steps[char] = following
        return following

    def _side(self, char: str) -> int:
        if not self._has_edges:
            return _ANY
        return _LINE if char == "\n" else _WORD if char in _WORD_CHARS else _ANY

    def _closed(self, now: _Set, after: int) -> set[int]:
        """The states that are reached without a character, `after` being what stands behind the place."""
        found: set[int] = set()
        open_states = list(now.waiting)
        while open_states:
            at = open_states.pop()
            if at in found:
                continue
            found.add(at)
            state = self._states[at]
            if isinstance(state, _Fork):
                open_states.extend(state.then)
            elif isinstance(state, _Place) and _is_edge(state.sign, now.before, after):
                open_states.append(state.then)
        return found


def _is_edge(sign: str, before: int, after: int) -> bool:
    if sign == "A":
        return before == _OUTSIDE
    if sign == "z":
        return after == _OUTSIDE
    if sign == "^":
        return before in {_OUTSIDE, _LINE}
    if sign == "$":
        return after in {_OUTSIDE, _LINE}
    at_word_edge = (before == _WORD) != (after == _WORD)
    return at_word_edge == (sign == "b")

"""Go's regular expressions, run in linear time (Thompson 1968; Cox, "Regular Expression Matching Can Be Fast").

Python's own matcher tries one way after the other and can be made to try for years; this one goes through the text once
with the set of all places where it could be in the expression. Sets that were met before are remembered with their
steps, so that a text like others costs one look-up for each character.

It tells whether an expression matches somewhere in a text, and nothing about where (that is `submatches`).
"""

import unicodedata
from functools import lru_cache

from lictor_state.regexp_syntax import Assertion, Chars, Choice, Group, Node, RegexpError, Repeat, Sequence, parse

PROGRAM_MAX = 1000  # places in an expression once its repetitions are written out: bounds the work for one character
LAYING_MAX = 20_000  # nodes laid out: repetitions of what is empty (`((){1000}){1000}`) are work without places
KEPT_MAX = 32_768  # places in the remembered steps of one expression, some 2 MiB; when full, all are found anew
EXPRESSIONS_KEPT = 256

_WORD = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
_Place = int
_Before = tuple[frozenset[_Place], str]
"""Where we may be, and what the last character means to assertions: nothing yet, a newline, a word's or another one."""

_FOUND: _Before = (frozenset((-1,)), "")


class Regexp:
    """A compiled expression."""

    def __init__(self, pattern: str) -> None:
        """Raises `RegexpError` with Go's words."""
        self._chars: dict[_Place, tuple[Chars, _Place]] = {}
        self._splits: dict[_Place, tuple[_Place, ...]] = {}
        self._assertions: dict[_Place, tuple[str, _Place]] = {}
        self._pattern = pattern
        self._places = 1
        self._laid = 0
        self._kept = 0
        self._end = 0
        self._start = self._lay(parse(pattern), self._end)
        self._steps: dict[tuple[_Before, str], _Before] = {}

    def search(self, text: str) -> bool:
        """Whether the expression matches somewhere in the text."""
        before: _Before = (frozenset((self._start,)), "none")
        steps = self._steps
        for letter in text:
            after = steps.get((before, letter))
            if after is None:
                after = self._step(before, letter)
                self._kept += 1 + len(after[0])
                if self._kept > KEPT_MAX:
                    steps.clear()
                    self._kept = 0
                steps[(before, letter)] = after
            if after is _FOUND:
                return True
            before = after
        return self._end in self._reachable(before, "")

    def _place(self) -> _Place:
        self._places += 1
        if self._places > PROGRAM_MAX:
            raise RegexpError("expression too large", self._pattern)
        return self._places - 1

    def _lay(self, node: Node, after: _Place) -> _Place:
        """Lay an expression out so that it goes on at `after`; where it begins."""
        self._laid += 1
        if self._laid > LAYING_MAX:
            raise RegexpError("expression too large", self._pattern)
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                after = self._lay(part, after)
            return after
        if isinstance(node, Repeat):
            return self._lay_repeat(node, after)
        if isinstance(node, Group):
            return self._lay(node.part, after)
        place = self._place()
        if isinstance(node, Chars):
            self._chars[place] = (node, after)
        elif isinstance(node, Assertion):
            self._assertions[place] = (node.kind, after)
        else:
            assert isinstance(node, Choice)
            self._splits[place] = tuple(self._lay(option, after) for option in node.options)
        return place

    def _lay_repeat(self, node: Repeat, after: _Place) -> _Place:
        if node.high is None:
            loop = self._place()
            self._splits[loop] = (self._lay(node.part, loop), after)
            begin = loop
        else:
            begin = after
            for _ in range(node.high - node.low):
                skip = self._place()
                self._splits[skip] = (self._lay(node.part, begin), after)
                begin = skip
        for _ in range(node.low):
            begin = self._lay(node.part, begin)
        return begin

    def _step(self, before: _Before, letter: str) -> _Before:
        reachable = self._reachable(before, letter)
        if self._end in reachable:
            return _FOUND
        onward = {self._start}
        for place in reachable:
            found = self._chars.get(place)
            if found is not None and is_one_of(letter, found[0]):
                onward.add(found[1])
        return frozenset(onward), kind_of(letter)

    def _reachable(self, before: _Before, letter: str) -> set[_Place]:
        """Every place that can be reached without a character, `letter` (empty at the end) being the next one."""
        todo, last = list(before[0]), before[1]
        seen = set(todo)
        while todo:
            place = todo.pop()
            onward: tuple[_Place, ...] = self._splits.get(place, ())
            assertion = self._assertions.get(place)
            if assertion is not None and holds(assertion[0], last, letter):
                onward = (assertion[1],)
            for one in onward:
                if one not in seen:
                    seen.add(one)
                    todo.append(one)
        return seen


@lru_cache(EXPRESSIONS_KEPT)
def compile_regexp(pattern: str) -> Regexp:
    """A compiled expression, shared by all who use the same. Raises `RegexpError`."""
    return Regexp(pattern)


def kind_of(letter: str) -> str:
    """What a character means to assertions behind it."""
    return "newline" if letter == "\n" else "word" if letter in _WORD else "other"


def holds(kind: str, last: str, letter: str) -> bool:
    """Whether an assertion holds between the last character (as `kind_of` says) and the next, empty at the end."""
    if kind == "begin":
        return last == "none"
    if kind == "end":
        return not letter
    if kind == "line-begin":
        return last in {"none", "newline"}
    if kind == "line-end":
        return letter in {"", "\n"}
    at_word = (last == "word") is not (letter in _WORD)
    return at_word is (kind == "word")


def is_one_of(letter: str, chars: Chars) -> bool:
    """Whether a character is of a class."""
    found = _within(letter, chars)
    if not found and chars.folded:
        found = any(_within(one, chars) for one in (letter.lower(), letter.upper()) if one != letter)
    return found is not chars.negated


def _within(letter: str, chars: Chars) -> bool:
    if any(low <= letter <= high for low, high in chars.ranges):
        return True
    return any(unicodedata.category(letter).startswith(name) is not outside for name, outside in chars.categories)

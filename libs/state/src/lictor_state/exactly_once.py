"""Exactly once: what every proposer has been answered (design rule 3.3).

A proposer numbers its commands and says with each one below which number it has all answers. For the numbers from
there on the outcome is kept, so a command that arrives twice is answered twice and applied once. What is below that
mark, or of a proposer that is not known (any more), is refused: its outcome cannot be known here.

Part of the replicated state and of members' snapshots, but no row: views never see it.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec

from lictor_state.commands import Result
from lictor_state.cuts import OpenCuts

RESULTS_MAX = 1024  # numbers kept per proposer: four batches of what a busy catalog keeps in flight
PROPOSERS_MAX = 4096  # processes that may be proposing at once, restarts of the last hours included


class Recorded(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A command's outcome: the store index of its entry and what it came to."""

    index: int
    result: Result


class ProposerState(msgspec.Struct, frozen=True, array_like=True):
    """One proposer in a snapshot."""

    proposer: int
    name: str
    floor: int
    results: tuple[tuple[int, Recorded], ...]


class Line:
    """One proposer's numbered line of commands."""

    __slots__ = ("floor", "name", "results")

    def __init__(self, name: str, floor: int = 0) -> None:
        self.name = name
        self.floor = floor
        self.results: dict[int, Recorded] = {}

    def raise_floor(self, floor: int) -> None:
        """Forget the outcomes below `floor`."""
        if floor <= self.floor:
            return
        if floor - self.floor <= len(self.results):
            for number in range(self.floor, floor):
                self.results.pop(number, None)
        else:
            self.results = {number: kept for number, kept in self.results.items() if number >= floor}
        self.floor = floor

    def record(self, number: int, index: int, result: Result) -> None:
        """Keep an outcome; the window of `RESULTS_MAX` numbers moves up with the highest one."""
        self.results[number] = Recorded(index, result)
        self.raise_floor(number - RESULTS_MAX + 1)

    def state(self, proposer: int) -> ProposerState:
        """The line as a snapshot holds it."""
        return ProposerState(proposer, self.name, self.floor, tuple(self.results.items()))


class ProposersCut:
    """All proposers of one moment, read while they go on; iterate it once, in the order in which `restore` wants them.

    Taking it lists the lines (at most `PROPOSERS_MAX`); one is copied when read, or before its first use since.
    """

    def __init__(self, lines: Iterable[tuple[int, Line]], cuts: OpenCuts[int, ProposerState]) -> None:
        self._kept = cuts.open(self)
        self._lines = list(lines)

    def __iter__(self) -> Iterator[ProposerState]:
        for proposer, line in self._lines:
            yield self._kept.get(proposer) or line.state(proposer)


class Proposers:
    """All proposers, the least recently used first."""

    def __init__(self) -> None:
        self._lines: OrderedDict[int, Line] = OrderedDict()
        self._cuts: OpenCuts[int, ProposerState] = OpenCuts()

    def __len__(self) -> int:
        return len(self._lines)

    def open(self, proposer: int, name: str) -> None:
        """A new proposer; the least recently used one goes when there are too many."""
        self._lines[proposer] = Line(name)
        while len(self._lines) > PROPOSERS_MAX:
            self._lines.popitem(last=False)

    def use(self, proposer: int) -> Line | None:
        """The proposer's line, which now counts as used last; None if unknown."""
        line = self._lines.get(proposer)
        if line is not None:
            self._lines.move_to_end(proposer)
            for kept in self._cuts.kept:
                if proposer not in kept:
                    kept[proposer] = line.state(proposer)
        return line

    def cut(self) -> ProposersCut:
        """Every proposer as it is now."""
        return ProposersCut(self._lines.items(), self._cuts)

    def restore(self, states: Iterable[ProposerState]) -> None:
        """Take over what a cut gave."""
        for state in states:
            line = self._lines[state.proposer] = Line(state.name, state.floor)
            line.results.update(state.results)

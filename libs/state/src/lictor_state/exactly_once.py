"""Exactly once: what every proposer has been answered (design rule 3.3).

A proposer numbers its commands and says with each one below which number it has all answers. For the numbers from
there on the outcome is kept, so a command that arrives twice is answered twice and applied once. What is below that
mark, or of a proposer that is not known (any more), is refused: its outcome cannot be known here.

What a transaction shows (`Result.more`) may be large, and a proposer that falls silent never says that it has it. So
its bytes are bounded for each proposer and for all together: the oldest are forgotten first, and a repetition of that
command is answered as one below the mark.

Part of the replicated state and of members' snapshots, but no row: views never see it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import msgspec

from lictor_state.commands import Result
from lictor_state.cuts import OpenCuts

RESULTS_MAX = 1024  # numbers kept per proposer: four batches of what a busy catalog keeps in flight
PROPOSERS_MAX = 4096  # processes that may be proposing at once, restarts of the last hours included
MORE_BYTES_MAX = 2 * 1024 * 1024
"""Of `Result.more` kept per proposer: the answers to two full batches, and with all its results one snapshot record."""

ALL_MORE_BYTES_MAX = 64 * 1024 * 1024
"""Of `Result.more` kept for all proposers: what a hundred catalogs may await at one moment."""

FORGOTTEN = Result(error="outcome unknown", status=500)
"""The answer to a command whose outcome is not kept: it took effect, or not, and cannot be shown."""


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

    __slots__ = ("_kept_more", "floor", "name", "proposer", "results")

    def __init__(self, proposer: int, name: str, kept_more: "KeptMore", floor: int = 0) -> None:
        self.proposer = proposer
        self.name = name
        self.floor = floor
        self.results: dict[int, Recorded] = {}
        self._kept_more = kept_more

    def raise_floor(self, floor: int) -> None:
        """Forget the outcomes below `floor`."""
        if floor <= self.floor:
            return
        if floor - self.floor <= len(self.results):
            below: Iterable[int] = range(self.floor, floor)
        else:
            below = [number for number in self.results if number < floor]
        for number in below:
            gone = self.results.pop(number, None)
            if gone is not None and gone.result.more:
                self._kept_more.drop(gone.index)
        self.floor = floor

    def record(self, number: int, index: int, result: Result) -> None:
        """Keep an outcome; the window of `RESULTS_MAX` numbers moves up with the highest one."""
        self.results[number] = Recorded(index, result)
        if result.more:
            self._kept_more.add(index, self, number)
        if number - RESULTS_MAX >= self.floor:
            self.raise_floor(number - RESULTS_MAX + 1)

    def forget_more(self, number: int) -> None:
        """Let go of what a transaction showed."""
        self.results[number] = Recorded(self.results[number].index, FORGOTTEN)

    def clear(self) -> None:
        """The whole line goes."""
        for gone in self.results.values():
            if gone.result.more:
                self._kept_more.drop(gone.index)

    def oldest_more(self) -> int:
        """The index of the oldest result with `more`; there must be one."""
        return next(one.index for one in self.results.values() if one.result.more)

    def state(self) -> ProposerState:
        """The line as a snapshot holds it."""
        return ProposerState(self.proposer, self.name, self.floor, tuple(self.results.items()))


class KeptMore:
    """Which results with `more` are kept, in the order of their indexes, and how many bytes that is.

    `changing` is told of a line before something in it is forgotten.
    """

    def __init__(self, changing: Callable[[Line], None]) -> None:
        self._changing = changing
        self._kept: OrderedDict[int, tuple[Line, int, int]] = OrderedDict()
        self._of_line: dict[Line, int] = {}
        self._bytes = 0
        self._sorted = True

    def add(self, index: int, line: Line, number: int) -> None:
        """One more; the oldest of its line, or of all, go when it becomes too much."""
        self.keep(index, line, number)
        while self._of_line[line] > MORE_BYTES_MAX:
            self._forget(line.oldest_more())
        while self._bytes > ALL_MORE_BYTES_MAX:
            self._forget(self._oldest())

    def keep(self, index: int, line: Line, number: int) -> None:
        """Count one in that a snapshot brings, in any order."""
        size = len(line.results[number].result.more)
        if self._kept and index < next(reversed(self._kept)):
            self._sorted = False
        self._kept[index] = (line, number, size)
        self._of_line[line] = self._of_line.get(line, 0) + size
        self._bytes += size

    def drop(self, index: int) -> None:
        """The result of this index is kept no more."""
        line, _, size = self._kept.pop(index)
        self._bytes -= size
        self._of_line[line] -= size
        if not self._of_line[line]:
            del self._of_line[line]

    def _forget(self, index: int) -> None:
        line, number, _ = self._kept[index]
        self._changing(line)
        self.drop(index)
        line.forget_more(number)

    def _oldest(self) -> int:
        if not self._sorted:
            self._kept = OrderedDict(sorted(self._kept.items()))
            self._sorted = True
        return next(iter(self._kept))


class ProposersCut:
    """All proposers of one moment, read while they go on; iterate it once, in the order in which `restore` wants them.

    Taking it lists the lines (at most `PROPOSERS_MAX`); one is copied when read, or before its first use since.
    """

    def __init__(self, lines: Iterable[Line], cuts: OpenCuts[int, ProposerState]) -> None:
        self._kept = cuts.open(self)
        self._lines = list(lines)

    def __iter__(self) -> Iterator[ProposerState]:
        for line in self._lines:
            yield self._kept.get(line.proposer) or line.state()


class Proposers:
    """All proposers, the least recently used first."""

    def __init__(self) -> None:
        self._lines: OrderedDict[int, Line] = OrderedDict()
        self._kept_more = KeptMore(self._changing)
        self._cuts: OpenCuts[int, ProposerState] = OpenCuts()

    def __len__(self) -> int:
        return len(self._lines)

    def open(self, proposer: int, name: str) -> None:
        """A new proposer; the least recently used one goes when there are too many."""
        self._lines[proposer] = Line(proposer, name, self._kept_more)
        while len(self._lines) > PROPOSERS_MAX:
            self._lines.popitem(last=False)[1].clear()

    def use(self, proposer: int) -> Line | None:
        """The proposer's line, which now counts as used last; None if unknown."""
        line = self._lines.get(proposer)
        if line is not None:
            self._lines.move_to_end(proposer)
            if self._cuts.kept:
                self._changing(line)
        return line

    def _changing(self, line: Line) -> None:
        """What is about to change is copied for every cut that has not read it yet."""
        for kept in self._cuts.kept:
            if line.proposer not in kept:
                kept[line.proposer] = line.state()

    def cut(self) -> ProposersCut:
        """Every proposer as it is now."""
        return ProposersCut(self._lines.values(), self._cuts)

    def restore(self, states: Iterable[ProposerState]) -> None:
        """Take over what a cut gave."""
        for state in states:
            line = self._lines[state.proposer] = Line(state.proposer, state.name, self._kept_more, state.floor)
            line.results.update(state.results)
            for number, recorded in state.results:
                if recorded.result.more:
                    self._kept_more.keep(recorded.index, line, number)

"""What clients saw, written down while it happens, and judged at the end.

Two judgements. By index: the store gives every write an index, so the order of the writes is known. What was
acknowledged must be in the log under that index and nowhere else, an index may not be older than one acknowledged
before the write began, and a strong read sees what the log says for some moment during the read. By search: the
histories per key must be linearizable (`linearizability`), which needs no knowledge of the log.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lictor_raft import EntryKind
from lictor_sim.linearizability import UNKNOWN, Operation, Outcome, check
from lictor_sim.linearizable_objects import Lock, VersionedCell
from lictor_sim.members_checks import Oracle, require
from lictor_state.codec import decode_envelope
from lictor_state.commands import Command, KVDelete, KVSet

LOCKS = "lock/"
"""Keys below are held by sessions; what they hold is of no interest."""


@dataclass(slots=True, eq=False)
class Call:
    """One operation of one client."""

    process: int
    kind: str
    key: str
    argument: Any
    invoked_at: float
    floor: int
    """The newest index that had been acknowledged to anybody when it began."""
    command: Command | None = None
    returned_at: float | None = None
    result: Any = UNKNOWN
    index: int = 0
    happened: bool = True


@dataclass(slots=True)
class History:
    """All operations of all clients."""

    calls: list[Call] = field(default_factory=list)
    acknowledged: int = 0
    undecided: int = 0

    def begin(
        self, process: int, kind: str, key: str, argument: Any, now: float, command: Command | None = None
    ) -> Call:
        """An operation begins."""
        call = Call(process, kind, key, argument, now, self.acknowledged, command)
        self.calls.append(call)
        return call

    def written(self, call: Call, index: int, result: Any, now: float) -> None:
        """A write was acknowledged."""
        require(index > call.floor or result is False, f"{call.kind} of {call.key} got {index}, not above {call.floor}")
        call.index, call.result, call.returned_at = index, result, now
        self.acknowledged = max(self.acknowledged, index)

    def looked(self, call: Call, found: object, index: int, now: float) -> None:
        """A strong read of anything was answered from a view at `index`."""
        require(index >= call.floor, f"a strong read at {index} misses the write at {call.floor}")
        call.index, call.result, call.returned_at = index, found, now

    def never(self, call: Call) -> None:
        """The operation has certainly not happened."""
        call.happened = False

    def answered(self) -> Iterator[Call]:
        """The operations with a known outcome."""
        return (call for call in self.calls if call.returned_at is not None)

    # -- the judgements

    def judge(self, oracle: Oracle) -> None:
        """Raise PropertyBrokenError when the history and the log, or the history alone, cannot be."""
        self._judge_by_index(oracle)
        if oracle.store.epoch == 1:  # a restore takes back what was acknowledged, as it must
            self._judge_by_search()

    def _judge_by_index(self, oracle: Oracle) -> None:
        commands: dict[Command, list[int]] = {}
        for raft_index, entry in oracle.entries.items():
            if entry.kind is EntryKind.NORMAL and entry.data:
                envelope = decode_envelope(entry.data)
                if isinstance(envelope.command, KVSet | KVDelete):
                    commands.setdefault(envelope.command, []).append(oracle.store_indexes[raft_index])
        for call in self.answered():
            if call.command is not None:
                indexes = commands.get(call.command, [])
                require(call.index in indexes, f"the acknowledged {call.kind} of {call.key} at {call.index} is lost")
                if call.kind == "set-once":
                    require(call.result is True, f"{call.key} was applied twice: {call.result}")

    def _judge_by_search(self) -> None:
        keyed: dict[str, list[Operation]] = {}
        for call in self.calls:
            if not call.happened or call.kind == "set-once":
                continue
            if call.returned_at is None and call.kind == "read":
                continue
            result = call.result
            if call.kind in {"set", "cas"} and result is True:  # the index says more
                result = call.index
            operation = (
                Operation(call.process, call.kind, call.argument, result, call.invoked_at, key=call.key)
                if call.returned_at is None
                else Operation(
                    call.process, call.kind, call.argument, result, call.invoked_at, call.returned_at, key=call.key
                )
            )
            keyed.setdefault(call.key, []).append(operation)
        for key in sorted(keyed):
            verdict = check(keyed[key], Lock() if key.startswith(LOCKS) else VersionedCell())
            self.undecided += verdict.outcome is Outcome.UNDECIDED
            require(
                verdict.outcome is not Outcome.ILLEGAL, f"the history of {key} is not linearizable\n{verdict.text()}"
            )

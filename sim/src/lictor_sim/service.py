"""What a member does for clients: it proposes their commands, applies, and answers reads at the right index.

The order is that of design and thesis: a write is answered when its entry is applied in the term in which it was
proposed; a read gets its index by the leader's lease or by a round (thesis 6.4), and is answered where that index is
applied: at the leader, or at any other member that the client then asks. One service lives as long as one run of a
process; what waits in it dies with it.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any, NamedTuple

from lictor_raft import ConfState, Entry, EntryKind, ProposalDropped, RawNode, ReadDropped, ReadState
from lictor_sim.raft_checks import GroupChecker
from lictor_sim.state_machine import StateMachine


class Reply(NamedTuple):
    """What a client hears."""

    status: str
    """`done` with a value, `index` with the index of a read, or `elsewhere`: nothing was done, ask `leader`."""
    value: Any = None
    leader: int = 0


Answer = Callable[[Reply], None]


class Service:
    """One run of a member's state machine, and the requests that wait in it.

    Args:
        node: the member.
        machine: its state as of `applied`.
        applied: the index that the state covers.
        conf_state: the configuration as of that index.
        checker: watches the group.
        local_now: reads the member's clock.
    """

    def __init__(
        self,
        node: RawNode,
        machine: StateMachine,
        applied: int,
        conf_state: ConfState,
        checker: GroupChecker,
        local_now: Callable[[], float],
    ) -> None:
        self.machine = machine
        self.applied = applied
        self.conf_state = conf_state
        self._node = node
        self._checker = checker
        self._local_now = local_now
        self._proposals: dict[int, tuple[int, Answer]] = {}
        self._asked: dict[int, deque[tuple[int, Answer, Callable[[int], None]]]] = defaultdict(deque)
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0

    # --- requests ---------------------------------------------------------------------------------------------

    def propose(self, data: bytes, answer: Answer) -> None:
        """Propose a command; answered when it is applied."""
        try:
            index = self._node.propose(data)
        except ProposalDropped as dropped:
            answer(Reply("elsewhere", leader=dropped.leader))
            return
        self._proposals[index] = (self._node.term, answer)

    def read(self, key: str, mode: str, caller: int, answer: Answer, *, index_only: bool = False) -> None:
        """Read a key in `mode` (`lease`, `round` or `stale`), or get the index at which another member may answer.

        Args:
            key: what to read.
            mode: how; without a lease a `lease` read takes a round.
            caller: names the request to the core; a caller uses its name again and again.
            answer: takes the reply.
            index_only: whether the client will read elsewhere.
        """

        def confirmed(index: int) -> None:
            if index_only:
                answer(Reply("index", index))
            else:
                self.read_at(index, key, answer)

        if mode == "stale":
            answer(Reply("done", self.machine.read(key)))
            return
        index = self._node.lease_read(self._local_now()) if mode == "lease" else None
        if index is not None:
            self._checker.lease_read(index)
            confirmed(index)
            return
        floor = self._checker.commit_max
        try:
            self._node.read_index(caller)
        except ReadDropped as dropped:
            answer(Reply("elsewhere", leader=dropped.leader))
            return
        self._asked[caller].append((floor, answer, confirmed))

    def read_at(self, index: int, key: str, answer: Answer) -> None:
        """Read a key as soon as `index` is applied here."""
        self._sequence += 1
        heappush(self._waiting, (index, self._sequence, lambda: answer(Reply("done", self.machine.read(key)))))
        self._wake()

    # --- what the node says -----------------------------------------------------------------------------------

    def confirm(self, states: Iterable[ReadState]) -> None:
        """Reads have their index."""
        for state in states:
            floor, _, confirmed = self._asked[state.context].popleft()
            self._checker.read_confirmed(state.index, floor)
            confirmed(state.index)

    def drop(self, contexts: Iterable[int]) -> None:
        """Reads will not be confirmed here."""
        for context in contexts:
            _, answer, _ = self._asked[context].popleft()
            answer(Reply("elsewhere"))

    def apply(self, entry: Entry) -> None:
        """Apply a committed entry; a configuration change was made active by the caller."""
        command = entry.data if entry.kind is EntryKind.NORMAL else b""
        result, effective = self.machine.apply(entry.index, command)
        self.applied = entry.index
        active = self._node.core.tracker.conf_state
        self._checker.saw_applied(entry.index, self.machine.image.digest, effective, active)
        term, answer = self._proposals.pop(entry.index, (0, None))
        if answer is not None:
            answer(Reply("done", result) if term == entry.term else Reply("elsewhere"))
        self._wake()

    def install(self, machine: StateMachine, index: int, conf_state: ConfState) -> None:
        """Start over from a snapshot; proposals that it covers have an unknown outcome and get no answer."""
        self.machine, self.applied, self.conf_state = machine, index, conf_state
        self._proposals = {at: waiting for at, waiting in self._proposals.items() if at > index}
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.applied:
            heappop(self._waiting)[2]()

"""A member's appends on their way to the disk: begun at once, ended in order (thesis 10.2.1).

The core addresses its log writer by messages (`lictor_raft.storage_writes`) and goes on meanwhile: a slow disk delays
what depends on it, and no heartbeat. The log's writer takes what has been begun during one sync as one batch. An append
that writes nothing new ends with the one before it.

What is on its way is bounded by the core: a leader's uncommitted payload, and at a follower the leader's window.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from lictor_raft import Message, Snapshot
from lictor_raft_store.disk import StorageError
from lictor_raft_store.durable_log import DurableLog
from lictor_raft_store.log_writer import Ended


class _Begun:
    """An append."""

    __slots__ = ("ended", "failure", "responses")

    def __init__(self, responses: Sequence[Message], *, ended: bool) -> None:
        self.responses = responses
        self.ended = ended
        self.failure: StorageError | ValueError | None = None


class LogPipeline:
    """The appends that have been begun and not ended yet."""

    def __init__(self, durable: DurableLog, install: Callable[[Snapshot], None], wake: Callable[[], None]) -> None:
        """Begin empty.

        Args:
            durable: the log.
            install: puts the state of a received snapshot in place; called before the log is replaced by it.
            wake: called when an append has ended.
        """
        self._durable, self._install, self._wake = durable, install, wake
        self._begun: deque[_Begun] = deque()

    def begin(self, message: Message, *, must_sync: bool) -> None:
        """Begin an append; one that needs no sync is a commit index alone, and goes to disk with the next one."""
        begun = _Begun(message.responses, ended=False)
        if message.snapshot is not None:
            self._replace(message, message.snapshot, partial(self._end, begun))
        elif must_sync:
            self._durable.begin(message.hard_state, message.entries, partial(self._end, begun))
        else:
            begun.ended = True
            if message.hard_state is not None:
                self._durable.keep(message.hard_state)
            if not message.responses:
                return
        self._begun.append(begun)

    def _replace(self, message: Message, snapshot: Snapshot, ended: Ended) -> None:
        self._install(snapshot)
        if message.entries:
            self._durable.replace(snapshot, message.hard_state, _heard_by_the_next)
            self._durable.begin(None, message.entries, ended)
        else:
            self._durable.replace(snapshot, message.hard_state, ended)

    def _end(self, begun: _Begun, failure: StorageError | ValueError | None) -> None:
        begun.ended, begun.failure = True, failure
        self._wake()

    @property
    def has_ended(self) -> bool:
        """Whether `ended` has something."""
        return bool(self._begun) and self._begun[0].ended

    @property
    def under_way(self) -> bool:
        """Whether an append has been begun whose answers have not been taken yet."""
        return bool(self._begun)

    def ended(self) -> list[Message]:
        """The answers that the appends vouch for which have ended since the last call.

        Raises:
            StorageError: an append failed: the member must stop.
        """
        answers: list[Message] = []
        waiting = self._begun
        while waiting and waiting[0].ended:
            begun = waiting.popleft()
            if begun.failure is not None:
                raise begun.failure
            answers += begun.responses
        return answers


def _heard_by_the_next(_failure: StorageError | ValueError | None) -> None:
    """Failures of the log are final: what is begun behind a write that fails is told the same."""

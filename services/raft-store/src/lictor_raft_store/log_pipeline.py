"""A member's appends on their way to the disk: begun at once, ended in order (thesis 10.2.1).

The core addresses its log writer by messages (`lictor_raft.storage_writes`) and goes on meanwhile: a slow disk delays
what depends on it, and no heartbeat. The log's writer takes what has been begun during one sync as one batch. An append
that writes nothing new ends with the one before it.

What is on its way is bounded by the core: a leader's uncommitted payload, and at a follower the leader's window.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from lictor_raft import Message, Snapshot
from lictor_raft_store.durable_log import DurableLog


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
        self._begun: deque[tuple[asyncio.Task[None] | None, Sequence[Message]]] = deque()

    def begin(self, message: Message, *, must_sync: bool) -> None:
        """Begin an append; one that needs no sync is a commit index alone, and goes to disk with the next one."""
        work: Coroutine[Any, Any, None] | None = None
        if message.snapshot is not None:
            work = self._replace(message, message.snapshot)
        elif must_sync:
            work = self._durable.append(message.hard_state, message.entries)
        elif message.hard_state is not None:
            self._durable.keep(message.hard_state)
        task = None
        if work is not None:
            task = asyncio.get_running_loop().create_task(work, name="log append")
            task.add_done_callback(lambda _done: self._wake())
        if task is not None or message.responses:
            self._begun.append((task, message.responses))

    async def _replace(self, message: Message, snapshot: Snapshot) -> None:
        self._install(snapshot)
        await self._durable.installed(snapshot, message.hard_state)
        if message.entries:
            await self._durable.append(None, message.entries)

    @property
    def has_ended(self) -> bool:
        """Whether `ended` has something."""
        return bool(self._begun) and (self._begun[0][0] is None or self._begun[0][0].done())

    def ended(self) -> list[Message]:
        """The answers that the appends vouch for which have ended since the last call.

        Raises:
            StorageError: an append failed: the member must stop.
        """
        answers: list[Message] = []
        while self.has_ended:
            task, responses = self._begun.popleft()
            if task is not None:
                task.result()
            answers += responses
        return answers

    async def close(self) -> None:
        """Wait for nothing any more; what is queued may still be written."""
        tasks = [task for task, _ in self._begun if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""Member events for readers that may be slow: for each member, the latest change that was not read yet.

A queue of events would need a bound, and losing events at the bound would leave a reader with a wrong list. Here the
bound is the number of members, and what is merged is only the past of one member: its latest state is always delivered.
"""

import asyncio
from collections.abc import AsyncIterator

from lictor_swim import MemberEvent


class MemberFeed:
    """One reader's view of the changes."""

    def __init__(self) -> None:
        self._pending: dict[str, MemberEvent] = {}
        self._ready = asyncio.Event()
        self._closed = False

    def push(self, event: MemberEvent) -> None:
        """Add a change; it replaces one of the same member that nobody has read."""
        self._pending.pop(event.member.name, None)
        self._pending[event.member.name] = event
        self._ready.set()

    def close(self) -> None:
        """End the reader's loop once it has read what is there."""
        self._closed = True
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[MemberEvent]:
        """Changes, oldest member first, until the feed is closed."""
        while True:
            while self._pending:
                yield self._pending.pop(next(iter(self._pending)))
            if self._closed:
                return
            self._ready.clear()
            await self._ready.wait()

"""Answers over the bus about the pool as this member sees it: its members, and what it holds against one of them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

import structlog

from lictor_bus import Bus, View, frames, subjects
from lictor_bus.frames import FrameError
from lictor_bus.gossip_orders import POOL
from lictor_bus.pool_frames import MEMBER_BYTES, MEMBERS_BYTES_MAX, PoolMember, PoolMembers, Story, StoryAsk, StoryLine
from lictor_gossip.reporting import LICTOR_TAG, watched
from lictor_gossip.shown_text import shown
from lictor_gossip.swim_driver import SwimDriver
from lictor_swim import HistoryEntry, SerfMember

log = structlog.get_logger()


class PoolAnswers:
    """Answers for one node; run `run()` as one of the process's tasks."""

    def __init__(
        self, bus: Bus, view: View, driver: SwimDriver, node: str, run_id: str, now: Callable[[], float]
    ) -> None:
        """`now` is the driver's clock."""
        self._bus, self._view, self._driver = bus, view, driver
        self._node, self._run_id, self._now = node, run_id, now

    async def run(self) -> None:
        """Answer for as long as the process lives."""
        await self._view.leader.wait_for_cluster()
        cluster = self._view.cluster
        await self._bus.subscribe(subjects.node_order(cluster, self._node, POOL), self._on_pool)
        await self._bus.subscribe(subjects.pool_stories(cluster), self._on_story)
        await asyncio.Event().wait()

    async def _on_pool(self, _subject: str, _data: bytes, reply: str) -> None:
        await self._bus.publish(reply, frames.encode(self.members()))

    def members(self) -> PoolMembers:
        """The pool now."""
        members, now = self._driver.members(), self._now()
        fitting = tuple(_fitting(members, now))
        return PoolMembers(
            self._node,
            self._run_id,
            self._driver.health_score,
            self._driver.keyring is not None,
            fitting,
            len(members) - len(fitting),
        )

    async def _on_story(self, _subject: str, data: bytes, reply: str) -> None:
        try:
            ask = frames.decode(data, StoryAsk)
        except FrameError as error:
            log.warning("question about a node not understood", reason=str(error))
            return
        story = self.story(ask.node)
        if story is not None:
            await self._bus.publish(reply, frames.encode(story))

    def story(self, node: str) -> Story | None:
        """What this member knows of a node; None when it neither watches it nor ever heard it accused."""
        members = self._driver.members()
        member = next((one for one in members if one.name.lower() == node.lower()), None)
        name = member.name if member else node
        lines = self._driver.history(name)
        own = name.lower() == self._node.lower()
        reports = member is not None and not own and member in watched(self._node, members)
        if not (lines or own or reports):
            return None
        now = self._now()
        return Story(
            self._node,
            self._run_id,
            self._driver.health_score,
            member is not None,
            member.status.name.lower() if member else "",
            member.incarnation if member else 0,
            reports,
            own,
            tuple(_line(entry, now) for entry in lines),
        )


def _fitting(members: Iterable[SerfMember], now: float) -> Iterator[PoolMember]:
    """As many members as one answer holds."""
    room = MEMBERS_BYTES_MAX
    for member in members:
        one = _shown(member, now)
        texts = (one.name, one.address, one.status, *one.tags.keys(), *one.tags.values())
        room -= MEMBER_BYTES + sum(len(text.encode("utf-8", "replace")) + 3 for text in texts)
        if room < 0:
            return
        yield one


def _shown(member: SerfMember, now: float) -> PoolMember:
    lictor = LICTOR_TAG in member.tags
    return PoolMember(
        member.name,
        member.endpoint.host,
        member.port,
        member.status.name.lower(),
        member.incarnation,
        now - member.changed_at,
        lictor,
        {} if lictor else member.tags,
    )


def _line(entry: HistoryEntry, now: float) -> StoryLine:
    return StoryLine(
        now - entry.at,
        entry.what.name.lower(),
        shown(entry.by),
        entry.incarnation,
        entry.own_health,
        entry.after_s,
        shown(entry.detail),
    )

"""The appends on their way to the disk: several at once, ended in order, and never before what they build on."""

import asyncio
from typing import Any

import pytest

from lictor_raft import LOCAL_APPEND, Entry, HardState, Message, MessageKind, Snapshot, SnapshotMeta
from lictor_raft_store.disk import StorageFailed
from lictor_raft_store.log_pipeline import LogPipeline


class SlowLog:
    """A log whose writes end when the test says so."""

    def __init__(self):
        self.writes: list[tuple[Any, asyncio.Future[None]]] = []
        self.kept: list[HardState] = []

    def begin(self, hard_state, entries, ended):
        writing = asyncio.ensure_future(self.append(hard_state, entries))
        writing.add_done_callback(lambda done: done.cancelled() or ended(done.exception()))

    async def append(self, hard_state, entries):
        await self._write((hard_state, tuple(entries)))

    async def installed(self, snapshot, hard_state):
        await self._write(snapshot)

    def keep(self, hard_state):
        self.kept.append(hard_state)

    async def _write(self, what):
        done = asyncio.get_running_loop().create_future()
        self.writes.append((what, done))
        await done

    async def end(self, place, error=None):
        done = self.writes[place][1]
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
        for _ in range(3):
            await asyncio.sleep(0)


def entry(index):
    return Entry(1, index, data=b"x")


def answer(index):
    return Message(MessageKind.APPEND_RESPONSE, 1, 2, 1, index=index)


def append(*entries, hard_state=None, snapshot=None, answers=()):
    return Message(
        MessageKind.STORAGE_APPEND,
        1,
        LOCAL_APPEND,
        1,
        entries=entries,
        hard_state=hard_state,
        snapshot=snapshot,
        responses=tuple(answers),
    )


def story(told):
    log: Any = SlowLog()
    installed: list[Snapshot] = []
    asyncio.run(told(LogPipeline(log, installed.append, lambda: None), log, installed))


def test_answers_come_in_the_order_of_the_appends_whichever_write_ends_first():
    async def told(pipeline, log, _installed):
        for index in (1, 2, 3):
            pipeline.begin(append(entry(index), answers=[answer(index)]), must_sync=True)
        await asyncio.sleep(0)
        assert len(log.writes) == 3, "all are under way at once"
        await log.end(1)
        assert pipeline.ended() == []
        await log.end(0)
        assert [one.index for one in pipeline.ended()] == [1, 2]
        await log.end(2)
        assert [one.index for one in pipeline.ended()] == [3]

    story(told)


def test_an_append_that_writes_nothing_waits_for_those_before_it_and_for_no_sync():
    async def told(pipeline, log, _installed):
        pipeline.begin(append(answers=[answer(7)]), must_sync=False)
        assert [one.index for one in pipeline.ended()] == [7]
        pipeline.begin(append(entry(8)), must_sync=True)
        pipeline.begin(append(hard_state=HardState(1, 0, 7), answers=[answer(8)]), must_sync=False)
        await asyncio.sleep(0)
        assert log.kept == [HardState(1, 0, 7)]
        assert pipeline.ended() == []
        await log.end(0)
        assert [one.index for one in pipeline.ended()] == [8]
        assert len(log.writes) == 1

    story(told)


def test_a_snapshot_is_put_in_place_before_the_log_is_replaced_and_entries_follow_it():
    async def told(pipeline, log, installed):
        snapshot = Snapshot(SnapshotMeta(9, 1))
        pipeline.begin(append(entry(10), snapshot=snapshot, answers=[answer(10)]), must_sync=True)
        await asyncio.sleep(0)
        assert installed == [snapshot]
        assert [what for what, _ in log.writes] == [snapshot]
        await log.end(0)
        assert pipeline.ended() == []
        assert log.writes[1][0] == (None, (entry(10),))
        await log.end(1)
        assert [one.index for one in pipeline.ended()] == [10]

    story(told)


def test_a_failed_write_is_raised_and_vouches_for_nothing():
    async def told(pipeline, log, _installed):
        pipeline.begin(append(entry(1), answers=[answer(1)]), must_sync=True)
        pipeline.begin(append(entry(2), answers=[answer(2)]), must_sync=True)
        await asyncio.sleep(0)
        await log.end(0, StorageFailed("sync: I/O error"))
        with pytest.raises(StorageFailed, match="I/O error"):
            pipeline.ended()
        await pipeline.close()

    story(told)

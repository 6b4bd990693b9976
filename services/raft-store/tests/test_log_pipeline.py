"""The appends on their way to the disk: several at once, ended in order, and never before what they build on."""

from typing import Any

import pytest

from lictor_raft import LOCAL_APPEND, Entry, HardState, Message, MessageKind, Snapshot, SnapshotMeta
from lictor_raft_store.disk import StorageFailed
from lictor_raft_store.log_pipeline import LogPipeline
from lictor_raft_store.log_writer import Ended


class SlowLog:
    """A log whose writes end when the test says so."""

    def __init__(self):
        self.writes: list[tuple[Any, Ended]] = []
        self.kept: list[HardState] = []

    def begin(self, hard_state, entries, ended):
        self.writes.append(((hard_state, tuple(entries)), ended))

    def replace(self, snapshot, hard_state, ended):
        self.writes.append(((snapshot, hard_state), ended))

    def keep(self, hard_state):
        self.kept.append(hard_state)

    def end(self, place, error=None):
        self.writes[place][1](error)


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
    told(LogPipeline(log, installed.append, lambda: None), log, installed)


def test_answers_come_in_the_order_of_the_appends_whichever_write_ends_first():
    def told(pipeline, log, _installed):
        for index in (1, 2, 3):
            pipeline.begin(append(entry(index), answers=[answer(index)]), must_sync=True)
        assert len(log.writes) == 3, "all are under way at once"
        log.end(1)
        assert pipeline.ended() == []
        log.end(0)
        assert [one.index for one in pipeline.ended()] == [1, 2]
        log.end(2)
        assert [one.index for one in pipeline.ended()] == [3]

    story(told)


def test_an_append_that_writes_nothing_waits_for_those_before_it_and_for_no_sync():
    def told(pipeline, log, _installed):
        pipeline.begin(append(answers=[answer(7)]), must_sync=False)
        assert [one.index for one in pipeline.ended()] == [7]
        pipeline.begin(append(entry(8)), must_sync=True)
        pipeline.begin(append(hard_state=HardState(1, 0, 7), answers=[answer(8)]), must_sync=False)
        assert log.kept == [HardState(1, 0, 7)]
        assert pipeline.ended() == []
        log.end(0)
        assert [one.index for one in pipeline.ended()] == [8]
        assert len(log.writes) == 1

    story(told)


def test_a_snapshot_is_put_in_place_before_the_log_is_replaced_and_entries_follow_it():
    def told(pipeline, log, installed):
        snapshot = Snapshot(SnapshotMeta(9, 1))
        pipeline.begin(append(entry(10), snapshot=snapshot, answers=[answer(10)]), must_sync=True)
        assert installed == [snapshot]
        pipeline.begin(append(entry(11), answers=[answer(11)]), must_sync=True)
        assert [what for what, _ in log.writes] == [(snapshot, None), (None, (entry(10),)), (None, (entry(11),))]
        log.end(0)
        assert pipeline.ended() == []
        log.end(1)
        assert [one.index for one in pipeline.ended()] == [10]
        log.end(2)
        assert [one.index for one in pipeline.ended()] == [11]

    story(told)


def test_a_snapshot_alone_is_answered_when_the_log_is_replaced_by_it():
    def told(pipeline, log, _installed):
        snapshot = Snapshot(SnapshotMeta(9, 1))
        pipeline.begin(append(hard_state=HardState(2, 0, 9), snapshot=snapshot, answers=[answer(9)]), must_sync=True)
        assert [what for what, _ in log.writes] == [(snapshot, HardState(2, 0, 9))]
        assert pipeline.ended() == []
        log.end(0)
        assert [one.index for one in pipeline.ended()] == [9]

    story(told)


def test_a_failed_write_is_raised_and_vouches_for_nothing():
    def told(pipeline, log, _installed):
        pipeline.begin(append(entry(1), answers=[answer(1)]), must_sync=True)
        pipeline.begin(append(entry(2), answers=[answer(2)]), must_sync=True)
        log.end(0, StorageFailed("sync: I/O error"))
        with pytest.raises(StorageFailed, match="I/O error"):
            pipeline.ended()

    story(told)

"""A follower's backlog: what waits, what ends the wait, and that nothing is lost or out of order."""

from lictor_raft import LOCAL_APPLY, Entry, EntryKind, Message, MessageKind
from lictor_raft_store.apply_backlog import ENTRIES_MAX, ApplyBacklog


def committed(*indexes, kind=EntryKind.NORMAL):
    entries = tuple(Entry(1, index, kind, b"x") for index in indexes)
    return Message(MessageKind.STORAGE_APPLY, 1, LOCAL_APPLY, 0, entries=entries)


def indexes(messages):
    return [entry.index for message in messages for entry in message.entries]


def test_what_may_not_wait_is_applied_with_all_before_it():
    backlog = ApplyBacklog()
    assert backlog.take([committed(1, 2)], may_wait=True) == []
    assert backlog.take([], may_wait=True) == []
    assert indexes(backlog.take([committed(3)], may_wait=False)) == [1, 2, 3]
    assert backlog.release() == []


def test_the_end_of_a_write_releases_everything_once():
    backlog = ApplyBacklog()
    backlog.take([committed(1), committed(2)], may_wait=True)
    assert indexes(backlog.release()) == [1, 2]
    assert backlog.release() == []


def test_a_change_of_the_configuration_never_waits():
    backlog = ApplyBacklog()
    backlog.take([committed(1)], may_wait=True)
    assert indexes(backlog.take([committed(2, kind=EntryKind.CONF_CHANGE)], may_wait=True)) == [1, 2]


def test_many_entries_do_not_wait():
    backlog = ApplyBacklog()
    assert backlog.take([committed(*range(1, ENTRIES_MAX))], may_wait=True) == []
    assert len(indexes(backlog.take([committed(ENTRIES_MAX)], may_wait=True))) == ENTRIES_MAX

"""What a leader holds back of its appends, and when it lets go."""

from lictor_raft import Entry, EntryKind, Message, MessageKind
from lictor_raft_store.commit_news import CommitNews


def append(to: int, commit: int, *entries: Entry) -> Message:
    return Message(MessageKind.APPEND, 1, to, 3, commit=commit, entries=entries)


ENTRY = Entry(3, 8, EntryKind.NORMAL, b"x")


def test_an_append_without_entries_waits_and_everything_else_goes() -> None:
    news = CommitNews()
    heartbeat = Message(MessageKind.HEARTBEAT, 1, 2, 3)
    full = append(3, 7, ENTRY)
    assert news.sift([append(2, 7), heartbeat, full]) == [heartbeat, full]
    assert news.release() == [append(2, 7)]
    assert news.release() == []


def test_of_two_waiting_ones_to_a_peer_the_newer_goes() -> None:
    news = CommitNews()
    news.sift([append(2, 7), append(3, 7)])
    news.sift([append(2, 9)])
    assert news.release() == [append(2, 9), append(3, 7)]


def test_the_next_append_with_entries_makes_the_waiting_one_needless() -> None:
    news = CommitNews()
    news.sift([append(2, 7), append(3, 7)])
    assert news.sift([append(2, 7, ENTRY)]) == [append(2, 7, ENTRY)]
    assert news.release() == [append(3, 7)]

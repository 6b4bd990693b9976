"""What the leader publishes and what members keep for views that resume."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from lictor_bus.feed_order import FeedOrder, Verdict
from lictor_bus.frames import MESSAGE_BYTES_MAX
from lictor_raft import Entry
from lictor_raft_store.change_feed import CUT_BYTES_MAX, messages
from lictor_raft_store.feed_log import CHANGE_BYTES, FeedLog
from lictor_raft_store.machine import STREAMS, Machine, StreamChanges, UnencodedGroup
from lictor_state import Change, Store, Table
from lictor_state.codec import encode_envelope
from lictor_state.commands import (
    CatalogDeregister,
    CatalogRegister,
    CheckSpec,
    ConfigEntrySet,
    Envelope,
    KVDeleteTree,
    KVSet,
    RaiseLevel,
    ServiceSpec,
    SessionCreate,
    Txn,
    TxnKV,
)
from lictor_state.levels import LEVEL_MAX
from lictor_state.rows import IndexRow, KVRow


def changes(prev, *groups):
    return StreamChanges(prev, groups[-1][0], list(groups))


def test_small_changes_share_one_message():
    (message,) = messages("c", 1, changes(5, (6, b"a"), (8, b"b")))
    assert (message.prev, message.last, message.groups) == (5, 8, [b"a", b"b"])


def test_a_batch_beyond_one_message_is_split_so_that_each_follows_the_one_before():
    big = b"x" * (MESSAGE_BYTES_MAX // 2)
    spans = [(one.prev, one.last) for one in messages("c", 1, changes(5, (6, big), (7, big), (8, big), (9, big)))]
    assert spans[0][0] == 5
    assert spans[-1][1] == 9
    assert all(left[1] == right[0] for left, right in itertools.pairwise(spans))


def test_a_large_change_is_cut_into_parts_and_joined_again():
    large = bytes(range(256)) * 8192
    order = FeedOrder()
    verdicts = [order.judge(1, 5, one) for one in messages("c", 1, changes(5, (6, large)))]
    assert len(verdicts) > 1
    assert verdicts[-1] == (Verdict.TAKE, [large])


def test_a_change_above_the_cut_limit_is_only_announced():
    found = list(messages("c", 1, changes(5, (6, b"x" * (CUT_BYTES_MAX + 1)), (7, b"y"))))
    assert [(one.prev, one.last, one.resume) for one in found] == [(5, 6, True), (6, 7, False)]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(20, 200), st.integers(0, 40))
def test_what_is_kept_is_exactly_what_follows_the_asked_index(sizes, bytes_max, asked):
    log = FeedLog(("all",), 0, bytes_max)
    every = []
    for index, size in enumerate(sizes, start=1):
        every.append((index, bytes([index]) * size))
        log.add("all", changes(index - 1, every[-1]))
    assert log.bytes <= bytes_max
    kept = log.since("all", asked, 10**9)
    if kept is None:
        assert asked < len(sizes)
    else:
        assert kept == (
            [group for index, group in every if index > asked],
            max(asked, len(sizes)) if asked < len(sizes) else asked,
            False,
        )


def test_an_answer_is_cut_at_its_limit_and_says_that_more_follows():
    log = FeedLog(("all",), 0, 1000)
    for index in range(1, 5):
        log.add("all", changes(index - 1, (index, b"x" * 10)))
    assert log.since("all", 0, 25) == ([b"x" * 10] * 2, 2, True)
    assert log.since("all", 2, 25) == ([b"x" * 10] * 2, 4, False)


def test_a_change_too_large_for_one_answer_needs_a_snapshot():
    log = FeedLog(("all",), 0, 1000)
    log.add("all", changes(0, (1, b"x" * 10)))
    log.add("all", changes(1, (2, b"x" * 50)))
    assert log.since("all", 0, 25) == ([b"x" * 10], 1, True)
    assert log.since("all", 1, 25) is None


def test_the_oldest_change_of_any_stream_goes_first():
    log = FeedLog(("all", "mesh"), 0, 20)
    log.add("all", changes(0, (1, b"x" * 10)))
    log.add("mesh", changes(0, (2, b"y" * 10)))
    log.add("all", changes(1, (3, b"z" * 10)))
    assert log.since("all", 0, 100) is None
    assert log.since("mesh", 0, 100) == ([b"y" * 10], 2, False)


def test_a_cleared_log_knows_nothing_before_its_start():
    log = FeedLog(("all",), 0, 100)
    log.add("all", changes(0, (1, b"x")))
    log.clear(9)
    assert log.since("all", 8, 100) is None
    assert log.since("all", 9, 100) == ([], 9, False)


def applied(commands, leading):
    """A feed log after these commands, one batch for each three of them, and the member's state."""
    machine, log = Machine(Store("c"), 0), FeedLog(STREAMS, 0, 10**6)
    entries = [Entry(1, at, data=encode_envelope(Envelope(0, 0, 0, one))) for at, one in enumerate(commands, 1)]
    for first in range(0, len(entries), 3):
        batch = machine.apply(entries[first : first + 3], leading=leading)
        assert leading or not (batch.results or batch.streams or batch.changes)
        for stream, some in batch.streams.items():
            log.add(stream, some)
        log.add_unencoded(batch.unencoded)
    return log, machine.store


COMMANDS = [
    RaiseLevel(LEVEL_MAX),
    KVSet("a", b"1"),
    CatalogRegister("n1", "10.0.0.1", "dc1", service=ServiceSpec("web-1", "web"), checks=(CheckSpec("c1", "check"),)),
    SessionCreate("s-1", "n1"),
    ConfigEntrySet("service-defaults", "web", {"Protocol": "http"}),
    Txn((TxnKV("set", "b", b"1"), TxnKV("set", "a", b"2"), TxnKV("delete", "b"))),
    KVSet("refused", b"1", acquire="no such session"),
    CatalogDeregister("n1", "web-1"),
    KVDeleteTree(""),
]


def test_a_follower_keeps_what_a_leader_keeps_and_encodes_it_for_whoever_asks():
    (leaders, _), (followers, store) = applied(COMMANDS, leading=True), applied(COMMANDS, leading=False)
    for stream in STREAMS:
        assert leaders.since(stream, 0, 10**6)[0], "there is something to compare"
        for asked in range(store.index + 1):
            for bytes_max in (300, 10**6):
                assert followers.since(stream, asked, bytes_max) == leaders.since(stream, asked, bytes_max)


def test_what_a_follower_keeps_is_bounded_too():
    log = FeedLog(STREAMS, 0, 10_000)
    changes = (Change(Table.INDEXES, ("nodes",), IndexRow("nodes", 1)),)
    for index in range(1, 101):
        log.add_unencoded([UnencodedGroup(index, ("all", "mesh"), changes, 1_000)])
        assert log.bytes <= 10_000
    fit = 10_000 // (1_000 + CHANGE_BYTES)
    for stream in ("all", "mesh"):
        assert log.since(stream, 99 - fit, 10**6) is None
        kept = log.since(stream, 100 - fit, 10**6)
        assert kept is not None
        assert len(kept[0]) == fit
    log.clear(100)
    assert log.bytes == 0


def test_a_value_counts_that_came_before_the_entry_that_gave_its_key_back():
    log = FeedLog(STREAMS, 0, 10**6)
    row = KVRow("a", b"x" * 50_000, 0, create_index=1, modify_index=2)
    log.add_unencoded([UnencodedGroup(2, ("all",), (Change(Table.KV, ("a",), row),), 40)])
    assert log.bytes >= 50_000
    log.clear(2)
    assert log.bytes == 0

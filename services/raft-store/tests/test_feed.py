"""What the leader publishes and what members keep for views that resume."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_bus.feed_order import FeedOrder, Verdict
from lictor_bus.frames import MESSAGE_BYTES_MAX
from lictor_raft import Entry
from lictor_raft_store.change_feed import CUT_BYTES_MAX, messages
from lictor_raft_store.feed_log import BATCH_BYTES, FeedLog
from lictor_raft_store.machine import Machine, StreamChanges
from lictor_state import Change, Store, Table
from lictor_state.codec import encode_envelope, encode_group
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
from lictor_state.rows import KVRow
from lictor_state.streams import STREAMS, Stream


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


def of_kv(index, size=10):
    """What one index has changed: a key, which only the stream `all` carries."""
    row = KVRow(f"k{index}", b"x" * size, 0, create_index=index, modify_index=index)
    return encode_group(index, (Change(Table.KV, (row.key,), row),))


def of_ca(index):
    """Another one, of a row that `mesh` carries too."""
    return encode_group(index, (Change(Table.CA_ROOTS, ("r",), None),))


def kept_kv(log, *indexes, size=10):
    log.add([of_kv(index, size) for index in indexes], {"all": indexes[-1]})


@given(
    st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=4), min_size=1, max_size=12),
    st.integers(600, 6_000),
    st.integers(0, 48),
)
def test_what_is_kept_is_exactly_what_follows_the_asked_index(batches, bytes_max, asked):
    log, index, every = FeedLog(0, bytes_max), 0, []
    for sizes in batches:
        groups = []
        for size in sizes:
            index += 1
            groups.append((index, of_kv(index, size)))
        log.add([group for _, group in groups], {"all": index})
        every += groups
        assert log.bytes <= bytes_max
    kept = log.since("all", asked, 10**9)
    if kept is None:
        assert asked < index
    else:
        assert kept == ([group for at, group in every if at > asked], max(asked, index), False)
    assert log.since("all", index, 10**9) is not None
    if bytes_max >= sum(len(group) for _, group in every) + len(batches) * (BATCH_BYTES + 5):
        assert log.since("all", 0, 10**9) is not None, "nothing had to go"


def test_an_answer_is_cut_at_its_limit_and_says_that_more_follows():
    log = FeedLog(0, 10**6)
    kept_kv(log, 1, 2, 3)
    kept_kv(log, 4)
    room = 2 * len(of_kv(1)) + 5
    assert log.since("all", 0, room) == ([of_kv(1), of_kv(2)], 2, True)
    assert log.since("all", 2, room) == ([of_kv(3), of_kv(4)], 4, False)


def test_a_change_too_large_for_one_answer_needs_a_snapshot():
    log = FeedLog(0, 10**6)
    kept_kv(log, 1)
    kept_kv(log, 2, size=500)
    assert log.since("all", 0, 100) == ([of_kv(1)], 1, True)
    assert log.since("all", 1, 100) is None


def test_the_oldest_batch_goes_first_and_each_stream_knows_how_far_it_reaches():
    log = FeedLog(0, 2 * (len(of_kv(1)) + BATCH_BYTES + 1))
    log.add([of_ca(1)], {"all": 1, "mesh": 1})
    kept_kv(log, 2)
    assert log.since("mesh", 0, 100) == ([of_ca(1)], 1, False)
    kept_kv(log, 3)
    assert log.since("mesh", 0, 100) is None
    assert log.since("mesh", 1, 100) == ([], 1, False)
    assert log.since("all", 0, 1000) is None
    assert log.since("all", 1, 1000) == ([of_kv(2), of_kv(3)], 3, False)
    kept_kv(log, 4)
    assert log.since("all", 1, 1000) is None
    assert log.since("mesh", 1, 100) == ([], 1, False), "nothing of this stream has gone since"


def test_a_batch_larger_than_the_whole_log_leaves_nothing_behind():
    log = FeedLog(0, 100)
    kept_kv(log, 1, 2, 3, size=100)
    assert (log.bytes, log.since("all", 2, 10**6), log.since("all", 3, 10**6)) == (0, None, ([], 3, False))


def test_a_cleared_log_knows_nothing_before_its_start():
    log = FeedLog(0, 10**6)
    kept_kv(log, 1)
    log.clear(9)
    assert log.bytes == 0
    assert log.since("all", 8, 100) is None
    assert log.since("all", 9, 100) == ([], 9, False)


def applied(commands, leading):
    """A feed log after these commands, one batch for each three of them, and the member's state."""
    machine, log = Machine(Store("c"), 0), FeedLog(0, 10**6)
    entries = [Entry(1, at, data=encode_envelope(Envelope(0, 0, 0, one))) for at, one in enumerate(commands, 1)]
    published: dict[Stream, list[tuple[int, bytes]]] = {stream: [] for stream in STREAMS}
    for first in range(0, len(entries), 3):
        batch = machine.apply(entries[first : first + 3], leading=leading)
        assert leading or not (batch.results or batch.streams or batch.changes)
        for stream, some in batch.streams.items():
            published[stream] += some.groups
        log.add(batch.groups, batch.lasts)
    return log, machine.store, published


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


@pytest.mark.parametrize("leading", [True, False])
def test_every_member_keeps_what_a_leader_publishes(leading):
    _, _, published = applied(COMMANDS, leading=True)
    log, store, _ = applied(COMMANDS, leading=leading)
    for stream in STREAMS:
        assert published[stream], "there is something to compare"
        for asked in range(store.index + 1):
            rest = [(at, group) for at, group in published[stream] if at > asked]
            last = rest[-1][0] if rest else asked
            assert log.since(stream, asked, 10**6) == ([group for _, group in rest], last, False)

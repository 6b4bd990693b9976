"""Which changes may wait to be published together: for whom they may not, how long, and that none is lost."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from lictor_raft_store.held_changes import BYTES_MAX, CROWD, PACE_S, HeldChanges
from lictor_raft_store.machine import StreamChanges
from lictor_state.streams import Stream

A, B = frozenset({"a"}), frozenset({"b"})
NOBODY: frozenset[str] = frozenset()


def changes(prev, last, *streams, size=10):
    return {stream: StreamChanges(prev, last, [(last, bytes(size))]) for stream in streams}


def spans(published):
    return {stream: (one.prev, one.last, [index for index, _ in one.groups]) for stream, one in published.items()}


def test_a_round_of_few_entries_is_published_at_once():
    held = HeldChanges()
    assert spans(held.add(changes(1, 2, "all", "mesh"), CROWD - 1, A, 0.0)) == {"all": (1, 2, [2]), "mesh": (1, 2, [2])}
    assert not held


def test_a_crowds_rounds_are_published_together_when_the_first_has_waited_long_enough():
    held = HeldChanges()
    assert held.add(changes(1, 2, "all", "mesh"), CROWD, A, 0.0) == {}
    assert held.add(changes(2, 3, "all"), CROWD, A, PACE_S / 2) == {}
    assert not held.due(PACE_S * 0.9)
    assert held.due(PACE_S)
    assert spans(held.take()) == {"all": (1, 3, [2, 3]), "mesh": (1, 2, [2])}
    assert not held.due(PACE_S)


def test_a_round_of_few_entries_takes_what_is_held_along():
    held = HeldChanges()
    held.add(changes(1, 2, "all"), CROWD, A, 0.0)
    assert spans(held.add(changes(2, 3, "all"), 1, A, 0.0)) == {"all": (1, 3, [2, 3])}


def test_a_proposer_whose_answer_brings_no_changes_does_not_wait_for_its_own():
    held = HeldChanges()
    assert spans(held.add(changes(1, 2, "all", "mesh"), CROWD, NOBODY, 0.0)) == {"all": (1, 2, [2])}
    assert spans(held.take()) == {"mesh": (1, 2, [2])}


def test_one_who_was_not_told_of_all_that_is_held_does_not_wait_for_it():
    held = HeldChanges()
    held.add(changes(1, 2, "all"), CROWD, A, 0.0)
    assert spans(held.add(changes(2, 3, "all"), CROWD, A | B, 0.0)) == {"all": (1, 3, [2, 3])}


def test_a_reader_waits_unless_its_answers_have_told_it_everything():
    held = HeldChanges()
    assert not held.waits_for("b")
    held.add(changes(1, 2, "all"), CROWD, A | B, 0.0)
    assert not held.waits_for("b")
    held.add(changes(2, 3, "all"), CROWD, A, 0.0)
    assert held.waits_for("b")
    assert not held.waits_for("a")


def test_much_is_not_held():
    held = HeldChanges()
    assert held.add(changes(1, 2, "all", size=BYTES_MAX + 1), CROWD, A, 0.0) != {}
    assert not held


rounds = st.lists(
    st.tuples(
        st.sets(st.sampled_from(["all", "discovery", "mesh"])),
        st.sampled_from([1, CROWD]),
        st.sets(st.sampled_from("ab")),
        st.floats(0, PACE_S),
    ),
    max_size=30,
)


@given(rounds)
def test_every_change_is_published_once_in_order_and_each_message_follows_the_one_before(rounds):
    held, now = HeldChanges(), 0.0
    last: dict[Stream, int] = {"all": 0, "discovery": 0, "mesh": 0}
    published: dict[Stream, list[StreamChanges]] = {stream: [] for stream in last}
    expected: dict[Stream, list[int]] = {stream: [] for stream in last}

    def publish(streams):
        for stream, one in streams.items():
            published[stream].append(one)

    for index, (streams, entries, told, later) in enumerate(rounds, start=1):
        now += later
        if held.due(now):
            publish(held.take())
        batch = {stream: StreamChanges(last[stream], index, [(index, b"x")]) for stream in sorted(streams)}
        for stream in streams:
            last[stream] = index
            expected[stream].append(index)
        publish(held.add(batch, entries, frozenset(told), now))
        for one in batch.values():
            assert len(one.groups) == 1, "what others keep of a round is not added to"
    publish(held.take())
    for stream, messages in published.items():
        assert [index for one in messages for index, _ in one.groups] == expected[stream]
        assert all(before.last == after.prev for before, after in itertools.pairwise(messages))
        assert not messages or messages[0].prev == 0

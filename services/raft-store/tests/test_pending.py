"""Proposals and reads that wait for the log."""

from lictor_raft_store.pending import ENTRIES_OPEN_MAX, OpenBatches, OpenReads


def test_a_batch_is_complete_with_its_last_entry():
    open_batches = OpenBatches()
    open_batches.add("inbox", 5, 2, term=3)
    assert open_batches.applied({5: (3, 105, b"a")}) == ([], [])
    complete, lost = open_batches.applied({6: (3, 106, b"b")})
    assert [one.results for one in complete] == [[(105, b"a"), (106, b"b")]]
    assert lost == []
    assert open_batches.entries == 0


def test_a_batch_whose_place_another_leader_took_is_lost():
    open_batches = OpenBatches()
    open_batches.add("inbox", 5, 2, term=3)
    complete, lost = open_batches.applied({5: (4, 105, b"other"), 6: (4, 106, b"other")})
    assert complete == []
    assert [one.reply for one in lost] == ["inbox"]


def test_lost_leadership_loses_every_open_batch_once():
    open_batches = OpenBatches()
    open_batches.add("one", 5, 3, term=3)
    open_batches.add("two", 8, 1, term=3)
    assert [one.reply for one in open_batches.lose_all()] == ["one", "two"]
    assert open_batches.lose_all() == []


def test_open_entries_are_bounded_but_one_batch_always_fits():
    open_batches = OpenBatches()
    assert open_batches.room_for(ENTRIES_OPEN_MAX + 1)
    open_batches.add("inbox", 1, ENTRIES_OPEN_MAX, term=1)
    assert not open_batches.room_for(1)


def test_batches_proposed_together_count_as_if_they_were_open_already():
    open_batches = OpenBatches()
    assert open_batches.room_for(1, ahead=ENTRIES_OPEN_MAX - 1)
    assert not open_batches.room_for(1, ahead=ENTRIES_OPEN_MAX)


def test_a_read_waits_until_its_index_is_applied():
    reads = OpenReads()
    reads.at(7, "late")
    reads.at(5, "early")
    assert reads.due(4) == []
    assert reads.due(6) == ["early"]
    assert reads.due(7) == ["late"]


def test_reads_of_a_quorum_round_wait_for_its_end_and_then_for_its_index():
    reads = OpenReads()
    first, second = reads.round(["a", "b"]), reads.round(["c"])
    assert first != second
    reads.confirmed(first, 3)
    assert sorted(reads.due(3)) == ["a", "b"]
    assert reads.dropped(second) == ["c"]
    reads.at(9, "d")
    assert reads.lose_all() == ["d"]

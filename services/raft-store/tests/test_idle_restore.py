"""When the leader gives a restore up."""

from lictor_raft_store.leader_duties.idle_restore import IDLE_S, IdleRestore
from lictor_state import Envelope, Store, apply, apply_noop, dump_stream
from lictor_state.commands import KVSet, RestoreAbort, RestoreBegin, RestoreChunk


def test_a_restore_is_given_up_when_nothing_came_for_a_while_and_not_before():
    store, watch = Store("c"), IdleRestore()
    store.raise_level(2)
    apply_noop(store, 1)
    apply(store, 2, Envelope(0, 0, 0, KVSet("a", b"1")))
    header, body = dump_stream(store, "all")
    assert watch.judge(store, 0.0) is None
    apply(store, 3, Envelope(0, 0, 0, RestoreBegin("r", header)))
    assert watch.judge(store, 10.0) is None
    assert watch.judge(store, 10.0 + IDLE_S - 1) is None
    apply(store, 4, Envelope(0, 0, 0, RestoreChunk("r", 0, body[:10])))
    assert watch.judge(store, 10.0 + IDLE_S) is None, "it went on"
    assert watch.judge(store, 10.0 + 2 * IDLE_S) == RestoreAbort("r")
    apply(store, 5, Envelope(0, 0, 0, RestoreAbort("r")))
    assert watch.judge(store, 10.0 + 3 * IDLE_S) is None


def test_a_new_leader_counts_anew():
    store = Store("c")
    store.raise_level(2)
    apply_noop(store, 1)
    apply(store, 2, Envelope(0, 0, 0, RestoreBegin("r", next(dump_stream(store, "all")))))
    watch = IdleRestore()
    assert watch.judge(store, 1000.0) is None
    assert watch.judge(store, 1000.0 + IDLE_S) == RestoreAbort("r")

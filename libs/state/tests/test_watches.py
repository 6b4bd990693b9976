from typing import Any

from lictor_state import Table, Token, Watches, watches
from lictor_state.commands import KVDelete, KVDeleteTree, KVSet

ROW: Token = ("row", Table.KV, ("a/b",))


def _counter() -> Any:
    calls = []
    return calls, lambda: calls.append(1)


def test_a_watch_fires_once_however_many_of_its_tokens_are_touched() -> None:
    calls, wake = _counter()
    subject = Watches()
    subject.add([ROW, ("kv-prefix", "a/"), ("table", Table.KV)], wake)
    subject.note((Table.KV, ("a/b",)))
    subject.note((Table.KV, ("a/c",)))
    assert calls == []
    subject.fire()
    assert calls == [1]
    subject.note((Table.KV, ("a/b",)))
    subject.fire()
    assert calls == [1]
    assert len(subject) == 0


def test_a_removed_watch_stays_asleep_and_removing_twice_is_fine() -> None:
    calls, wake = _counter()
    subject = Watches()
    watch = subject.add([ROW, ("kv-prefix", "a/")], wake)
    subject.note((Table.KV, ("a/b",)))
    subject.remove(watch)
    subject.remove(watch)
    subject.fire()
    assert calls == []


def test_a_prefix_watch_wakes_only_for_keys_below_it() -> None:
    calls, wake = _counter()
    subject = Watches()
    subject.add([("kv-prefix", "app/")], wake)
    for key in ("ap", "app", "apple/x", "b"):
        subject.note((Table.KV, (key,)))
    subject.fire()
    assert calls == []
    subject.note((Table.KV, ("app/x",)))
    subject.fire()
    assert calls == [1]


def test_too_many_tokens_widen_to_tables() -> None:
    calls, wake = _counter()
    subject = Watches()
    watch = subject.add((("row", Table.KV, (str(n),)) for n in range(watches.TOKENS_MAX + 1)), wake)
    assert watch.tokens == (("table", Table.KV),)
    subject.note((Table.KV, ("any",)))
    subject.fire()
    assert calls == [1]


def test_fire_all_wakes_everybody() -> None:
    calls, wake = _counter()
    subject = Watches()
    subject.add([ROW], wake)
    subject.add([("table", Table.NODES)], wake)
    subject.fire_all()
    assert calls == [1, 1]


def test_a_woken_reader_sees_the_whole_index(state: Any, follower: Any) -> None:
    seen = []
    follower.store.watches.add(
        [("row", Table.KV, ("a",))], lambda: seen.append((follower.store.index, follower.store.index_of("kv")))
    )
    state.do(KVSet("a", b"1"))
    follower.follow(state.last)
    assert seen == [(1, 1)]


def test_an_identical_write_wakes_nobody(state: Any) -> None:
    state.do(KVSet("a", b"1"))
    calls, wake = _counter()
    state.store.watches.add([("row", Table.KV, ("a",)), ("table", Table.INDEXES), ("kv-prefix", "")], wake)
    state.do(KVSet("a", b"1"))
    state.do(KVDelete("missing"))
    state.do(KVDeleteTree("missing/"))
    assert calls == []
    state.do(KVDelete("a"))
    assert calls == [1]

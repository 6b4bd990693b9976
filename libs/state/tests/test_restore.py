"""Archives: saved, inspected, and restored through the log beside everything else that goes on."""

from typing import Any

import msgspec
import pytest

from lictor_state import STREAMS, CodecError, Store, Table, apply, apply_noop, dump, dump_stream, restore
from lictor_state import commands as c
from lictor_state.archive import inspect
from lictor_state.codec import decode_envelope, encode_envelope
from lictor_state.levels import LEVEL_MAX
from lictor_state.queries import agent, config, health, kv, members, node, nodes, services, sessions
from lictor_state.rows import MetaRow
from lictor_state.snapshot import FORMAT, Header
from lictor_state.staging import CHUNK_BYTES_MAX, RestoreDigest, Staging

pack = msgspec.msgpack.encode


class Log:
    """A store of its own cluster, fed entry by entry."""

    def __init__(self, cluster: str = "ours") -> None:
        self.store = Store(cluster)
        self.at = 1
        apply_noop(self.store, 1)

    def do(self, command: Any, proposer: int = 0, number: int = 0) -> Any:
        self.at += 1
        envelope = decode_envelope(encode_envelope(c.Envelope(proposer, number, 0, command)))
        return apply(self.store, self.at, envelope)


def archive(store: Store) -> tuple[bytes, bytes]:
    header, *parts = dump_stream(store, "all")
    return header, b"".join(parts)


def digest(header: bytes, data: bytes) -> str:
    total = RestoreDigest(header)
    total.add(data)
    return total.hex()


def send(log: Log, header: bytes, data: bytes, chunk: int = 100) -> Any:
    assert log.do(c.RestoreBegin("r", header)).result.value is True
    for number, at in enumerate(range(0, len(data), chunk)):
        assert log.do(c.RestoreChunk("r", number, data[at : at + chunk])).result.value is True
    return log.do(c.RestoreCommit("r", digest(header, data)))


def under_way(log: Log) -> bool:
    return log.store.restoring is not None


def saved(keys: int = 5, cluster: str = "theirs", level: int = 1) -> tuple[bytes, bytes]:
    other = Log(cluster)
    for number in range(keys):
        other.do(c.KVSet(f"k{number}", b"archived"))
    other.store.raise_level(level)
    return archive(other.store)


def test_the_archived_rows_replace_all_others_in_one_entry() -> None:
    log = Log()
    log.do(c.KVSet("mine", b"1"))
    log.do(c.KVSet("k1", b"mine"))
    done = send(log, *saved())
    assert done.restored
    assert done.changes == ()
    assert [row.key for row in kv.entries(log.store, "").value] == ["k0", "k1", "k2", "k3", "k4"]
    assert log.store.kv("k1").value == b"archived"  # type: ignore[union-attr]  # it is listed
    assert log.store.restoring is None


def test_cluster_level_and_proposers_stay_and_the_epoch_rises() -> None:
    log = Log()
    proposer = log.do(c.RegisterProposer("p")).index
    wrote = log.do(c.KVSet("mine", b"1"), proposer, 1)
    log.store.level = LEVEL_MAX - 1
    other = Log("theirs")
    other.store.level = LEVEL_MAX - 2
    other.do(c.RegisterProposer("old"))
    other.do(c.KVSet("a", b"1"), 2, 7)
    send(log, *archive(other.store))
    meta = log.store.meta
    assert (meta.cluster_id, meta.level, meta.epoch) == ("ours", LEVEL_MAX - 1, 2)
    again = log.do(c.KVSet("mine", b"1"), proposer, 1)
    assert (again.index, again.result.value) == (wrote.index, True)
    assert log.store.kv("mine") is None
    assert len(log.store.proposers) == 1


def test_instances_of_an_archive_that_is_older_than_virtual_addresses_get_theirs() -> None:
    spec = c.ServiceSpec("web", "web", native=True)
    other = Log("theirs")
    other.store = Store("theirs", 2)
    other.do(c.CatalogRegister("n1", "10.0.0.1", "dc1", service=spec))
    log = Log()
    done = send(log, *archive(other.store))
    assert (done.restored, done.changes) == (True, ())
    row = log.store.service("n1", "web")
    assert row is not None
    assert row.tagged_addresses["consul-virtual"].address == "240.0.0.1"
    assert (row.create_index, row.modify_index) == (2, log.store.index)
    assert log.do(c.CatalogRegister("n1", "10.0.0.1", "dc1", service=spec)).changes == ()
    assert restore(dump(log.store)).digest() == log.store.digest(), "what was given is in the digest"


def test_a_members_dump_revives_no_proposers_either() -> None:
    other = Log("theirs")
    other.do(c.RegisterProposer("old"))
    header, *parts = dump(other.store)
    log = Log()
    send(log, header, b"".join(parts))
    assert len(log.store.proposers) == 0


@pytest.mark.parametrize("keys", [1, 500])
def test_the_new_index_is_above_every_old_and_every_archived_one(keys: Any) -> None:
    log = Log()
    for number in range(50):
        log.do(c.KVSet(f"x{number}", b"1"))
    before = log.store.index
    header, data = saved(keys)
    done = send(log, header, data)
    archived = inspect([header, data]).index
    assert done.index == log.store.index == done.result.value > max(before, archived)
    assert log.do(c.KVSet("a", b"1")).index == done.index + 1
    assert log.store.meta.stream_last == dict.fromkeys(STREAMS, done.index) | {"all": done.index + 1}


def test_no_read_reports_an_index_below_the_restore() -> None:
    log = Log()
    for number in range(50):
        log.do(c.KVSet("k0", str(number).encode()))
    seen = kv.key(log.store, "k0").index
    done = send(log, *saved())
    store = log.store
    answers = (
        kv.key(store, "k0"),
        kv.key(store, "none"),
        kv.entries(store, "k"),
        kv.entries(store, ""),
        health.service(store, "web"),
        health.checks(store, "web"),
        services.services(store),
        nodes.nodes(store),
        node.node(store, "n1"),
        agent.services(store, "n1"),
        agent.service(store, "n1", "web"),
        members.members(store),
        config.entry(store, "service-defaults", "web"),
        sessions.info(store, "none"),
        sessions.sessions(store),
    )
    for answer in answers:
        assert answer.index == done.index > seen
    assert log.store.kv("k0").modify_index < seen  # type: ignore[union-attr]  # the row itself is as it was saved
    log.do(c.KVSet("k0", b"new"))
    assert kv.key(log.store, "k0").index == done.index + 1


def test_every_waiter_wakes_at_the_commit_and_none_before() -> None:
    log = Log()
    woken: list[str] = []
    log.store.watches.add([("row", Table.KV, ("nothing",))], lambda: woken.append("row"))
    log.store.watches.add([("kv-prefix", "none/")], lambda: woken.append("prefix"))
    header, data = saved()
    log.do(c.RestoreBegin("r", header))
    log.do(c.RestoreChunk("r", 0, data))
    assert len(log.store.watches) == 2
    log.do(c.RestoreCommit("r", digest(header, data)))
    assert woken == ["row", "prefix"]


def test_writes_between_the_chunks_are_answered_and_then_replaced() -> None:
    log = Log()
    header, data = saved()
    log.do(c.RestoreBegin("r", header))
    assert log.do(c.KVSet("between", b"1")).result.value is True
    assert kv.key(log.store, "between").value is not None
    log.do(c.RestoreChunk("r", 0, data))
    log.do(c.RestoreCommit("r", digest(header, data)))
    assert log.store.kv("between") is None


def test_a_restore_under_way_says_when_it_began_and_was_last_heard_of() -> None:
    log = Log()
    header, data = saved()
    begun = log.do(c.RestoreBegin("r", header)).index
    log.do(c.KVSet("a", b"1"))
    last = log.do(c.RestoreChunk("r", 0, data[:50])).index
    log.do(c.KVSet("b", b"1"))
    staged = log.store.restoring
    assert staged is not None
    assert (staged.restore_id, staged.begun_at, staged.last_at) == ("r", begun, last)


def test_the_digest_covers_what_is_staged() -> None:
    first, second = Log(), Log()
    header, data = saved()
    other = data[:-20] + b"x" * 20
    for log, sent in ((first, data), (second, other)):
        log.do(c.RestoreBegin("r", header))
        log.do(c.RestoreChunk("r", 0, sent[:-30]))
    assert first.store.digest() == second.store.digest()
    first.do(c.RestoreChunk("r", 1, data[-30:-25]))
    assert first.store.digest() != second.store.digest()
    first.do(c.RestoreAbort("r"))
    second.do(c.RestoreAbort("r"))
    assert first.store.digest() == second.store.digest()


def test_a_new_restore_replaces_an_older_one_and_an_abort_ends_only_its_own() -> None:
    log = Log()
    header, data = saved()
    log.do(c.RestoreBegin("old", header))
    log.do(c.RestoreBegin("new", header))
    assert "not under way" in log.do(c.RestoreChunk("old", 0, data)).result.error
    assert "not under way" in log.do(c.RestoreCommit("old", "")).result.error
    assert log.do(c.RestoreAbort("old")).result.value is False
    assert under_way(log)
    assert log.do(c.RestoreAbort("new")).result.value is True
    assert not under_way(log)
    assert "not under way" in log.do(c.RestoreCommit("new", digest(header, data))).result.error


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"", "snapshot: "),
        (b"\x1f\x8b", "snapshot: "),
        (pack(Header(FORMAT + 1, 9, MetaRow("c"))), "snapshot: format 2, this build reads 1"),
        (pack(Header(FORMAT, 9, MetaRow("c", level=9))), "upgrade it first"),
        (pack(Header(FORMAT, 0, MetaRow("c"))), "snapshot: index 0"),
        (pack(Header(FORMAT, 1 << 62, MetaRow("c"))), "snapshot: index"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_and_stages_nothing(header: Any, error: Any) -> None:
    log = Log()
    result = log.do(c.RestoreBegin("r", header)).result
    assert error in result.error
    assert result.status == 400
    assert log.store.restoring is None


def _records(*bodies: Any) -> bytes:
    records = [pack(body) for body in bodies]
    return b"".join(len(record).to_bytes(4, "big") + record for record in records)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        _records([0, [int(Table.TOMBSTONES), ["a"], ["b", 1]]]),
        _records([0, [int(Table.SERVICES), ["n"], ["n", "w", "web"]]]),
        _records([0, [int(Table.CHECKS), ["n", "c"], ["n", "c", "c", "sideways"]]]),
        _records([0, [int(Table.KV), ["a"], [5]]]),
        _records([0, [int(Table.KV), ["a"], ["a", b"1"]]], [0, [int(Table.KV), ["a"], ["a", b"2"]]]),
        _records([2, 1]),
        _records([2, 0]) + b"more",
    ],
)
def test_damaged_data_is_refused_and_gives_the_restore_up(data: Any) -> None:
    log = Log()
    log.do(c.KVSet("mine", b"1"))
    log.do(c.RestoreBegin("r", saved()[0]))
    result = log.do(c.RestoreChunk("r", 0, data)).result
    assert result.error
    assert result.status == 400
    assert log.store.restoring is None
    assert log.store.kv("mine") is not None


def test_chunks_come_in_order_and_are_bounded() -> None:
    log = Log()
    header, data = saved()
    log.do(c.RestoreBegin("r", header))
    assert log.do(c.RestoreChunk("r", 1, data)).result.error == "restore: chunk 1 where 0 was due"
    assert "bytes, at most" in log.do(c.RestoreChunk("r", 0, b"x" * (CHUNK_BYTES_MAX + 1))).result.error
    log.do(c.RestoreChunk("r", 0, data))
    assert log.do(c.RestoreCommit("r", digest(header, data))).restored


@pytest.mark.parametrize(("keep", "wrong"), [(-1, False), (0, False), (None, True)])
def test_what_is_incomplete_or_not_what_was_sent_is_not_put_in_place(keep: Any, wrong: Any) -> None:
    log = Log()
    log.do(c.KVSet("mine", b"1"))
    header, data = saved()
    sent = data if keep is None else data[:keep]
    log.do(c.RestoreBegin("r", header))
    log.do(c.RestoreChunk("r", 0, sent))
    done = log.do(c.RestoreCommit("r", "00" if wrong else digest(header, sent)))
    assert done.result.status == 400
    assert done.result.error
    assert not done.restored
    assert log.store.restoring is None
    assert log.store.kv("mine") is not None


def test_more_than_may_be_staged_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr("lictor_state.staging.STAGED_BYTES_MAX", 100)
    log = Log()
    header, data = saved()
    log.do(c.RestoreBegin("r", header))
    assert log.do(c.RestoreChunk("r", 0, data[:101])).result.error == "snapshot: more than 100 bytes"


def test_an_archive_tells_what_is_in_it() -> None:
    contents = inspect(saved())
    assert (contents.index, contents.epoch, contents.cluster_id, contents.level) == (6, 1, "theirs", LEVEL_MAX)
    assert contents.tables[Table.KV].rows == 5
    assert contents.bytes == sum(size.bytes for size in contents.tables.values()) > 0


@pytest.mark.parametrize("cut", [-1, 10])
def test_inspecting_a_damaged_archive_raises(cut: Any) -> None:
    header, data = saved()
    with pytest.raises(CodecError):
        inspect([header, data[:cut]])
    with pytest.raises(CodecError):
        inspect([])


def test_a_state_replaced_is_let_go_of_step_by_step(monkeypatch: Any) -> None:
    monkeypatch.setattr("lictor_state.store.RETIRED_STEP", 3)
    log = Log()
    for number in range(10):
        log.do(c.KVSet(f"x{number}", b"1"))
    send(log, *saved())
    for number in range(60):
        log.do(c.KVSet(f"y{number}", b"1"))
    assert log.store._retired == []
    assert log.store.count(Table.KV) == 65


def test_staging_alone_reads_what_was_saved() -> None:
    header, data = saved()
    staging = Staging(1, "r", header)
    for at in range(0, len(data), 7):
        staging.take(2, data[at : at + 7])
    assert staging.finish().count(Table.KV) == 5


def test_a_cut_taken_before_the_restore_still_reads_what_was_there() -> None:
    log = Log()
    for number in range(10):
        log.do(c.KVSet(f"x{number}", b"1"))
    before = {(table, key): row for table in Table for key, row in log.store.rows(table) if table is not Table.META}
    cut = log.store.cut(Table)
    log.do(c.KVSet("x1", b"2"))
    send(log, *saved())
    for number in range(10):
        log.do(c.KVSet(f"k{number}", b"2"))
    assert {(table, key): row for table, key, row in cut} == before

"""Transactions: every verb and text, all or nothing, and random ones against a model that copies before it writes."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_state import CodecError, Store, apply, apply_noop
from lictor_state import commands as c
from lictor_state.apply_txn import OPS_MAX, TOO_MUCH
from lictor_state.codec import decode_envelope, encode_envelope
from lictor_state.go_quoting import quoted
from lictor_state.rows import IndexRow, KVRow, Table
from lictor_state.txn_outcome import RESULTS_BYTES_MAX, Outcome, TxnError, answer_bytes_max, decode_outcome
from lictor_state.txn_reads import is_read_only, run_reads

ID = "11111111-2222-4333-8444-555555555555"


def key(verb: str, name: str = "a", **more: Any) -> c.TxnKV:
    return c.TxnKV(verb, name, **more)


def node(verb: str, name: str = "n1", index: int = 0, **more: Any) -> c.TxnNode:
    return c.TxnNode(verb, c.CatalogRegister(name, more.pop("address", "10.0.0.1"), "dc1", **more), index)


def service(verb: str, service_id: str = "web-1", on: str = "n1", index: int = 0, **more: Any) -> c.TxnService:
    return c.TxnService(verb, on, c.ServiceSpec(service_id, more.pop("name", "web"), **more), index)


def check(verb: str, check_id: str = "c1", on: str = "n1", index: int = 0, **more: Any) -> c.TxnCheck:
    return c.TxnCheck(verb, c.CheckSpec(check_id, "check", more.pop("status", "passing"), node=on, **more), index)


def run(state: Any, *ops: c.TxnOp) -> Outcome:
    return decode_outcome(state.do(c.Txn(ops)).more)


@pytest.fixture
def filled(state: Any) -> Any:
    """Index 1: node n1 with web-1 and c1; 2 and 3: sessions; 4: a=1; 5: b, locked; 6: a key in lock delay."""
    state.register(service="web", service_id="web-1", checks=(c.CheckSpec("c1", "check", "passing"),))
    state.do(c.SessionCreate("s-1", "n1"))
    state.do(c.SessionCreate("s-2", "n1"))
    state.do(c.KVSet("a", b"1", flags=7))
    state.do(c.KVSet("b", b"2", acquire="s-1"))
    state.do(c.KVSet("late", b"3", acquire="s-2"))
    state.do(c.SessionDestroy("s-2"))
    return state


FAILS: list[tuple[Any, str]] = [
    (key("get", "nope"), 'key "nope" doesn\'t exist'),
    (key("cas", index=1), 'failed to set key "a", index is stale'),
    (key("cas"), 'failed to set key "a", index is stale'),
    (key("cas", "nope", index=3), 'failed to set key "nope", index is stale'),
    (key("lock"), "missing session"),
    (key("lock", session="s-9"), 'invalid session "s-9"'),
    (key("lock", "b", session="s-9"), 'invalid session "s-9"'),
    (key("lock", "late", session="s-1"), 'failed to lock key "late" due to lock delay'),
    (key("unlock"), "missing session"),
    (key("unlock", session="s-1"), 'failed to unlock key "a", lock isn\'t held, or is held by another session'),
    (key("unlock", "nope", session="s-1"), 'failed to unlock key "nope", lock isn\'t held, or is held by another session'),
    (key("unlock", "b", session="s-9"), 'failed to unlock key "b", lock isn\'t held, or is held by another session'),
    (key("delete-cas", index=1), 'failed to delete key "a", index is stale'),
    (key("check-index", index=3), 'failed index check for key "a", current modify index 4 != 3'),
    (key("check-index", "nope"), 'failed to check index, key "nope" doesn\'t exist'),
    (key("check-session", "b", session="s-9"), 'failed session check for key "b", current session "s-1" != "s-9"'),
    (key("check-session", "nope", session="s-1"), 'failed to check session, key "nope" doesn\'t exist'),
    (key("check-not-exists"), 'key "a" exists'),
    (key("bogus"), 'unknown KV verb "bogus"'),
    (node("get", "nope"), 'node "nope" doesn\'t exist'),
    (node("get", node_id=ID), 'node "n1" doesn\'t exist'),
    (node("cas", index=9), 'failed to set node "n1", index is stale'),
    (node("cas"), 'failed to set node "n1", index is stale'),
    (node("cas", "nope", index=9), 'failed to set node "nope", index is stale'),
    (node("delete-cas", index=9), 'failed to delete node "n1", index is stale'),
    (node("delete-cas", "nope"), 'failed to delete node "nope", index is stale'),
    (node(""), 'unknown Node verb ""'),
    (service("get", "nope"), 'service "nope" on node "n1" doesn\'t exist'),
    (service("get", on="nope"), 'service "web-1" on node "nope" doesn\'t exist'),
    (service("set", on="nope"), "Missing node registration"),
    (service("cas", "new", on="nope"), "Missing node registration"),
    (service("cas", index=9), 'failed to set service "web-1" on node "n1", index is stale'),
    (service("cas"), 'failed to set service "web-1" on node "n1", index is stale'),
    (service("delete-cas", index=9), 'failed to delete service "web-1" on node "n1", index is stale'),
    (service("delete-cas", "nope"), 'failed to delete service "nope" on node "n1", index is stale'),
    (service("bogus"), 'unknown Service verb "bogus"'),
    (check("get", "nope"), 'check "nope" on node "n1" doesn\'t exist'),
    (check("set", on="nope"), "Missing node registration"),
    (check("set", service_id="nope"), "Missing service registration"),
    (check("set", status="sideways"), "Bad check status"),
    (check("cas", index=9), 'failed to set check "c1" on node "n1", index is stale'),
    (check("delete-cas", index=9), 'failed to delete check "c1" on node "n1", index is stale'),
    (check("delete-cas", "nope"), 'failed to delete check "nope" on node "n1", index is stale'),
    (check("bogus"), 'unknown Check verb "bogus"'),
]  # fmt: skip


@pytest.mark.parametrize(("op", "what"), FAILS)
def test_an_operation_that_fails_says_so_in_consuls_words_and_undoes_the_others(
    filled: Any, op: Any, what: str
) -> None:
    digest, index = filled.store.digest(), filled.index("kv")
    result = filled.do(c.Txn((key("set", "new", value=b"x"), op, node("set", "n9"), service("set", "s9", on="n9"))))
    assert (result.error, result.status) == ("transaction rolled back", 409)
    assert decode_outcome(result.more) == Outcome(errors=(TxnError(1, what),))
    assert filled.last.changes == ()
    assert (filled.store.digest(), filled.index("kv")) == (digest, index)


def test_every_failing_operation_is_told_with_its_own_number(filled: Any) -> None:
    ops = (key("set", "n"), key("get", "x"), key("cas", index=1), key("get", "n"), key("get", "y"))
    assert [one.op_index for one in run(filled, *ops).errors] == [1, 2, 4]


def test_keys_in_lock_delay_are_judged_before_anything_is_tried(filled: Any) -> None:
    outcome = run(filled, key("get", "nope"), key("lock", "late", session="s-1"), key("lock", "late", session="s-9"))
    assert [(one.op_index, one.what[-10:]) for one in outcome.errors] == [(1, "lock delay"), (2, "lock delay")]


def entry(name: str, value: bytes | None, *rest: Any) -> KVRow:
    return KVRow(name, value, *rest)


WORKS: list[tuple[Any, list[Any]]] = [
    (key("get"), [entry("a", b"1", 7, 0, "", 4, 4)]),
    (key("get-or-empty", "nope"), [entry("nope", None)]),
    (key("get-or-empty"), [entry("a", b"1", 7, 0, "", 4, 4)]),
    (key("get-tree", ""), [entry("a", b"1", 7, 0, "", 4, 4), entry("b", b"2", 0, 1, "s-1", 5, 5), entry("late", b"3", 0, 1, "", 6, 7)]),
    (key("get-tree", "nope"), []),
    (key("check-index", index=4), [entry("a", None, 7, 0, "", 4, 4)]),
    (key("check-session", "b", session="s-1"), [entry("b", None, 0, 1, "s-1", 5, 5)]),
    (key("check-not-exists", "nope"), []),
    (key("set", value=b"2"), [entry("a", None, 0, 0, "", 4, 8)]),
    (key("set", value=b"1", flags=7), [entry("a", None, 7, 0, "", 4, 4)]),
    (key("set", "new"), [entry("new", None, 0, 0, "", 8, 8)]),
    (key("set", "b", value=b"9"), [entry("b", None, 0, 1, "s-1", 5, 8)]),
    (key("cas", index=4, value=b"2"), [entry("a", None, 0, 0, "", 4, 8)]),
    (key("cas", "new"), [entry("new", None, 0, 0, "", 8, 8)]),
    (key("lock", session="s-1"), [entry("a", None, 0, 1, "s-1", 4, 8)]),
    (key("lock", "b", session="s-1", value=b"3"), [entry("b", None, 0, 1, "s-1", 5, 8)]),
    (key("unlock", "b", session="s-1", value=b"2"), [entry("b", None, 0, 1, "", 5, 8)]),
    (key("delete"), []),
    (key("delete", "nope"), []),
    (key("delete-cas", index=4), []),
    (key("delete-cas", "nope", index=4), []),
    (key("delete-tree", ""), []),
    (node("delete"), []),
    (node("delete", "nope"), []),
    (node("delete-cas", index=1), []),
    (service("delete"), []),
    (service("delete", "nope", on="nope"), []),
    (service("delete-cas", index=1), []),
    (check("delete"), []),
    (check("delete", "nope"), []),
    (check("delete-cas", index=1), []),
]  # fmt: skip


@pytest.mark.parametrize(("op", "shown"), WORKS)
def test_an_operation_shows_what_consuls_does(filled: Any, op: Any, shown: Any) -> None:
    assert run(filled, op) == Outcome(tuple(shown))


@pytest.mark.parametrize("op", [op for op, _ in WORKS if "delete" in op.verb and not isinstance(op, c.TxnKV)])
def test_what_is_deleted_is_gone_with_all_that_hangs_on_it(filled: Any, op: Any) -> None:
    run(filled, op)
    there = [filled.store.node("n1"), filled.store.service("n1", "web-1"), filled.store.check("n1", "c1")]
    gone = [0, 1, 2] if isinstance(op, c.TxnNode) else [1] if isinstance(op, c.TxnService) else [2]
    gone = [] if "nope" in str(op) else gone
    assert [number for number, row in enumerate(there) if row is None] == gone


@pytest.mark.parametrize("verb", ["set", "cas"])
def test_nodes_services_and_checks_are_written_and_shown_as_they_are_kept(state: Any, verb: Any) -> None:
    ops = (node(verb, node_id=ID), service(verb), check(verb, service_id="web-1"))
    rows = run(state, *ops).results
    kept = (state.store.node("n1"), state.store.service("n1", "web-1"), state.store.check("n1", "c1"))
    assert rows == kept
    assert {(row.create_index, row.modify_index) for row in kept} == {(1, 1)}
    assert kept[2].service_name == "web"
    again = (
        node("cas", index=1, address="2.2.2.2"),
        service("cas", index=1, port=80),
        check("cas", index=1, output="o"),
    )
    assert [row.modify_index for row in run(state, *again).results] == [2, 2, 2]
    gets = (node("get", "other", node_id=ID), service("get", on="N1"), check("get", on="N1"))
    assert run(state, key("set"), *gets).results[1:] == run_reads(state.store, gets).results
    assert state.index("service.web") == 2


def test_a_nodes_name_that_a_living_one_has_is_refused_without_the_words_of_a_registration(state: Any) -> None:
    state.do(c.AgentJoin("n1", ID, "run", "1.1.1.1", 8301, "dc1"))
    (error,) = run(state, node("set", node_id=ID[:-1] + "6")).errors
    assert error.what.startswith(f'Error while renaming Node ID: "{ID[:-1]}6": Node name n1 is reserved by node {ID}')


def test_each_operation_sees_what_those_before_it_wrote(state: Any) -> None:
    ops = (
        key("set", value=b"1"), key("get"), key("set", value=b"2"), key("get"), key("check-index", index=1),
        key("delete"), key("check-not-exists"), key("get-or-empty"),
    )  # fmt: skip
    rows = run(state, *ops).results
    assert [row.value for row in rows] == [None, b"1", None, b"2", None, None]  # type: ignore[union-attr]  # all keys
    assert state.store.kv("a") is None
    assert state.store.count(Table.TOMBSTONES) == 1


def test_a_critical_check_in_a_transaction_ends_its_session_and_the_lock_is_gone_at_once(filled: Any) -> None:
    filled.do(c.SessionCreate("s-3", "n1", node_checks=("c1",)))
    filled.do(c.KVSet("held", b"1", acquire="s-3"))
    outcome = run(filled, check("set", status="critical"), key("get", "held"), key("lock", "held", session="s-1"))
    assert [one.what for one in outcome.errors] == ['failed to lock key "held", lock is already held']
    assert filled.store.session("s-3") is not None


def test_vaults_first_transaction_reads_one_missing_key_128_times(state: Any) -> None:
    ops = (key("get-or-empty", "vault/probe"),) * OPS_MAX
    assert is_read_only(ops)
    for outcome in (run_reads(state.store, ops), run(state, *ops)):
        assert outcome == Outcome((KVRow("vault/probe", None),) * OPS_MAX)


@pytest.mark.parametrize("count", [0, OPS_MAX + 1])
def test_no_more_operations_than_consul_takes_and_not_none(state: Any, count: int) -> None:
    result = state.do(c.Txn((key("set"),) * count))
    assert (result.status, result.more) == (413, b"")
    assert result.error == f"Transaction contains too many operations ({count} > 128)"


def test_results_have_a_bound_that_names_the_operation_which_broke_it(state: Any) -> None:
    state.do(c.KVSet("big", b"x" * 500_000))
    outcome = run(state, key("set"), key("get", "big"), key("get", "big"), key("get", "big"))
    assert outcome.errors == (TxnError(2, TOO_MUCH),)
    assert state.store.kv("a") is None
    ops = (key("set"), key("get", "big"))
    result = state.do(c.Txn(ops))
    assert len(decode_outcome(result.more).results) == 2
    assert len(result.more) <= RESULTS_BYTES_MAX
    assert len(run_reads(state.store, (key("get", "big"),) * 3).results) == 3, "from a view there is no such bound"


def test_how_long_an_answer_may_become_is_known_beforehand(state: Any) -> None:
    for ops in (
        (key("set", "k" * 400, session="s" * 36),) * OPS_MAX,
        (key("set", "k"), key("delete", "k"), key("cas", "k")),
    ):
        command = c.Txn(ops)
        sent = len(encode_envelope(c.Envelope(1, 2, 3, command)))
        assert len(state.do(command).more) <= answer_bytes_max(command, sent) < RESULTS_BYTES_MAX
    assert (
        answer_bytes_max(c.Txn((key("get"),)), 50) == answer_bytes_max(c.Txn((node("set"),)), 50) == RESULTS_BYTES_MAX
    )
    assert answer_bytes_max(c.KVSet("a", b"x" * 1000), 1010) < 100


@pytest.mark.parametrize(
    ("ops", "only"),
    [
        ([], True),
        ([key("get"), key("get-tree"), key("check-session"), key("get-or-empty")], True),
        ([key("bogus")], True),
        ([node("get"), service("get"), check("get")], True),
        ([node("bogus")], False),
        ([key("get"), key("delete-tree")], False),
        ([check("get"), service("cas")], False),
    ],
)
def test_what_only_reads_needs_no_entry_of_the_log(ops: Any, only: bool) -> None:
    assert is_read_only(ops) is only


@pytest.mark.parametrize("data", [b"", b"\xc1", msgspec.msgpack.encode([[[99, [1]]], []])])
def test_bytes_that_are_no_outcome_are_an_error(data: Any) -> None:
    with pytest.raises(CodecError):
        decode_outcome(data)


def test_an_outcome_of_rows_that_no_transaction_shows_is_an_error() -> None:
    data = msgspec.msgpack.encode([[[int(Table.INDEXES), IndexRow("kv", 3)]], []])
    with pytest.raises(CodecError, match="IndexRow"):
        decode_outcome(data)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('a"\\', '"a\\"\\\\"'),
        ("\n\t\x00\x7f", '"\\n\\t\\x00\\x7f"'),
        ("ü\u2028\U000e0001", '"ü\\u2028\\U000e0001"'),
    ],
)
def test_names_are_quoted_as_go_does(text: str, shown: str) -> None:
    assert quoted(text) == shown


# --- random transactions against a model

KEYS = st.sampled_from(["a", "a/b", "a/c", "b"])
VALUES = st.sampled_from([None, b"1", b"2"])
INDEXES = st.integers(0, 12)
SESSIONS = st.sampled_from(["", "s-1", "s-2", "s-9"])
VERBS = [
    "set", "set", "cas", "lock", "unlock", "get", "get-or-empty", "get-tree", "check-index", "check-session",
    "check-not-exists", "delete", "delete-cas", "delete-tree",
]  # fmt: skip
operations = st.builds(c.TxnKV, st.sampled_from(VERBS), KEYS, VALUES, st.sampled_from([0, 7]), INDEXES, SESSIONS)
transactions = st.lists(operations, min_size=1, max_size=5).map(lambda ops: c.Txn(tuple(ops)))


class Model:
    """A dict of keys; a transaction works on a copy that is kept if nothing failed."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    def run(self, index: int, ops: Any) -> tuple[list[int], list[Any]]:
        rows = copy.deepcopy(self.rows)
        failed: list[int] = []
        shown: list[Any] = []
        for number, op in enumerate(ops):
            result = self._do(rows, index, op)
            if result is None:
                failed.append(number)
            else:
                shown += result
        if not failed:
            self.rows = rows
        return failed, [] if failed else shown

    def _do(self, rows: Any, index: int, op: Any) -> Any:
        row = rows.get(op.key)
        at = row["modify"] if row else 0
        match op.verb:
            case "get":
                return [(op.key, row["value"])] if row else None
            case "get-or-empty":
                return [(op.key, row["value"] if row else None)]
            case "get-tree":
                return [(name, rows[name]["value"]) for name in sorted(rows) if name.startswith(op.key)]
            case "check-index":
                return [(op.key, None)] if row and at == op.index else None
            case "check-session":
                return [(op.key, None)] if row and row["session"] == op.session else None
            case "check-not-exists":
                return None if row else []
            case "delete-cas" if row and at != op.index:
                return None
            case "delete" | "delete-cas":
                rows.pop(op.key, None)
                return []
            case "delete-tree":
                for name in [name for name in rows if name.startswith(op.key)]:
                    del rows[name]
                return []
        session = row["session"] if row else ""
        if (op.verb == "cas" and at != op.index) or (op.verb in {"lock", "unlock"} and not op.session):
            return None
        if op.verb == "lock":
            if op.session == "s-9" or (session and session != op.session):
                return None
            session = op.session
        if op.verb == "unlock":
            if not row or session != op.session:
                return None
            session = ""
        new = {"value": op.value, "flags": op.flags, "session": session, "modify": at}
        if row != new:
            rows[op.key] = new | {"modify": index}
        return [(op.key, None)]


@settings(max_examples=150, deadline=None)
@given(st.lists(transactions, min_size=1, max_size=12))
def test_random_transactions_do_what_the_model_does_and_two_runs_are_equal(history: Any) -> None:
    stores = [Store("cluster"), Store("cluster")]
    for store in stores:
        apply_noop(store, 1)
        register = c.CatalogRegister("n1", "1.1.1.1", "dc1")
        first: list[c.Command] = [register, c.SessionCreate("s-1", "n1"), c.SessionCreate("s-2", "n1")]
        for number, command in enumerate(first, 2):
            apply(store, number, c.Envelope(0, 0, 0, command))
    model = Model()
    for index, command in enumerate(history, 5):
        entry = decode_envelope(encode_envelope(c.Envelope(0, 0, 0, command)))
        done, again = [apply(store, index, entry) for store in stores]
        assert done == again
        failed, shown = model.run(index, command.ops)
        outcome = decode_outcome(done.result.more)
        assert [one.op_index for one in outcome.errors] == failed
        assert [(row.key, row.value) for row in outcome.results] == shown  # type: ignore[union-attr]  # all keys
        assert bool(failed) is (done.result.value is None)
        if is_read_only(command.ops):
            assert run_reads(stores[0], command.ops) == outcome
            assert done.changes == ()
        rows = {row.key: row for _, row in stores[0].rows(Table.KV)}  # type: ignore[union-attr]  # of this table
        assert {
            name: {"value": row.value, "flags": row.flags, "session": row.session, "modify": row.modify_index}  # type: ignore[union-attr]  # as above
            for name, row in rows.items()
        } == model.rows
    assert stores[0].digest() == stores[1].digest()

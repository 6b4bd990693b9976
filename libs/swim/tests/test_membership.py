"""The rules by which claims change the member list: a table of every state and claim, and random sequences."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lictor_swim import LAN, VERSIONS, Identity
from lictor_swim.awareness import Awareness
from lictor_swim.config import SwimConfig
from lictor_swim.events import (
    Event,
    InputRefused,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberState,
    MemberSuspected,
    MemberTrusted,
    MemberUpdated,
    NameConflict,
    Refuted,
)
from lictor_swim.membership import MEMBERS_MAX, Membership
from lictor_swim.push_pull import incompatibility
from lictor_swim.wire import Alive, Dead, NodeState, Suspect, decode_message

ADDRESS = bytes([10, 0, 0, 2])
VECTOR = VERSIONS.encode()
Claim = Alive | Suspect | Dead


class Table:
    """A member list of `me` and, at incarnation 5, `peer`; with the events and broadcasts of the last claim."""

    def __init__(self, config: SwimConfig = LAN) -> None:
        self.events: list[Event] = []
        self.awareness = Awareness(8)
        identity = Identity(name="me", address=bytes([10, 0, 0, 1]), port=7946, meta=b"m", versions=VERSIONS)
        self.members = Membership(
            identity,
            config,
            random.Random(1),
            self.awareness,
            lambda event, now: self.events.append(event),
            lambda name, meta: "",
        )
        self.members.bootstrap(0.0)
        self.apply(alive(5))

    def apply(self, claim: Claim, now: float = 1.0) -> tuple[list[type], list[Claim]]:
        self.events.clear()
        self.members.broadcasts.take(0, 1 << 20, 1)
        match claim:
            case Alive():
                self.members.alive(claim, now)
            case Suspect():
                self.members.suspect(claim, now)
            case Dead():
                self.members.dead(claim, now)
        sent = [decode_message(message) for message in self.members.broadcasts.take(0, 1 << 20, 99)]
        return [type(event) for event in self.events], sent  # type: ignore[return-value]

    def peer(self) -> tuple[MemberState, int]:
        record = self.members.records["peer"]
        return MemberState(record.state), record.incarnation


def alive(incarnation: int, node: str = "peer", **changes: object) -> Alive:
    return replace(Alive(incarnation, node, ADDRESS, 7946, b"", VECTOR), **changes)


def suspect(incarnation: int, accuser: str = "other") -> Suspect:
    return Suspect(incarnation, "peer", accuser)


def dead(incarnation: int, accuser: str = "other") -> Dead:
    return Dead(incarnation, "peer", accuser)


A, S, D, L = MemberState.ALIVE, MemberState.SUSPECT, MemberState.DEAD, MemberState.LEFT
PREPARE: dict[MemberState, list[Claim]] = {A: [], S: [suspect(5)], D: [dead(5)], L: [dead(5, "peer")]}


@pytest.mark.parametrize(
    ("before", "claim", "after", "events", "passed_on"),
    [
        # alive: only a higher incarnation counts
        (A, alive(4), (A, 5), [], False),
        (A, alive(5), (A, 5), [], False),
        (A, alive(6), (A, 6), [], True),
        (A, alive(6, meta=b"new"), (A, 6), [MemberUpdated], True),
        (S, alive(5), (S, 5), [], False),
        (S, alive(6), (A, 6), [MemberTrusted], True),
        (D, alive(5), (D, 5), [], False),
        (D, alive(6), (A, 6), [MemberJoined], True),
        (L, alive(5), (L, 5), [], False),
        (L, alive(6), (A, 6), [MemberJoined], True),
        # suspect: the same incarnation is enough, but only against the living
        (A, suspect(4), (A, 5), [], False),
        (A, suspect(5), (S, 5), [MemberSuspected], True),
        (A, suspect(6), (S, 6), [MemberSuspected], True),
        (S, suspect(5, "third"), (S, 5), [], False),
        (S, suspect(4, "third"), (S, 5), [], False),
        (D, suspect(6), (D, 5), [], False),
        (L, suspect(6), (L, 5), [], False),
        # dead: the same incarnation is enough; from the node itself it means left
        (A, dead(4), (A, 5), [], False),
        (A, dead(5), (D, 5), [MemberFailed], True),
        (A, dead(5, "peer"), (L, 5), [MemberLeft], True),
        (S, dead(4), (S, 5), [], False),
        (S, dead(5), (D, 5), [MemberFailed], True),
        (S, dead(6, "peer"), (L, 6), [MemberLeft], True),
        (D, dead(6), (D, 5), [], False),
        (L, dead(6), (L, 5), [], False),
    ],
)
def test_every_claim_in_every_state(
    before: MemberState, claim: Claim, after: tuple[MemberState, int], events: list[type], passed_on: bool
) -> None:
    table = Table()
    for step in PREPARE[before]:
        table.apply(step)
    seen, sent = table.apply(claim)
    assert table.peer() == after
    assert seen == events
    assert sent == ([claim] if passed_on else [])


def test_a_claim_about_an_unknown_node_is_news_only_if_alive() -> None:
    table = Table()
    for claim in (Suspect(1, "new", "x"), Dead(1, "new", "x")):
        assert table.apply(claim) == ([], [])
    assert table.apply(alive(1, "new"))[0] == [MemberJoined]


def test_a_confirmation_that_counts_is_passed_on() -> None:
    table = Table()
    for index in range(8):
        table.apply(alive(1, f"n{index}", address=bytes([10, 0, 1, index])))
    table.apply(suspect(5, "n0"))
    assert table.apply(suspect(5, "n0")) == ([], [])
    assert table.apply(suspect(5, "n1")) == ([], [suspect(5, "n1")])


def test_a_suspect_that_does_not_refute_in_time_is_declared_dead() -> None:
    table = Table()
    table.apply(suspect(5), now=1.0)
    deadline = table.members.suspicion_deadline()
    assert deadline == pytest.approx(5.0)
    table.members.expire(4.9)
    assert table.peer() == (S, 5)
    table.members.expire(5.0)
    assert table.peer() == (D, 5)
    assert table.members.suspicion_deadline() == float("inf")


@pytest.mark.parametrize("claim", [Suspect(7, "me", "x"), Dead(7, "me", "x"), Dead(7, "me", "me")])
def test_a_claim_against_this_node_is_refuted_with_a_higher_incarnation(claim: Claim) -> None:
    table = Table()
    events, sent = table.apply(claim)
    assert events == [Refuted]
    assert [(message.node, message.incarnation) for message in sent if isinstance(message, Alive)] == [("me", 8)]
    assert table.awareness.score == 1
    assert table.members.own.state == A


def test_an_old_claim_against_this_node_is_ignored() -> None:
    assert Table().apply(Suspect(0, "me", "x")) == ([], [])


def test_a_different_record_of_this_node_is_refuted_and_the_same_one_is_not() -> None:
    table = Table()
    own = replace(alive(1, "me"), address=bytes([10, 0, 0, 1]), meta=b"m")
    assert table.apply(own) == ([], [])
    assert table.apply(replace(own, meta=b"older tags"))[0] == [Refuted]


def test_after_leaving_this_node_no_longer_refutes() -> None:
    table = Table()
    table.members.leave(1.0)
    assert table.members.own.state == L
    assert table.apply(alive(9, "me", address=bytes([10, 0, 0, 1]))) == ([], [])
    assert table.apply(Suspect(9, "me", "x")) == ([], [])


@pytest.mark.parametrize(
    ("state", "reclaim_s", "age_s", "accepted"),
    [
        (A, 30.0, 99.0, False),
        (S, 30.0, 1.0, False),
        (D, 0.0, 99.0, False),
        (D, 30.0, 10.0, False),
        (D, 30.0, 31.0, True),
        (L, 0.0, 0.0, True),
    ],
)
def test_a_name_moves_to_another_address_only_from_the_gone(
    state: MemberState, reclaim_s: float, age_s: float, accepted: bool
) -> None:
    table = Table(replace(LAN, dead_node_reclaim_s=reclaim_s))
    for step in PREPARE[state]:
        table.apply(step)
    events, _ = table.apply(alive(1, address=bytes([10, 9, 9, 9])), now=1.0 + age_s)
    assert events == ([MemberJoined] if accepted else [NameConflict])
    assert (table.members.records["peer"].address == bytes([10, 9, 9, 9])) is accepted


def test_the_same_address_in_its_other_form_is_a_conflict() -> None:
    mapped = bytes(10) + b"\xff\xff" + ADDRESS
    assert Table().apply(alive(9, address=mapped))[0] == [NameConflict]


def test_this_nodes_name_at_another_address_is_a_conflict_and_does_not_refute() -> None:
    table = Table()
    assert table.apply(alive(9, "me")) == ([NameConflict], [])


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (alive(1, ""), "name"),
        (alive(1, "x" * 600), "name"),
        (alive(1, "x", address=b"\x7f"), "address"),
        (alive(1, "x", meta=bytes(513)), "metadata"),
        (alive(1, "x", versions=b"\x01\x05\x02"), "version vector"),
        (alive(1, "x", versions=bytes([0, 5, 2, 2, 5, 5])), "not a range"),
        (alive(1, "x", versions=bytes([5, 4, 2, 2, 5, 5])), "not a range"),
    ],
)
def test_a_claim_that_cannot_be_a_member_is_refused_with_the_reason(claim: Alive, reason: str) -> None:
    table = Table()
    table.apply(claim)
    (event,) = table.events
    assert isinstance(event, InputRefused)
    assert reason in event.reason
    assert set(table.members.records) == {"me", "peer"}


def test_the_member_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MEMBERS_MAX >= 10_000
    monkeypatch.setattr("lictor_swim.membership.MEMBERS_MAX", 2)
    assert Table().apply(alive(1, "third"))[0] == [InputRefused]


def test_port_zero_means_this_nodes_own_port() -> None:
    table = Table()
    table.apply(alive(1, "new", port=0))
    assert table.members.records["new"].port == 7946


def state(name: str, kind: int, incarnation: int = 5, versions: bytes = VECTOR) -> NodeState:
    return NodeState(name, ADDRESS, 7946, b"", incarnation, kind, versions)


@pytest.mark.parametrize(("kind", "after"), [(0, A), (1, S), (2, S), (3, L), (9, A)])
def test_a_remote_death_is_never_believed_outright(kind: int, after: MemberState) -> None:
    table = Table()
    table.members.merge([state("peer", kind)], 1.0)
    assert table.peer()[0] == after


def test_the_gone_are_forgotten_after_the_time_for_gossip_to_the_dead() -> None:
    table = Table()
    table.apply(dead(5), now=1.0)
    table.members.begin_round(30.0)
    assert "peer" in table.members.records
    table.members.begin_round(31.5)
    assert set(table.members.records) == set(table.members.probe_order) == {"me"}


@pytest.mark.parametrize(
    ("versions", "problem"),
    [
        (VECTOR, ""),
        (bytes([1, 5, 2, 2, 5, 4]), ""),
        (bytes([1, 5, 2, 2, 5, 9]), "delegate protocol version (9) is incompatible: [2, 5]"),
        (bytes([3, 5, 3, 2, 5, 5]), "protocol version (2) is incompatible: [3, 5]"),
        (bytes([1, 5]), "version vector of 2 bytes"),
    ],
)
def test_one_node_outside_the_common_versions_refuses_a_merge(versions: bytes, problem: str) -> None:
    result = incompatibility([state("x", 0, versions=versions)], [state("y", 0)])
    assert problem in result
    assert bool(result) is bool(problem)


CLAIMS = st.one_of(
    st.builds(alive, st.integers(0, 9), st.sampled_from(["peer", "me", "p2"])),
    st.builds(Suspect, st.integers(0, 9), st.sampled_from(["peer", "me", "p2"]), st.sampled_from("abc")),
    st.builds(Dead, st.integers(0, 9), st.sampled_from(["peer", "me", "p2"]), st.sampled_from(["a", "peer", "p2"])),
)


@given(st.lists(CLAIMS, max_size=40))
@settings(max_examples=150, deadline=None)
def test_random_claims_keep_the_invariants(claims: list[Claim]) -> None:
    table = Table()
    own_before = table.members.own.incarnation
    for now, claim in enumerate(claims):
        incarnations = {name: record.incarnation for name, record in table.members.records.items()}
        table.apply(claim, now=float(now))
        for name, record in table.members.records.items():
            assert record.incarnation >= incarnations.get(name, 0), "an incarnation never goes back"
            assert (name in table.members.suspicions) == (record.state == S), "a timer runs exactly while suspected"
        assert table.members.own.state == A, "nobody can talk a living node out of its own list"
        assert table.members.own.incarnation >= own_before
        own_before = table.members.own.incarnation
        assert sorted(table.members.probe_order) == sorted(table.members.records)


@given(st.permutations([alive(6), suspect(6), alive(7), dead(6), alive(5)]))
def test_claims_in_any_order_end_in_the_newest_incarnation(claims: list[Claim]) -> None:
    table = Table()
    for claim in claims:
        table.apply(claim)
    assert table.peer() == (A, 7)

"""Raft paper 5.1 (terms), 5.2 (leader election), 5.4.1 (election restriction): one test per claim."""

import random

import pytest

from lictor_raft import (
    Config,
    ConfState,
    Entry,
    HardState,
    LocalCluster,
    MemoryStorage,
    Message,
    MessageKind,
    RawNode,
    Role,
)

K = MessageKind


def config_for(member: int, applied: int) -> Config:
    return Config(id=member, election_ticks=10, heartbeat_ticks=1, applied=applied, pre_vote=False)


def member(size: int = 3, terms: tuple[int, ...] = (), term: int = 1, vote: int = 0, pre_vote: bool = False) -> RawNode:
    """Member 1 of `size`, free to vote, with a log that begins after the founding entry."""
    storage = MemoryStorage.founded(ConfState(tuple(range(1, size + 1))))
    storage.append([Entry(t, 2 + position) for position, t in enumerate(terms)])
    storage.set_hard_state(HardState(term, vote, 1))
    config = Config(id=1, election_ticks=10, heartbeat_ticks=1, applied=1, pre_vote=pre_vote)
    return RawNode(config, storage, random.Random(1).randint, -10.0)


def answers(node: RawNode, now: float = 0.0) -> list[Message]:
    """Persist, and return what leaves before and after the sync."""
    sent: list[Message] = []
    while node.has_ready():
        ready = node.ready(now)
        storage = node.core.log.storage
        assert isinstance(storage, MemoryStorage)
        storage.append(ready.entries)
        sent += [*ready.messages, *ready.messages_after_append]
        node.advance(ready)
    return sent


def campaign(node: RawNode) -> list[Message]:
    for _ in range(20):
        node.tick(node.core.now + 0.1)
        if node.core.role is not Role.FOLLOWER:
            break
    return answers(node)


def make_leader(node: RawNode) -> None:
    campaign(node)
    for voter in node.core.tracker.voters:
        if voter != 1 and node.core.role is Role.CANDIDATE:
            node.step(Message(K.VOTE_RESPONSE, voter, 1, node.core.term), node.core.now)
    assert node.core.role is Role.LEADER


# --- 5.1 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.CANDIDATE, Role.LEADER])
def test_5_1_whoever_sees_a_higher_term_adopts_it_and_follows(role: Role) -> None:
    node = member()
    if role is Role.CANDIDATE:
        campaign(node)
    elif role is Role.LEADER:
        make_leader(node)
    assert node.core.role is role
    node.step(Message(K.APPEND, 2, 1, 9, index=1, log_term=1), node.core.now)
    assert (node.core.term, node.core.role, node.core.leader) == (9, Role.FOLLOWER, 2)


def test_5_1_a_request_with_a_stale_term_is_refused() -> None:
    node = member(term=5)
    node.step(Message(K.APPEND, 2, 1, 4, index=1, log_term=1, entries=(Entry(4, 2),)), 0.0)
    assert node.core.log.last_index() == 1
    assert node.core.leader == 0
    assert [(m.kind, m.term, m.to) for m in answers(node)] == [(K.APPEND_RESPONSE, 5, 2)]


# --- 5.2 ------------------------------------------------------------------------------------------------------


def test_5_2_members_begin_as_followers() -> None:
    assert member().core.role is Role.FOLLOWER


def test_5_2_a_leader_sends_heartbeats_to_all_followers_every_interval() -> None:
    node = member()
    make_leader(node)
    answers(node)
    node.tick(node.core.now)
    assert [(m.kind, m.to) for m in answers(node)] == [(K.HEARTBEAT, 2), (K.HEARTBEAT, 3)]


def test_5_2_a_follower_that_hears_nothing_begins_a_new_term_votes_for_itself_and_asks_all_others() -> None:
    node = member(term=2)
    sent = campaign(node)
    assert (node.core.term, node.core.role, node.core.vote) == (3, Role.CANDIDATE, 1)
    assert [(m.kind, m.to, m.term) for m in sent] == [(K.VOTE, 2, 3), (K.VOTE, 3, 3)]
    assert node.core.tracker.votes == {1: True}


@pytest.mark.parametrize(
    ("size", "yes", "no", "role"),
    [
        (1, 0, 0, Role.LEADER),
        (3, 0, 0, Role.CANDIDATE),
        (3, 1, 0, Role.LEADER),
        (3, 0, 1, Role.CANDIDATE),
        (3, 0, 2, Role.FOLLOWER),
        (5, 1, 0, Role.CANDIDATE),
        (5, 2, 2, Role.LEADER),
        (5, 1, 3, Role.FOLLOWER),
    ],
)
def test_5_2_a_candidate_wins_with_a_majority_and_gives_up_when_it_cannot_have_one(
    size: int, yes: int, no: int, role: Role
) -> None:
    node = member(size)
    campaign(node)
    for voter in range(2, 2 + yes + no):
        node.step(Message(K.VOTE_RESPONSE, voter, 1, node.core.term, reject=voter >= 2 + yes), node.core.now)
    assert node.core.role is role


@pytest.mark.parametrize(("voted_for", "granted"), [(0, True), (2, True), (3, False)])
def test_5_2_a_voter_gives_one_vote_a_term_first_come_first_served(voted_for: int, granted: bool) -> None:
    node = member(term=3, vote=voted_for)
    node.step(Message(K.VOTE, 2, 1, 3, index=1, log_term=1), 0.0)
    assert [m.reject for m in answers(node)] == [not granted]


def test_5_2_a_candidate_follows_a_leader_of_its_own_term() -> None:
    node = member()
    campaign(node)
    node.step(Message(K.HEARTBEAT, 3, 1, node.core.term), node.core.now)
    assert (node.core.role, node.core.leader) == (Role.FOLLOWER, 3)


def test_5_2_a_candidate_whose_vote_is_split_begins_another_term() -> None:
    node = member()
    campaign(node)
    term = node.core.term
    for _ in range(20):
        node.tick(node.core.now + 0.1)
    assert node.core.role is Role.CANDIDATE
    assert node.core.term > term


def test_5_2_election_timeouts_are_drawn_from_one_to_two_timeouts_at_every_change_of_role() -> None:
    drawn: list[tuple[int, int]] = []

    def dice(low: int, high: int) -> int:
        drawn.append((low, high))
        return high

    config = Config(id=1, election_ticks=10, heartbeat_ticks=1, pre_vote=False)
    storage = MemoryStorage.founded(ConfState((1, 2, 3)))
    node = RawNode(config, storage, dice, -10.0)
    node.step(Message(K.HEARTBEAT, 2, 1, 2), 0.0)
    for tick in range(1, 20):
        assert node.core.role is Role.FOLLOWER, f"campaigned at tick {tick - 1}, before its timeout"
        node.tick(tick / 10 + 1)
    assert node.core.role is Role.CANDIDATE
    assert drawn == [(10, 19)] * 3


def test_5_2_randomised_timeouts_make_split_votes_rare() -> None:
    rng = random.Random(7)
    terms = 0
    for _ in range(60):
        cluster = LocalCluster((1, 2, 3), config_for, rng.randint)
        while not cluster.leader():
            cluster.run(1)
        terms += cluster[cluster.leader()].core.term - 1
    assert terms < 60 * 1.5


def test_5_2_a_candidates_own_vote_counts_only_when_it_is_durable() -> None:
    node = member(1)
    for _ in range(20):
        node.tick(node.core.now + 0.1)
    assert node.core.role is Role.CANDIDATE
    ready = node.ready(0.0)
    assert ready.hard_state == HardState(2, 1, 1)
    assert ready.must_sync
    node.advance(ready)
    assert node.status().role is Role.LEADER


def test_5_2_a_vote_leaves_only_after_the_sync() -> None:
    node = member()
    node.step(Message(K.VOTE, 2, 1, 2, index=1, log_term=1), 0.0)
    ready = node.ready(0.0)
    assert ready.messages == []
    assert [m.kind for m in ready.messages_after_append] == [K.VOTE_RESPONSE]
    assert ready.hard_state == HardState(2, 2, 1)
    assert ready.must_sync


# --- 5.4.1 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own_terms", "index", "log_term", "granted"),
    [
        ((1,), 2, 1, True),
        ((1,), 3, 1, True),
        ((1, 1), 2, 1, False),
        ((1,), 2, 2, True),
        ((1, 1), 2, 2, True),
        ((2,), 2, 1, False),
        ((2,), 9, 1, False),
        ((2, 1), 3, 1, True),
    ],
)
@pytest.mark.parametrize("kind", [K.VOTE, K.PRE_VOTE])
def test_5_4_1_a_voter_refuses_a_candidate_whose_log_is_less_up_to_date(
    own_terms: tuple[int, ...], index: int, log_term: int, granted: bool, kind: MessageKind
) -> None:
    node = member(terms=own_terms, term=2)
    node.step(Message(kind, 2, 1, 3, index=index, log_term=log_term), 0.0)
    assert [m.reject for m in answers(node)] == [not granted]


def test_5_4_1_a_vote_request_tells_the_last_entry_of_the_candidate() -> None:
    node = member(terms=(1, 2), term=2)
    assert {(m.index, m.log_term) for m in campaign(node)} == {(3, 2)}


# --- thesis 9.6 -----------------------------------------------------------------------------------------------


def test_9_6_a_pre_candidate_changes_neither_term_nor_vote() -> None:
    node = member(pre_vote=True, term=4)
    sent = campaign(node)
    assert (node.core.role, node.core.term, node.core.vote) == (Role.PRE_CANDIDATE, 4, 0)
    assert [(m.kind, m.term) for m in sent] == [(K.PRE_VOTE, 5), (K.PRE_VOTE, 5)]
    node.step(Message(K.PRE_VOTE_RESPONSE, 2, 1, 5), node.core.now)
    assert (node.core.role, node.core.term, node.core.vote) == (Role.CANDIDATE, 5, 1)


def test_9_6_a_voter_grants_a_pre_vote_without_giving_its_vote_away() -> None:
    node = member(term=4)
    for candidate in (2, 3):
        node.step(Message(K.PRE_VOTE, candidate, 1, 5, index=1, log_term=1), 0.0)
    assert [(m.to, m.term, m.reject) for m in answers(node)] == [(2, 5, False), (3, 5, False)]
    assert (node.core.term, node.core.vote) == (4, 0)


def test_9_6_a_pre_vote_of_a_lower_term_is_told_the_term() -> None:
    node = member(term=4)
    node.step(Message(K.PRE_VOTE, 2, 1, 3, index=9, log_term=3), 0.0)
    assert [(m.kind, m.term, m.reject) for m in answers(node)] == [(K.PRE_VOTE_RESPONSE, 4, True)]

"""Raft paper 5.3 (replication), 5.4.2 (commitment), 6 (changes of one member), 7 (snapshots), 8 (reads): one test per claim."""

import random

import pytest

from lictor_raft import (
    ConfChange,
    ConfChangeKind,
    ConfChangeRefused,
    Config,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    LocalCluster,
    MemoryStorage,
    Message,
    MessageKind,
    ProgressState,
    ProposalDropped,
    ReadMode,
    Role,
    Snapshot,
    SnapshotMeta,
)

K = MessageKind
C = ConfChangeKind


def cluster(*voters: int, learners: tuple[int, ...] = (), **settings: object) -> LocalCluster:
    def config_for(member: int, applied: int) -> Config:
        return Config(id=member, election_ticks=10, heartbeat_ticks=1, applied=applied, **settings)  # type: ignore[arg-type]

    return LocalCluster(voters or (1, 2, 3), config_for, random.Random(1).randint, learners)


def led(*voters: int, **settings: object) -> LocalCluster:
    group = cluster(*voters, learners=(), **settings)
    group.elect(1)
    return group


# --- 5.3 ------------------------------------------------------------------------------------------------------


def test_5_3_a_proposal_is_appended_replicated_committed_by_a_majority_and_applied_everywhere() -> None:
    group = led()
    index = group[1].propose(b"x")
    assert group[1].core.log.committed < index
    group.settle()
    assert [member.commands() for member in group.members.values()] == [[b"x"]] * 3


def test_5_3_followers_learn_the_commit_index_with_the_next_append_or_heartbeat() -> None:
    group = led()
    index = group[1].propose(b"x")
    group.work_all()
    group.deliver()
    group.work_all()
    assert group[2].core.log.committed < index
    group.deliver()
    assert group[1].core.log.committed == index
    group.work_all()
    group.deliver()
    assert group[2].core.log.committed == index


def test_5_3_a_slow_minority_does_not_hold_back_commitment() -> None:
    group = led()
    group.isolate(3)
    index = group[1].propose(b"x")
    group.settle()
    assert group[1].core.log.committed == index
    group.heal()
    group.run(3)
    assert group.members[3].commands() == [b"x"]


def test_5_3_appends_leave_before_the_leaders_own_sync_and_it_counts_itself_after_it() -> None:
    group = led()
    index = group[1].propose(b"x")
    ready = group[1].ready(group.now)
    assert [(m.kind, m.to) for m in ready.messages] == [(K.APPEND, 2), (K.APPEND, 3)]
    assert ready.must_sync
    for message in ready.messages:
        group[message.to].step(message, group.now)
    for follower in (2, 3):
        group.work(follower)
    group.deliver()
    assert group[1].core.log.committed < index, "the leader's own disk has not synced yet"
    group.members[1].persist(ready)
    group[1].advance(ready)
    assert group[1].core.log.committed == index


def test_5_3_an_acknowledgement_leaves_only_after_the_followers_sync() -> None:
    group = led()
    group[1].propose(b"x")
    group.work(1)
    group.deliver()
    ready = group[2].ready(group.now)
    assert ready.messages == []
    assert [(m.kind, m.to, m.index) for m in ready.messages_after_append] == [(K.APPEND_RESPONSE, 1, 3)]
    assert ready.must_sync


def test_5_3_a_follower_without_the_preceding_entry_refuses_and_names_its_last_index() -> None:
    group = led()
    group[2].step(Message(K.APPEND, 1, 2, 2, index=9, log_term=2), group.now)
    ready = group[2].ready(group.now)
    (answer,) = ready.messages_after_append
    assert (answer.reject, answer.index, answer.reject_hint, answer.log_term) == (True, 9, 2, 2)


@pytest.mark.parametrize(
    "terms",
    [
        (1, 1, 1, 4, 4, 5, 5, 6, 6),
        (1, 1, 1, 4),
        (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
        (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
        (1, 1, 1, 4, 4, 4, 4),
        (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
    ],
    ids="abcdef",
)
def test_5_3_a_leader_brings_every_follower_of_figure_7_to_its_own_log(terms: tuple[int, ...]) -> None:
    lead = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)

    def storage(log: tuple[int, ...], term: int) -> MemoryStorage:
        disk = MemoryStorage(ConfState((1, 2, 3)))
        disk.apply_snapshot(Snapshot(SnapshotMeta(1, 1, ConfState((1, 2, 3)))))
        disk.append([Entry(t, 2 + position, data=b"%d" % t) for position, t in enumerate(log[1:])])
        disk.set_hard_state(HardState(term, 0, 1))
        return disk

    group = cluster(1, 2, 3)
    group.join(1, storage(lead, 7))
    group.join(2, storage(terms, max(terms)))
    group.join(3, storage(lead, 7))
    group.isolate(2)
    group.wait_out_promises()
    group[1].campaign()
    group.settle()
    group.heal()
    probes = 0

    def count(message: Message) -> bool:
        nonlocal probes
        probes += message.kind is K.APPEND_RESPONSE and message.reject and message.from_ == 2
        return True

    for _ in range(3):
        group.tick()
        group.settle(count)
    logs = [group[m].core.log for m in (1, 2)]
    assert logs[0].last_index() == logs[1].last_index()
    for index in range(2, logs[0].last_index() + 1):
        assert logs[0].term(index) == logs[1].term(index)
    assert probes <= len(set(terms)) + 1, "one exchange a term, not one an entry"


def test_5_3_an_old_append_neither_cuts_the_log_nor_moves_the_commit_index_back() -> None:
    group = led()
    group[1].propose_many([b"a", b"b", b"c"])
    group.settle()
    log = group[2].core.log
    entries = log.entries(3, 10**6)[0]
    before = (log.last_index(), log.committed)
    group[2].step(Message(K.APPEND, 1, 2, 2, index=2, log_term=2, entries=entries[:1], commit=2), group.now)
    assert (log.last_index(), log.committed) == before


def test_5_3_messages_may_come_twice_and_out_of_order() -> None:
    group = led()
    for data in (b"a", b"b", b"c"):
        group[1].propose(data)
    group.work_all()
    group.wire = [*reversed(group.wire), *group.wire]
    group.settle()
    assert [member.commands() for member in group.members.values()] == [[b"a", b"b", b"c"]] * 3


# --- 5.4.2 ----------------------------------------------------------------------------------------------------


def test_5_4_2_entries_of_earlier_terms_are_committed_only_through_one_of_the_own_term() -> None:
    group = led()
    old = group[1].propose(b"old")
    group.work(1)
    group.deliver()
    group.work(2)
    group.work(3)
    group.wire.clear()  # 2 and 3 hold it, nobody knows
    group.isolate(1)
    group.wait_out_promises()
    group[2].campaign()
    blocked = True

    def no_new_entries(message: Message) -> bool:
        carries_new = any(entry.term == group[2].core.term for entry in message.entries)
        return not (blocked and carries_new)

    group.settle(no_new_entries)
    assert group[2].core.role is Role.LEADER
    # 3 says what is true, so a majority is known to hold the old entry: that alone commits nothing.
    group[2].step(Message(K.APPEND_RESPONSE, 3, 2, group[2].core.term, index=old), group.now)
    assert group[2].core.log.committed < old
    blocked = False
    group.run(3)
    assert group[2].core.log.committed > old
    assert group.members[3].commands() == [b"old"]


def test_5_4_2_a_new_leader_begins_with_an_empty_entry_of_its_term() -> None:
    group = led()
    (entry,) = group[1].core.log.entries(2, 10**6)[0]
    assert (entry.term, entry.kind, entry.data) == (2, EntryKind.NORMAL, b"")


# --- 6 --------------------------------------------------------------------------------------------------------


def change(group: LocalCluster, kind: ConfChangeKind, member: int) -> None:
    group[group.leader()].propose_conf_change(ConfChange(kind, member))
    group.settle()


def test_6_a_change_is_active_when_it_is_applied_and_not_before() -> None:
    group = led(1)
    group[1].propose_conf_change(ConfChange(C.ADD_VOTER, 2))
    assert group[1].core.tracker.voters == (1,)
    group.settle()
    assert group[1].status().conf_state.voters == (1, 2)


def test_6_one_change_is_in_flight_at_a_time() -> None:
    group = led()
    group[1].propose_conf_change(ConfChange(C.ADD_LEARNER, 4))
    with pytest.raises(ConfChangeRefused, match="may not be applied yet"):
        group[1].propose_conf_change(ConfChange(C.ADD_LEARNER, 5))
    group.settle()
    change(group, C.ADD_LEARNER, 5)
    assert group[1].core.tracker.conf_state == ConfState((1, 2, 3), (4, 5))


def test_6_a_new_leader_takes_no_change_before_it_has_applied_what_came_before() -> None:
    group = cluster()
    group.wait_out_promises()
    group[1].campaign()
    group.settle(lambda message: message.kind is not K.APPEND)
    assert group[1].core.role is Role.LEADER
    group[1].core.pending_conf_index = group[1].core.log.last_index()
    with pytest.raises(ConfChangeRefused):
        group[1].propose_conf_change(ConfChange(C.ADD_LEARNER, 4))


def test_6_a_new_member_starts_empty_fetches_the_founding_and_catches_up() -> None:
    group = led(1)
    group[1].propose(b"before")
    group.settle()
    group.join(2)
    change(group, C.ADD_VOTER, 2)
    group.run(3)
    group[1].report_snapshot(2, ok=True)
    group.run(3)
    assert group.members[2].commands() == [b"before"]
    assert group[2].core.tracker.voters == (1, 2)


def test_6_learners_receive_everything_and_count_for_nothing() -> None:
    group = cluster(1, 2, 3, learners=(4,))
    group.elect(1)
    group.isolate(2, 3)
    group.cut -= {(4, 1), (1, 4)}
    index = group[1].propose(b"x")
    group.settle()
    assert group[4].core.log.last_index() == index
    assert group[1].core.log.committed < index
    group.tick(30, only=[4])
    assert group[4].core.role is Role.FOLLOWER


def test_6_a_learner_is_promoted_and_counts_from_then_on() -> None:
    group = cluster(1, learners=(2,))
    group.elect(1)
    change(group, C.PROMOTE, 2)
    assert group[2].core.tracker.conf_state == ConfState((1, 2))
    group.isolate(2)
    index = group[1].propose(b"x")
    group.settle()
    assert group[1].core.log.committed < index


def test_6_a_learner_that_is_a_voter_already_grants_its_vote() -> None:
    group = cluster(1, 2, learners=(3,))
    group.wait_out_promises()
    group[3].step(Message(K.VOTE, 2, 3, 5, index=1, log_term=1), group.now)
    (answer,) = group[3].ready(group.now).messages_after_append
    assert (answer.kind, answer.reject) == (K.VOTE_RESPONSE, False)


@pytest.mark.parametrize(
    ("kind", "member", "rule"),
    [
        (C.PROMOTE, 9, "is no learner"),
        (C.ADD_VOTER, 0, "must lie within"),
        (C.ADD_VOTER, 2**63, "must lie within"),
        (C.REMOVE, 1, "last voter"),
        (C.ADD_LEARNER, 1, "last voter"),
    ],
)
def test_6_a_change_that_breaks_a_rule_is_refused_before_it_is_proposed(
    kind: ConfChangeKind, member: int, rule: str
) -> None:
    group = led(1)
    with pytest.raises(ConfChangeRefused, match=rule):
        group[1].propose_conf_change(ConfChange(kind, member))


def test_6_a_removed_leader_does_not_count_itself_and_steps_down() -> None:
    group = led()
    change(group, C.REMOVE, 1)
    assert group[1].core.role is Role.FOLLOWER
    assert group[1].core.tracker.voters == (2, 3)
    group.run(150)  # two voters may split their votes a few times
    assert group.leader() in (2, 3)


def test_6_a_removed_leader_takes_nothing_new_and_stays_until_the_others_hold_its_log() -> None:
    group = led(1, 2)
    group[1].propose_conf_change(ConfChange(C.REMOVE, 1))
    group.work(1)
    group.deliver()
    tail = group[1].propose(b"tail")  # 2 lacks this when the removal is committed
    group.settle(lambda message: not any(entry.index == tail for entry in message.entries))
    assert group[1].core.role is Role.LEADER
    assert group[1].core.tracker.voters == (2,)
    with pytest.raises(ProposalDropped, match="was removed"):
        group[1].propose(b"y")
    group[1].report_unreachable(2)
    group.run(40)
    assert group[1].status().role is Role.FOLLOWER
    assert group.leader() == 2
    assert b"tail" in group.members[2].commands()


def test_6_a_removed_leader_goes_on_leading_where_it_is_told_to() -> None:
    group = led(step_down_on_removal=False)
    change(group, C.REMOVE, 1)
    assert group[1].core.role is Role.LEADER
    with pytest.raises(ProposalDropped):
        group[1].propose(b"x")


def test_6_nobody_campaigns_before_a_committed_change_is_applied() -> None:
    group = led()
    group[1].propose_conf_change(ConfChange(C.ADD_LEARNER, 4))
    group.work_all()
    group.deliver()
    group.work_all()
    group.deliver()
    group.work(1)
    group.deliver(lambda message: message.to == 2)  # 2 knows the commit index and has not applied
    assert group[2].core.has_unapplied_conf_change()
    group.wait_out_promises()
    assert not group[2].campaign()


# --- 7 --------------------------------------------------------------------------------------------------------


def behind_a_compaction(**settings: object) -> LocalCluster:
    group = led(**settings)
    group.isolate(3)
    for _ in range(5):
        group[1].propose(b"x")
        group.settle()
    group.compact(1)
    group.heal()
    group.run(1)
    group.settle()
    return group


def test_7_a_follower_behind_the_log_gets_a_snapshot_and_continues_by_its_acknowledgement_alone() -> None:
    group = behind_a_compaction()
    assert group[3].core.log.first_index() > 3
    assert group[1].status().peers[3].state is ProgressState.REPLICATE
    index = group[1].propose(b"y")
    group.settle()
    assert group[3].core.log.committed == index


def test_7_a_snapshot_that_is_lost_is_sent_again_after_its_report() -> None:
    group = led()
    group.isolate(3)
    group[1].propose(b"x")
    group.settle()
    group.compact(1)
    group.heal()
    group.tick()
    group.settle(lambda message: message.kind is not K.SNAPSHOT)
    assert group[1].status().peers[3].state is ProgressState.SNAPSHOT
    group[1].report_snapshot(3, ok=False)
    assert group[1].status().peers[3].state is ProgressState.PROBE
    group.run(2)
    assert group[3].core.log.committed == group[1].core.log.committed


def test_7_a_snapshot_from_elsewhere_that_is_older_than_the_pending_one_is_enough() -> None:
    group = behind_a_compaction()
    group.isolate(3)
    group[1].propose_many([b"a", b"b"])
    group.settle()
    peer = group[1].core.tracker.progress[3]
    peer.become_snapshot(group[1].core.log.last_index())  # one was sent; before it arrives the log itself would do
    group.heal()
    answer = Message(K.APPEND_RESPONSE, 3, 1, group[1].core.term, index=peer.match + 1)
    group[1].step(answer, group.now)
    assert peer.state is ProgressState.REPLICATE


def test_7_a_snapshot_is_not_sent_to_a_peer_that_does_not_answer() -> None:
    group = led()
    group.isolate(3)
    group[1].propose(b"x")
    group.settle()
    group.compact(1)
    group.run(30)
    assert group[1].status().peers[3].state is not ProgressState.SNAPSHOT


def test_7_a_snapshot_of_what_the_log_holds_only_moves_the_commit_index() -> None:
    group = led()
    index = group[1].propose(b"x")
    group.settle(lambda message: message.kind is not K.APPEND or message.commit < index)
    meta = group.compact(1)
    snapshot = group.members[1].storage.snapshot()
    assert group[2].core.log.committed < meta.index
    group[2].step(Message(K.SNAPSHOT, 1, 2, 2, snapshot=snapshot), group.now)
    assert group[2].core.log.committed == meta.index
    assert group[2].core.log.unstable.snapshot is None


def test_7_a_small_window_does_not_stall_a_follower_after_a_compaction() -> None:
    group = behind_a_compaction(inflight_messages_max=1, entries_bytes_per_message_max=1)
    for _ in range(5):
        group[1].propose(b"zz")
    group.settle()
    assert group.members[3].node.core.log.committed == group[1].core.log.committed


# --- 8 --------------------------------------------------------------------------------------------------------


def test_8_a_read_waits_for_a_round_that_began_after_it() -> None:
    group = led(read_mode=ReadMode.QUORUM)
    group.tick()
    group.work(1)  # a round is under way
    group[1].read_index(7)
    group.work(1)
    old = [message for message in group.wire if message.context < group[1].core.rounds.newest]
    new = [message for message in group.wire if message.context == group[1].core.rounds.newest]
    assert old
    assert new
    group.wire = old
    group.deliver()
    group.work(2)
    group.work(3)
    group.deliver()
    group.work(1)
    assert group.members[1].read_states == [], "answers to an older round prove nothing"
    group.wire = new
    group.settle()
    assert [state.context for state in group.members[1].read_states] == [7]


def test_8_a_read_before_the_first_commit_of_the_term_waits_for_it() -> None:
    group = cluster()
    group.wait_out_promises()
    group[1].campaign()
    group.settle(lambda message: message.kind is not K.APPEND)
    assert group[1].core.role is Role.LEADER
    group[1].read_index(5)
    group.settle(lambda message: message.kind is not K.APPEND)
    assert group.members[1].read_states == []
    group.run(2)
    (state,) = group.members[1].read_states
    assert (state.context, state.index) == (5, 2)


# --- what a driver may leave until the next event ---------------------------------------------------------------


def test_an_answer_that_may_wait_commits_confirms_and_sends_nothing_that_anybody_waits_for() -> None:
    assert sum(_answers_that_wait(seed) for seed in range(30)) > 100


def _answers_that_wait(seed: int) -> int:
    dice = random.Random(seed)
    voters = dice.choice([(1, 2), (1, 2, 3), (1, 2, 3, 4, 5)])
    group = led(*voters, async_storage_writes=True)
    node, waited = group[1], 0
    for _ in range(400):
        if dice.random() < 0.3 and node.role is Role.LEADER:
            node.propose_many([b"x"] * dice.randint(1, 3))
        if dice.random() < 0.05 and node.role is Role.LEADER:
            node.read_index(1)
        for member in group.members.values():
            if dice.random() < 0.5:
                group.hand_out(member.id)
            if member.writes and dice.random() < 0.4:
                group.write_one(member.id)
            if member.applies and dice.random() < 0.5:
                group.apply_one(member.id)
        if group.wire:
            message = group.wire.pop(dice.randrange(len(group.wire)))
            if message.to == 1 and node.may_wait(message):
                waited += 1
                core = node.core
                before = (core.log.committed, len(core.read_states), core.transferee, len(core.messages))
                node.step(message, group.now)
                after = (core.log.committed, len(core.read_states), core.transferee)
                assert after == before[:3]
                assert not any(one.entries for one in core.messages[before[3] :])
            elif message.to in group.members:
                group[message.to].step(message, group.now)
    return waited


def test_the_own_write_may_wait_only_while_nobody_else_holds_more() -> None:
    group = led()
    node = group[1]
    assert node.own_write_may_wait()
    node.propose(b"x")
    group.work_all()
    assert node.own_write_may_wait()
    group.deliver()
    assert not group[2].own_write_may_wait(), "only a leader knows"
    alone = led(1)
    assert not alone[1].own_write_may_wait()

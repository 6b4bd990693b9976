"""Raft paper 6 (joint consensus) and thesis 4.1 to 4.3: one test per claim. Changes of one member: `test_paper_replication`."""

import random
from typing import Any

import pytest

from lictor_raft import (
    ConfChange,
    ConfChangeKind,
    ConfChangeRefused,
    ConfChanges,
    Config,
    ConfState,
    Entry,
    EntryKind,
    LocalCluster,
    Message,
    MessageKind,
    ProposalDropped,
    ReadMode,
    Role,
    Transition,
    leader,
    next_conf_state,
)

K = MessageKind
C = ConfChangeKind
V = C.ADD_VOTER
LEAVE = ConfChanges()
QUORUM_READS: dict[str, Any] = {"read_mode": ReadMode.QUORUM, "vote_silence_after_start": False}


def cluster(voters: int = 3, spares: int = 2, **settings: Any) -> LocalCluster:
    """A group with some that may join; they have been founded alike, so that no snapshot has to travel."""

    def config_for(member: int, applied: int) -> Config:
        return Config(id=member, election_ticks=10, heartbeat_ticks=1, applied=applied, **settings)

    group = LocalCluster(range(1, voters + 1), config_for, random.Random(1).randint)
    founded = group.members[1].storage
    for spare in range(voters + 1, voters + spares + 1):
        joined = group.join(spare, type(founded).founded(group.conf_state))
        joined.node.core.switch_conf(group.conf_state)
    return group


def led(voters: int = 3, spares: int = 2, **settings: Any) -> LocalCluster:
    group = cluster(voters, spares, **settings)
    group.elect(1)
    return group


def several(*changes: tuple[ConfChangeKind, int], transition: Transition = Transition.EXPLICIT) -> ConfChanges:
    return ConfChanges(tuple(ConfChange(*change) for change in changes), transition)


def change(group: LocalCluster, what: ConfChange | ConfChanges) -> ConfState:
    group[group.leader()].propose_conf_change(what)
    group.settle()
    group.run(3)
    return group[group.leader()].status().conf_state


REPLACE_1_AND_2 = several((C.REMOVE, 1), (C.REMOVE, 2), (V, 4), (V, 5))


# --- 6: the joint configuration -------------------------------------------------------------------------------


def test_6_entries_go_to_the_members_of_both_configurations() -> None:
    group = led()
    assert change(group, REPLACE_1_AND_2) == ConfState((3, 4, 5), (), (1, 2, 3))
    group[1].propose(b"x")
    group.settle()
    assert [member.commands() for member in group.members.values()] == [[b"x"]] * 5


@pytest.mark.parametrize("silent", [(2, 3), (4, 5), (3, 4)])
def test_6_agreement_takes_separate_majorities_of_the_old_and_the_new_configuration(silent: tuple[int, int]) -> None:
    group = led()
    change(group, REPLACE_1_AND_2)
    group.isolate(*silent)
    index = group[1].propose(b"x")
    group.settle()
    assert group[1].core.log.committed < index


def test_6_a_joint_agreement_needs_no_more_than_the_two_majorities() -> None:
    group = led()
    change(group, REPLACE_1_AND_2)
    group.isolate(2, 5)
    index = group[1].propose(b"x")
    group.settle()
    assert group[1].core.log.committed == index


@pytest.mark.parametrize(("silent", "elected"), [((1, 2), False), ((1, 5), True), ((4, 5), False)])
def test_6_a_joint_election_takes_separate_majorities_too(silent: tuple[int, int], elected: bool) -> None:
    group = led()
    change(group, REPLACE_1_AND_2)
    group.wait_out_promises()
    group[1].core.become_follower(group[1].term, 0)
    group.isolate(*silent)
    group[3].campaign()
    group.settle()
    assert (group[3].core.role is Role.LEADER) is elected


def test_6_a_leader_stays_only_with_contact_to_a_majority_of_each_half() -> None:
    group = led()
    change(group, REPLACE_1_AND_2)
    group.isolate(4, 5)
    group.run(25)
    assert group[1].core.role is not Role.LEADER


@pytest.mark.parametrize("silent", [(2, 3), (4, 5)])
def test_6_reads_and_leases_rest_on_both_halves(silent: tuple[int, int]) -> None:
    group = led()
    change(group, REPLACE_1_AND_2)
    assert group[1].lease_valid(group.now)
    group.now += 0.9
    group.isolate(*silent)
    group[1].core.advance_clock(group.now)
    group[1].read_index(7)
    group.settle()
    assert group.members[1].read_states == []
    assert not group[1].lease_valid(group.now)


def test_6_any_member_of_either_configuration_may_lead() -> None:
    group = led()
    change(group, REPLACE_1_AND_2)
    for target in (2, 4):
        group[group.leader()].transfer_leader(target)
        group.settle()
        assert group.leader() == target


def test_6_a_leader_that_is_not_in_the_new_configuration_manages_it_until_it_is_left() -> None:
    group = led()
    change(group, REPLACE_1_AND_2)
    assert group.leader() == 1
    group[1].propose_conf_change(LEAVE)
    group.settle()
    assert group[1].core.role is Role.FOLLOWER
    assert group[3].status().conf_state == ConfState((3, 4, 5))
    group.run(150)
    assert group.leader() in (3, 4, 5)


def test_6_after_it_is_left_the_old_configuration_counts_for_nothing() -> None:
    group = led()
    change(group, several((C.REMOVE, 2), (C.REMOVE, 3), (V, 4)))
    assert change(group, LEAVE) == ConfState((1, 4))
    group.isolate(2, 3)
    index = group[1].propose(b"x")
    group.settle()
    assert group[1].core.log.committed == index


def test_6_a_voter_on_its_way_to_learner_votes_until_the_joint_configuration_is_left() -> None:
    group = led()
    assert change(group, several((C.ADD_LEARNER, 3), (C.REMOVE, 2))) == ConfState((1,), (), (1, 2, 3), (3,))
    assert not group[1].status().peers[3].is_learner
    assert change(group, LEAVE) == ConfState((1,), (3,))
    assert group[1].status().peers[3].is_learner


def test_6_while_joint_nothing_but_leaving_is_taken_and_leaving_only_then() -> None:
    group = led()
    with pytest.raises(ConfChangeRefused, match="not joint"):
        group[1].propose_conf_change(LEAVE)
    last = group[1].core.log.last_index()
    change(group, several((V, 4), (V, 5)))
    for refused in (ConfChange(V, 9), several((V, 9)), several((V, 9), (V, 8), transition=Transition.AUTO)):
        with pytest.raises(ConfChangeRefused, match="joint"):
            group[1].propose_conf_change(refused)
    assert group[1].core.log.last_index() == last + 1, "what is refused leaves no trace"
    change(group, LEAVE)
    with pytest.raises(ConfChangeRefused, match="not joint"):
        group[1].propose_conf_change(LEAVE)


def test_6_the_joint_configuration_travels_in_snapshots() -> None:
    group = led(3, 0)
    group.isolate(3)
    change(group, several((V, 4), (V, 5), (C.ADD_LEARNER, 2), transition=Transition.IMPLICIT))
    joint = ConfState((1, 3, 4, 5), (), (1, 2, 3), (2,), auto_leave=True)
    assert group[1].status().conf_state == joint, "4 and 5 do not run: it cannot be left"
    group.compact(1)
    group.heal()
    group.run(3)
    group[1].report_snapshot(3, ok=True)
    group.run(3)
    assert group[3].status().conf_state == joint


# --- 6: who leaves --------------------------------------------------------------------------------------------


def leaves(group: LocalCluster, member: int) -> int:
    storage = group.members[member].storage
    entries = storage.entries(storage.first_index(), storage.last_index() + 1, 2**30)
    return sum(entry.kind is EntryKind.CONF_CHANGES and not entry.data for entry in entries)


@pytest.mark.parametrize("transition", [Transition.AUTO, Transition.IMPLICIT])
def test_6_the_leader_leaves_by_itself_once_the_joint_configuration_is_applied(transition: Transition) -> None:
    group = led()
    assert change(group, several((V, 4), (V, 5), transition=transition)) == ConfState((1, 2, 3, 4, 5))
    assert leaves(group, 1) == 1


@pytest.mark.parametrize("unvalidated", [False, True])
def test_6_leaving_is_proposed_once_however_much_is_applied_meanwhile(unvalidated: bool) -> None:
    group = led(disable_conf_change_validation=unvalidated)
    group[1].propose_conf_change(several((V, 4), (V, 5), transition=Transition.AUTO))
    group.settle(lambda message: not any(not entry.data and entry.kind for entry in message.entries))
    # Applied although leaving is not: as if it had come before, in the same joint configuration.
    leader.after_apply(group[1].core, 0)
    group.run(10)
    group.settle()
    assert leaves(group, 1) == 1
    assert group[1].status().conf_state == ConfState((1, 2, 3, 4, 5))


def test_6_leaving_does_not_depend_on_the_limit_of_unapplied_payload() -> None:
    group = led(1, 2, uncommitted_bytes_max=8)
    group[1].propose_conf_change(several((V, 2), (V, 3), transition=Transition.AUTO))
    group[1].core.uncommitted_bytes += 10_000
    with pytest.raises(ProposalDropped, match="limit is near"):
        group[1].propose(b"x")
    group.settle()
    group.run(3)
    assert group[1].status().conf_state == ConfState((1, 2, 3))


def test_6_a_new_leader_leaves_what_the_old_one_entered() -> None:
    group = led()
    group[1].propose_conf_change(several((V, 4), (V, 5), transition=Transition.AUTO))
    group.settle(lambda message: not any(not entry.data and entry.kind for entry in message.entries))
    group.crash(1)
    group.run(200)
    assert group.leader() in (2, 3, 4, 5)
    assert group[group.leader()].status().conf_state == ConfState((1, 2, 3, 4, 5))


def test_6_a_transfer_puts_leaving_off_and_a_failed_one_does_not_prevent_it() -> None:
    group = led()
    group[1].propose_conf_change(several((V, 4), (V, 5), transition=Transition.AUTO))
    group[1].transfer_leader(3)
    group.settle(lambda message: message.kind is not K.TIMEOUT_NOW)
    assert group[1].status().conf_state.voters_outgoing
    assert leaves(group, 1) == 0
    group.run(25)
    assert group.leader() == 1
    assert group[1].status().conf_state == ConfState((1, 2, 3, 4, 5))


# --- without validation ---------------------------------------------------------------------------------------


def test_without_validation_a_change_that_does_not_fit_is_logged_and_changes_nothing() -> None:
    group = led(disable_conf_change_validation=True)
    group[1].propose_conf_change(several((V, 4), (V, 5)))
    group[1].propose_conf_change(ConfChange(V, 6))  # joint by then
    group[1].propose_conf_change(LEAVE)
    group[1].propose_conf_change(LEAVE)  # left by then
    group.settle()
    group.run(3)
    for member in group.members.values():
        assert member.node.status().conf_state == ConfState((1, 2, 3, 4, 5))
    with pytest.raises(ConfChangeRefused, match="must lie within"):
        group[1].propose_conf_change(ConfChange(V, 0))


def test_with_validation_a_change_that_does_not_fit_when_applied_means_damage() -> None:
    group = led()
    with pytest.raises(ConfChangeRefused, match="not joint"):
        group[2].apply_conf_change(LEAVE)


def test_a_removed_leader_that_is_told_to_stay_does_not_fail_over_leaving() -> None:
    group = led(disable_conf_change_validation=True, step_down_on_removal=False)
    group[1].propose_conf_change(ConfChange(C.REMOVE, 1))
    group[1].propose_conf_change(several((V, 4), (V, 5), transition=Transition.AUTO))
    group.settle()
    assert group[1].core.role is Role.LEADER
    with pytest.raises(ProposalDropped, match="was removed"):
        group[1].propose(b"x")
    assert group[1].status().conf_state.auto_leave


# --- thesis 4 -------------------------------------------------------------------------------------------------


def test_4_1_any_two_majorities_of_configurations_one_voter_apart_overlap() -> None:
    before = ConfState((1, 2, 3))
    after = next_conf_state(before, ConfChange(V, 4))
    for old in ({1, 2}, {1, 3}, {2, 3}):
        for new in ({1, 2, 3}, {1, 2, 4}, {1, 3, 4}, {2, 3, 4}):
            assert 2 * len(new & set(after.voters)) > len(after.voters)
            assert old & new


def test_4_2_1_a_new_server_catches_up_as_a_learner_before_it_counts() -> None:
    group = led(3, 1)
    group.isolate(4)
    change(group, ConfChange(C.ADD_LEARNER, 4))
    index = group[1].propose(b"x")
    group.settle()
    assert group[1].core.log.committed == index, "it costs no availability while it is behind"
    group.heal()
    group.run(3)
    assert group[1].status().peers[4].match == group[1].status().last_index
    assert change(group, ConfChange(C.PROMOTE, 4)) == ConfState((1, 2, 3, 4))


def test_4_2_3_a_removed_server_disturbs_nobody_however_long_it_campaigns() -> None:
    group = led()
    group[1].propose_conf_change(ConfChange(C.REMOVE, 3))
    group.settle(lambda message: message.to != 3)
    term = group[1].term
    for _ in range(60):
        group.tick()
        group.settle(lambda message: message.to != 3)
    assert (group.leader(), group[1].term) == (1, term)


def test_4_2_3_a_server_that_knows_of_its_removal_does_not_campaign() -> None:
    group = led()
    change(group, ConfChange(C.REMOVE, 3))
    group[3].core.switch_conf(ConfState((1, 2)))
    group.wait_out_promises()
    assert not group[3].campaign()


# --- forgetting a leader --------------------------------------------------------------------------------------


def test_a_follower_forgets_its_leader_and_may_vote_at_once_while_its_timer_goes_on() -> None:
    group = led(**QUORUM_READS)
    group.tick(4, only=[2, 3])
    elapsed = group[2].core.election_elapsed
    assert group[2].forget_leader()
    assert (group[2].leader, group[2].core.election_elapsed) == (0, elapsed)
    assert not group[2].forget_leader(), "there is none any more"
    assert group[3].forget_leader()
    group[2].campaign()
    group.settle()
    assert group[2].core.role is Role.LEADER


def test_a_follower_that_forgot_votes_for_no_log_behind_its_own() -> None:
    group = led(**QUORUM_READS)
    group[1].propose(b"x")
    group.settle(lambda message: message.to != 3)
    for member in (2, 3):
        group[member].forget_leader()
    group[3].campaign()
    group.settle()
    assert group[3].core.role is not Role.LEADER


def test_a_follower_that_forgot_finds_its_leader_again_with_the_next_message() -> None:
    group = led(**QUORUM_READS)
    group[2].forget_leader()
    group.run(1)
    assert group[2].leader == 1


def test_leaders_candidates_and_followers_under_leases_forget_nobody() -> None:
    group = led(**QUORUM_READS)
    assert not group[1].forget_leader()
    assert group[1].leader == 1
    group[2].core.become_candidate()
    assert not group[2].forget_leader()
    leased = led()
    assert not leased[2].forget_leader()
    assert leased[2].leader == 1


# --- who leaves is asked for a vote -----------------------------------------------------------------------------


@pytest.mark.parametrize("pre_vote", [True, False])
@pytest.mark.parametrize("storage", [{}, {"async_storage_writes": True}])
def test_who_stays_learns_from_refused_votes_that_the_change_is_committed(
    storage: dict[str, Any], pre_vote: bool
) -> None:
    group = led(spares=0, pre_vote=pre_vote, **storage)
    group[1].propose_conf_change(ConfChanges((ConfChange(C.REMOVE, 1), ConfChange(C.REMOVE, 2))))
    while not group[1].status().conf_state.voters_outgoing:
        group.work_all()
        group.deliver()
    group.work_all()
    leave = group[1].status().last_index
    while group[3].status().durable_index < leave:
        group.deliver()
        group.work_all()
    group[1].propose(b"longer")
    group.work_all()
    for _ in range(4):
        group.deliver(lambda message: message.to != 3)
        group.work_all()
    assert [group[one].status().conf_state.voters_outgoing for one in (1, 2, 3)] == [(), (), (1, 2, 3)]
    assert group[2].status().last_index > group[3].status().last_index
    group.wire.clear()
    for one in (1, 2, 3):
        group.crash(one)
    for one in (1, 2, 3):
        group.restart(one)
    group.run(100)
    assert group.leader() == 3
    assert group[3].status().conf_state == ConfState((3,))


def test_a_voter_alone_learns_from_the_demoted_leader_that_it_is_alone() -> None:
    group = led(voters=2, spares=0)
    group[1].propose_conf_change(ConfChange(C.ADD_LEARNER, 1))
    group.work_all()
    group.deliver()
    group[1].propose(b"longer")
    group.work_all()
    group.deliver(lambda message: message.to == 1)
    group.work_all()
    assert [group[one].status().conf_state.voters for one in (1, 2)] == [(2,), (1, 2)]
    group.wire.clear()
    group.crash(1)
    group.restart(1)
    group.run(100)
    assert group.leader() == 2


def test_a_refusal_is_believed_only_where_the_log_has_the_same_entry() -> None:
    group = cluster(spares=0, **QUORUM_READS)
    core = group[3].core
    core.become_follower(5, 0)
    core.log.append([Entry(4, 2), Entry(5, 3)])
    for index, term in ((3, 4), (2, 5), (4, 5), (0, 0)):
        refused = Message(K.PRE_VOTE_RESPONSE, 1, 3, 5, commit=index, log_term=term, reject=True)
        group[3].step(refused, group.now)
        assert core.log.committed == 1
    group[3].step(Message(K.PRE_VOTE_RESPONSE, 1, 3, 3, commit=2, log_term=4, reject=True), group.now)
    assert (core.log.committed, core.term) == (2, 5), "at a lower term too: what is committed stays so"
    group[3].step(Message(K.VOTE_RESPONSE, 1, 3, 5, commit=3, log_term=5), group.now)
    assert core.log.committed == 2, "a granted vote says nothing"

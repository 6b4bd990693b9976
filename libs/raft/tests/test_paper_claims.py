"""The claims of the Raft paper and of Ongaro's thesis, each with the test that holds us to it; a gap shows as a gap.

Not implemented, and so not claimed: client sessions (paper 8, thesis 6.3: the state machine of the driver tells
repetitions apart), and log cleaning other than by snapshots (thesis 5.3, 5.4).
"""

from pathlib import Path

import pytest

CLAIMS = {
    "5.1 a stale leader or candidate reverts to follower": "test_5_1_whoever_sees_a_higher_term_adopts_it_and_follows",
    "5.1 a request with a stale term is rejected": "test_5_1_a_request_with_a_stale_term_is_refused",
    "5.2 servers start as followers": "test_5_2_members_begin_as_followers",
    "5.2 leaders send periodic heartbeats": "test_5_2_a_leader_sends_heartbeats_to_all_followers_every_interval",
    "5.2 a follower without contact starts an election": (
        "test_5_2_a_follower_that_hears_nothing_begins_a_new_term_votes_for_itself_and_asks_all_others"
    ),
    "5.2 a majority wins": "test_5_2_a_candidate_wins_with_a_majority_and_gives_up_when_it_cannot_have_one",
    "5.2 one vote a term, first come first served": ("test_5_2_a_voter_gives_one_vote_a_term_first_come_first_served"),
    "5.2 a candidate recognises a leader of its term": "test_5_2_a_candidate_follows_a_leader_of_its_own_term",
    "5.2 a split vote starts another term": "test_5_2_a_candidate_whose_vote_is_split_begins_another_term",
    "5.2 election timeouts are random": (
        "test_5_2_election_timeouts_are_drawn_from_one_to_two_timeouts_at_every_change_of_role"
    ),
    "5.2 split votes are rare": "test_5_2_randomised_timeouts_make_split_votes_rare",
    "5.2 at most one leader a term": "ElectionSafety",
    "5.3 an entry is replicated, committed, applied": (
        "test_5_3_a_proposal_is_appended_replicated_committed_by_a_majority_and_applied_everywhere"
    ),
    "5.3 appends are retried indefinitely": "test_5_3_a_lost_append_is_sent_again_until_it_is_answered",
    "5.3 followers learn of commits from the leader": (
        "test_5_3_followers_learn_the_commit_index_with_the_next_append_or_heartbeat"
    ),
    "5.3 commit index of a follower is bounded by the last new entry": (
        "test_5_3_a_follower_commits_no_further_than_the_last_entry_it_was_shown_to_match"
    ),
    "5.3 the log matching property": "LogMatching",
    "5.3 the consistency check": ("test_5_3_a_follower_without_the_preceding_entry_refuses_and_names_its_last_index"),
    "5.3 followers' logs are brought to the leader's (figure 7)": (
        "test_5_3_a_leader_brings_every_follower_of_figure_7_to_its_own_log"
    ),
    "5.3 a leader's log is append-only": "test_5_3_a_leader_never_overwrites_or_deletes_its_own_entries",
    "5.3 one slow follower does not matter": "test_5_3_a_slow_minority_does_not_hold_back_commitment",
    "5.4.1 the voter refuses a candidate behind it": (
        "test_5_4_1_a_voter_refuses_a_candidate_whose_log_is_less_up_to_date"
    ),
    "5.4.2 earlier terms are not committed by counting": (
        "test_5_4_2_entries_of_earlier_terms_are_committed_only_through_one_of_the_own_term"
    ),
    "5.4.3 leader completeness": "test_5_4_3_whoever_lacks_a_committed_entry_is_not_elected",
    "5.4.3 state machine safety": "test_a_group_of_three_or_five_stays_safe_and_recovers",
    "5.5 crashed followers are retried, requests are idempotent": (
        "test_5_5_a_crashed_follower_is_asked_again_and_the_same_request_twice_does_nothing"
    ),
    "5.6 heartbeats are well within the election timeout": "test_a_setting_that_breaks_a_rule_is_named",
    "6 entries go to both configurations": "test_6_entries_go_to_the_members_of_both_configurations",
    "6 separate majorities commit": ("test_6_agreement_takes_separate_majorities_of_the_old_and_the_new_configuration"),
    "6 separate majorities elect": "test_6_a_joint_election_takes_separate_majorities_too",
    "6 a server of either configuration may lead": "test_6_any_member_of_either_configuration_may_lead",
    "6 new servers catch up without a vote": "test_4_2_1_a_new_server_catches_up_as_a_learner_before_it_counts",
    "6 a leader outside the new configuration steps down": (
        "test_6_a_leader_that_is_not_in_the_new_configuration_manages_it_until_it_is_left"
    ),
    "6 removed servers cannot disrupt": ("test_4_2_3_a_removed_server_disturbs_nobody_however_long_it_campaigns"),
    "7 a follower far behind gets a snapshot": (
        "test_7_a_follower_behind_the_log_gets_a_snapshot_and_continues_by_its_acknowledgement_alone"
    ),
    "7 a snapshot keeps index and term of its last entry": (
        "test_7_a_snapshot_in_a_follower_keeps_the_term_of_its_last_entry_for_the_next_check"
    ),
    "7 a snapshot carries the configuration": "test_6_the_joint_configuration_travels_in_snapshots",
    "7 a snapshot of a prefix keeps what follows": (
        "test_7_a_snapshot_of_what_the_log_holds_only_moves_the_commit_index"
    ),
    "8 a leader starts with an empty entry": "test_5_4_2_a_new_leader_begins_with_an_empty_entry_of_its_term",
    "8 reads wait for a heartbeat round": "test_8_a_read_waits_for_a_round_that_began_after_it",
    "thesis 3.10 the target is caught up first, proposals stop": (
        "test_a_transfer_first_catches_the_target_up_and_proposals_wait_meanwhile"
    ),
    "thesis 3.10 the target does not wait for its timeout": (
        "test_a_transfer_overrides_the_promise_and_skips_pre_vote"
    ),
    "thesis 3.10 a transfer ends after an election timeout": (
        "test_a_transfer_that_takes_longer_than_an_election_timeout_is_off_and_the_lease_stays_forfeited"
    ),
    "thesis 4.1 single changes overlap": ("test_4_1_any_two_majorities_of_configurations_one_voter_apart_overlap"),
    "thesis 4.1 one change at a time": "test_6_one_change_is_in_flight_at_a_time",
    "thesis 4.2.2 a removed leader does not count itself": (
        "test_6_a_removed_leader_does_not_count_itself_and_steps_down"
    ),
    "thesis 4.2.3 a server that hears a leader ignores campaigns": (
        "test_votes_and_pre_votes_are_ignored_while_a_leader_is_heard"
    ),
    "thesis 4.3 joint consensus changes anything": (
        "test_random_changes_end_alike_by_simple_steps_by_a_joint_phase_and_in_a_table"
    ),
    "thesis 6.4 reads before the first commit of a term wait": (
        "test_8_a_read_before_the_first_commit_of_the_term_waits_for_it"
    ),
    "thesis 6.4 reads share a round": "test_many_reads_share_one_round",
    "thesis 6.4.1 a lease runs from the sending time": (
        "test_a_lease_runs_from_the_sending_of_the_round_and_lasts_four_fifths_of_the_timeout"
    ),
    "thesis 9.6 a pre-candidate raises no term": "test_9_6_a_pre_candidate_changes_neither_term_nor_vote",
    "thesis 9.6 a member behind does not disturb": ("test_a_member_behind_gets_no_pre_votes_and_disturbs_nobody"),
    "thesis 10.2.1 the leader writes in parallel": (
        "test_5_3_appends_leave_before_the_leaders_own_sync_and_it_counts_itself_after_it"
    ),
    "thesis 10.2.1 appends are pipelined within a window": (
        "test_a_full_window_pauses_and_a_wholly_lost_one_recovers_by_heartbeats"
    ),
}

TESTS = "\n".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_has_its_test(claim: str) -> None:
    name = CLAIMS[claim]
    assert f"def {name}(" in TESTS or f'"{name}":' in TESTS

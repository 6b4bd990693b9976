"""Flow control, lost contact, leadership transfer, leases and the contract of `RawNode`, as short stories.

What is a plain sequence of messages stands in `testdata`, where every message is stated.
"""

import random

import msgspec
import pytest

from lictor_raft import (
    ConfChange,
    ConfChangeKind,
    ConfChanges,
    Config,
    ConfigError,
    Entry,
    EntryKind,
    HardState,
    InvariantViolated,
    LocalCluster,
    LogDamaged,
    MemoryStorage,
    Message,
    MessageKind,
    ProposalDropped,
    RawNode,
    ReadDropped,
    ReadMode,
    ReadState,
    ReadyMisuse,
    Role,
    Snapshot,
    SnapshotMeta,
    Transition,
    check_invariants,
    decode_conf_change,
    encode_conf_change,
)
from lictor_raft.messages import ConfState
from lictor_raft.read_index import PENDING_READS_MAX
from lictor_raft.rounds import Rounds

K = MessageKind


def cluster(size: int = 3, **settings: object) -> LocalCluster:
    def config_for(member: int, applied: int) -> Config:
        return Config(id=member, election_ticks=10, heartbeat_ticks=1, applied=applied, **settings)  # type: ignore[arg-type]

    return LocalCluster(range(1, size + 1), config_for, random.Random(1).randint)


def led(size: int = 3, **settings: object) -> LocalCluster:
    group = cluster(size, **settings)
    group.elect(1)
    group.run(1)
    return group


# --- flow control ---------------------------------------------------------------------------------------------


def test_a_full_window_pauses_and_a_wholly_lost_one_recovers_by_heartbeats() -> None:
    group = led(inflight_messages_max=3)
    group.isolate(3)
    for _ in range(6):
        group[1].propose(b"x")
    group.settle()
    peer = group[1].status().peers[3]
    assert (peer.paused, peer.inflight_messages) == (True, 3)
    group.heal()
    group.run(2)
    assert group.members[3].commands() == [b"x"] * 6
    assert group[1].status().peers[3].inflight_messages == 0


def test_a_window_is_bounded_in_bytes_too() -> None:
    group = led(inflight_bytes_max=300, entries_bytes_per_message_max=100)
    group.isolate(3)
    for _ in range(20):
        group[1].propose(bytes(100))
    group.settle()
    assert group[1].status().peers[3].inflight_bytes == 300
    assert group[1].status().peers[3].paused


def test_appends_carry_entries_up_to_the_byte_limit() -> None:
    group = led(entries_bytes_per_message_max=10)
    group[1].propose_many([bytes(4)] * 5)
    group.settle()
    appended = [len(member.commands()) for member in group.members.values()]
    assert appended == [5, 5, 5]


def test_proposals_over_the_limit_on_unapplied_bytes_are_dropped_and_empty_ones_are_not() -> None:
    group = led(uncommitted_bytes_max=100)
    group[1].propose(bytes(500))  # one of any size passes an empty backlog
    with pytest.raises(ProposalDropped, match="500 bytes"):
        group[1].propose(b"x")
    group[1].propose(b"")
    group.settle()
    group[1].propose(b"x")


def test_propose_many_is_all_or_nothing_and_gives_the_indexes() -> None:
    group = led(uncommitted_bytes_max=100)
    indexes = group[1].propose_many([b"a", b"b", b"c"])
    last = group[1].core.log.last_index()
    assert indexes == range(last - 2, last + 1)
    with pytest.raises(ProposalDropped):
        group[1].propose_many([b"d", bytes(200)])
    assert group[1].core.log.last_index() == last
    assert len(group[1].propose_many([])) == 0


def test_a_member_that_does_not_lead_drops_proposals_and_reads_and_names_the_leader() -> None:
    group = led()
    with pytest.raises(ProposalDropped) as dropped:
        group[2].propose(b"x")
    assert dropped.value.leader == 1
    with pytest.raises(ReadDropped) as read:
        group[2].read_index(1)
    assert read.value.leader == 1


# --- lost contact ---------------------------------------------------------------------------------------------


def test_a_leader_that_hears_no_quorum_for_an_election_timeout_steps_down() -> None:
    group = led()
    group.isolate(1)
    group.run(20)
    assert group[1].core.role is not Role.LEADER


def test_votes_and_pre_votes_are_ignored_while_a_leader_is_heard() -> None:
    group = led()
    for kind in (K.VOTE, K.PRE_VOTE):
        group[2].step(Message(kind, 3, 2, 9, index=99, log_term=9), group.now)
    assert not group[2].has_ready()
    assert group[2].core.term == 2


def test_a_member_at_a_higher_term_makes_the_old_leader_step_down_instead_of_being_stuck() -> None:
    group = led()
    group.members[3].storage.set_hard_state(HardState(9, 0, 2))
    group.restart(3)
    group.run(1)
    assert group[1].core.role is Role.FOLLOWER
    group.run(80)
    assert group[group.leader()].core.term > 9


def test_a_member_behind_gets_no_pre_votes_and_disturbs_nobody() -> None:
    group = led(check_quorum=False, read_mode=ReadMode.QUORUM)
    group.isolate(3)
    group[1].propose(b"x")
    group.settle()
    group.heal()
    group.now += 5
    for _ in range(20):
        group.tick(only=[3])
    group.settle()
    assert (group[1].core.role, group[1].core.term) == (Role.LEADER, 2)


# --- leadership transfer --------------------------------------------------------------------------------------


def test_a_transfer_overrides_the_promise_and_skips_pre_vote() -> None:
    group = led()
    group[1].transfer_leader(3)
    group.settle()
    assert group.leader() == 3
    assert group[3].core.term == 3


def test_a_follower_passes_the_wish_on() -> None:
    group = led()
    group[2].transfer_leader(3)
    group.settle()
    assert group.leader() == 3


def test_a_transfer_first_catches_the_target_up_and_proposals_wait_meanwhile() -> None:
    group = led()
    group.isolate(3)
    group[1].propose(b"x")
    group.settle()
    group[1].transfer_leader(3)
    with pytest.raises(ProposalDropped, match="transferred"):
        group[1].propose(b"y")
    group.heal()
    group.run(3)
    assert group.leader() == 3
    assert group.members[3].commands() == [b"x"]


def test_a_transfer_that_takes_longer_than_an_election_timeout_is_off_and_the_lease_stays_forfeited() -> None:
    group = led()
    assert group[1].lease_valid(group.now)
    group[1].transfer_leader(3)
    group.crash(3)
    group.run(12)
    group[1].propose(b"x")
    group.settle()
    assert group[1].core.role is Role.LEADER
    assert not group[1].lease_valid(group.now)
    assert group[1].lease_read(group.now) is None
    group[1].read_index(4)
    group.settle()
    assert [state.context for state in group.members[1].read_states] == [4]


def test_learners_strangers_and_oneself_are_no_targets() -> None:
    group = led()
    group[1].propose_conf_change(ConfChange(ConfChangeKind.ADD_LEARNER, 4))
    group.settle()
    for target in (1, 4, 9):
        group[1].transfer_leader(target)
        assert group[1].status().transferee == 0


# --- leases ---------------------------------------------------------------------------------------------------


def test_a_lease_runs_from_the_sending_of_the_round_and_lasts_four_fifths_of_the_timeout() -> None:
    group = led()
    group.tick()
    sent_at = group.now
    group.work(1)
    group.now += 0.3  # the answers take their time
    group.settle()
    assert group[1].lease_read(sent_at + 0.79) == group[1].core.log.committed
    assert group[1].lease_read(sent_at + 0.81) is None


def test_an_append_renews_the_lease_as_a_heartbeat_does() -> None:
    group = led()
    group.now += 0.5
    group[1].core.advance_clock(group.now)
    group[1].propose(b"x")
    group.settle()
    assert group[1].lease_valid(group.now + 0.79)


def test_there_is_no_lease_read_before_the_first_commit_of_the_term_nor_in_quorum_mode() -> None:
    group = cluster()
    group.wait_out_promises()
    group[1].campaign()
    group.settle(lambda message: message.kind is not K.APPEND)
    assert group[1].lease_read(group.now) is None
    quorum = led(read_mode=ReadMode.QUORUM)
    assert not quorum[1].lease_valid(quorum.now), "a voter there may forget its leader, and with it its promise"
    assert quorum[1].lease_read(quorum.now) is None


def test_the_only_voter_always_holds_the_lease() -> None:
    group = cluster(1)
    group[1].campaign()
    group.settle()
    assert group[1].lease_read(1e9) == 2
    group[1].read_index(3)
    group.settle()
    assert group.members[1].read_states == [ReadState(2, 3)]


def test_what_the_rounds_remember_is_bounded() -> None:
    rounds = Rounds(1.0)
    for step in range(100_000):
        rounds.start(step / 10_000)
    assert len(rounds._marks) <= 66
    assert rounds.lease_holds(rounds.newest, 9.9999 + 0.78)
    assert not rounds.lease_holds(rounds.newest, 9.9999 + 0.81)


def test_reads_of_a_deposed_leader_come_back_and_too_many_are_refused() -> None:
    group = led()
    group.isolate(1)
    for context in range(PENDING_READS_MAX):
        group[1].read_index(context)
    with pytest.raises(ReadDropped, match="too many"):
        group[1].read_index(0)
    group.run(30)
    assert group.members[1].read_states == []
    assert group.members[1].reads_dropped == list(range(PENDING_READS_MAX))


def test_many_reads_share_one_round() -> None:
    group = led()
    for context in range(100):
        group[1].read_index(context)
    ready = group[1].ready(group.now)
    assert [m.kind for m in ready.messages] == [K.HEARTBEAT, K.HEARTBEAT]


# --- the contract of RawNode ----------------------------------------------------------------------------------


def test_one_ready_is_out_at_a_time_and_only_that_one_is_advanced() -> None:
    group = led()
    group[1].propose(b"x")
    ready = group[1].ready(group.now)
    assert not group[1].has_ready()
    with pytest.raises(ReadyMisuse):
        group[1].ready(group.now)
    group.members[1].persist(ready)
    group[1].advance(ready)
    with pytest.raises(ReadyMisuse):
        group[1].advance(ready)


def test_a_commit_index_alone_needs_no_sync() -> None:
    group = led()
    group[1].propose(b"x")
    group.work_all()
    group.deliver()
    group.work_all()
    group.deliver()
    ready = group[1].ready(group.now)
    assert ready.hard_state is not None
    assert ready.hard_state.commit == 3
    assert not ready.must_sync


def test_a_crash_before_the_sync_forgets_and_the_cluster_carries_on() -> None:
    group = led()
    group[1].propose(b"lost")
    group[1].ready(group.now)
    group.crash(1)
    group.restart(1)
    assert group[1].core.log.last_index() == 2
    group.run(150)
    assert group.leader()


def test_lost_disks_are_noticed() -> None:
    group = led()
    with pytest.raises(LogDamaged, match="was the disk lost"):
        group[2].step(Message(K.HEARTBEAT, 1, 2, 2, commit=99), group.now)
    storage = MemoryStorage(ConfState((1,)))
    storage.set_hard_state(HardState(1, 0, 9))
    with pytest.raises(LogDamaged):
        RawNode(Config(id=1), storage, random.Random(1).randint, 0.0)


def test_the_status_tells_of_every_peer_and_when_it_was_heard() -> None:
    group = led()
    status = group[1].status()
    assert (status.role, status.leader, status.commit, status.applied) == (Role.LEADER, 1, 2, 2)
    assert status.peers[2].last_contact == group.now
    assert group[2].status().peers == {}
    assert group[2].status().leader_contact == group.now


def test_invariants_are_checked_and_a_broken_one_is_named() -> None:
    group = led()
    earlier = check_invariants(group[1])
    group[1].core.log.committed = 1
    with pytest.raises(InvariantViolated, match="applying 2 <= commit 1"):
        check_invariants(group[1], earlier)


# --- values ---------------------------------------------------------------------------------------------------


def test_a_message_survives_its_encoding() -> None:
    snapshot = Snapshot(SnapshotMeta(5, 2, ConfState((1, 2), (3,))), b"ref")
    message = Message(K.SNAPSHOT, 1, 2, 3, 4, 5, (Entry(1, 2, data=b"x"),), 6, True, 7, 8, snapshot)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=Message)
    assert again == message
    assert again.kind is K.SNAPSHOT


def test_a_change_survives_its_encoding_and_damage_is_named() -> None:
    change = ConfChange(ConfChangeKind.PROMOTE, 7, b"who")
    several = ConfChanges((change,), Transition.EXPLICIT, b"why")
    for one in (change, several, ConfChanges()):
        kind, data = encode_conf_change(one)
        assert decode_conf_change(Entry(1, 2, kind, data)) == one
    for kind in (EntryKind.CONF_CHANGE, EntryKind.CONF_CHANGES):
        with pytest.raises(LogDamaged, match="at 2"):
            decode_conf_change(Entry(1, 2, kind, b"\x00"))


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"id": 0}, "id"),
        ({"id": 2**63}, "id"),
        ({"heartbeat_ticks": 0}, "heartbeat_ticks"),
        ({"election_ticks": 5, "heartbeat_ticks": 5}, "election_ticks"),
        ({"election_timeout_s": 0}, "election_timeout_s"),
        ({"inflight_messages_max": 0}, "inflight_messages_max"),
        ({"inflight_bytes_max": 10}, "inflight_bytes_max"),
        ({"check_quorum": False}, "check_quorum"),
        ({"vote_silence_after_start": False}, "vote_silence_after_start"),
        ({"election_ticks": 5, "heartbeat_ticks": 1}, "at least 6"),
        ({"applied": -1}, "applied"),
    ],
)
def test_a_setting_that_breaks_a_rule_is_named(settings: dict[str, int], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        Config(**({"id": 1} | settings))  # type: ignore[arg-type]

"""Raft paper 5.3, 5.4.3, 5.5 and 7 under lost contact: one test per claim."""

import random

from lictor_raft import Config, Entry, LocalCluster, Message, MessageKind, Role

K = MessageKind


def led() -> LocalCluster:
    def config_for(member: int, applied: int) -> Config:
        return Config(id=member, election_ticks=10, heartbeat_ticks=1, applied=applied)

    group = LocalCluster((1, 2, 3), config_for, random.Random(1).randint)
    group.elect(1)
    return group


def test_5_3_a_leader_never_overwrites_or_deletes_its_own_entries() -> None:
    group = led()
    group.isolate(1)
    group[1].propose_many([b"x", b"y"])
    group.settle()
    held = group[1].core.log.entries(2, 2**20)[0]
    group[1].step(Message(K.APPEND, 2, 1, 1, 1, 1, (Entry(1, 2),)), group.now)  # an old leader's, too late
    group[1].step(Message(K.APPEND_RESPONSE, 2, 1, 2, index=4, reject=True, reject_hint=1, log_term=1), group.now)
    assert group[1].core.role is Role.LEADER
    assert group[1].core.log.entries(2, 2**20)[0] == held


def test_5_3_a_lost_append_is_sent_again_until_it_is_answered() -> None:
    group = led()
    for _ in range(3):
        group[1].propose(b"x")
        group.settle(lambda message: message.to != 3)
        group.run(1)
    group.run(2)
    assert group.members[3].commands() == [b"x"] * 3


def test_5_3_a_follower_commits_no_further_than_the_last_entry_it_was_shown_to_match() -> None:
    group = led()
    log = group[2].core.log
    log.append([Entry(2, 3, data=b"unchecked")])
    group[2].step(Message(K.APPEND, 1, 2, 2, index=2, log_term=2, commit=9), group.now)
    assert log.committed == 2


def test_5_4_3_whoever_lacks_a_committed_entry_is_not_elected() -> None:
    group = led()
    group.isolate(3)
    group[1].propose(b"x")
    group.settle()
    group.heal()
    group.crash(1)
    group.wait_out_promises()
    group[3].campaign()
    group.settle()
    assert group.leader() == 0
    group.wait_out_promises()
    group[2].campaign()
    group.settle()
    assert group.leader() == 2
    assert group.members[3].commands() == [b"x"]


def test_5_5_a_crashed_follower_is_asked_again_and_the_same_request_twice_does_nothing() -> None:
    group = led()
    group[1].propose(b"x")
    group.settle()
    group.crash(3)
    group[1].propose(b"y")
    group.run(5)
    group.restart(3)
    group.run(5)
    assert group.members[3].commands() == [b"x", b"y"]
    append = Message(K.APPEND, 1, 3, 2, 2, 2, (Entry(2, 3, data=b"x"),), 3)
    group[3].step(append, group.now)
    group[3].step(append, group.now)
    group.settle()
    assert group.members[3].commands() == [b"x", b"y"]


def test_7_a_snapshot_in_a_follower_keeps_the_term_of_its_last_entry_for_the_next_check() -> None:
    group = led()
    group[1].propose(b"x")
    group.settle()
    group.run(1)
    group.compact(2)
    assert group[2].core.log.term(3) == 2
    group[1].propose(b"y")
    group.settle()
    group.run(1)
    assert group[2].core.log.committed == 4

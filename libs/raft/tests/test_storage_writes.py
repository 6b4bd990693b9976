"""Asynchronous storage: entries are handed out once, answers count in their term, and durability bounds what is done."""

import random

import pytest

from lictor_raft import (
    LOCAL_APPEND,
    LOCAL_APPLY,
    Config,
    ConfState,
    Entry,
    LocalCluster,
    LocalMember,
    Message,
    MessageKind,
    ReadyMisuse,
    Role,
    Snapshot,
    SnapshotMeta,
)

K = MessageKind


def cluster(size: int = 3, **settings: object) -> LocalCluster:
    def config_for(member: int, applied: int) -> Config:
        return Config(
            id=member,
            election_ticks=10,
            heartbeat_ticks=1,
            applied=applied,
            async_storage_writes=True,
            **settings,  # type: ignore[arg-type]
        )

    return LocalCluster(range(1, size + 1), config_for, random.Random(1).randint)


def led(size: int = 3, **settings: object) -> LocalCluster:
    group = cluster(size, **settings)
    group.elect(1)
    return group


def entries_of(messages: list[Message]) -> list[list[int]]:
    return [[entry.index for entry in message.entries] for message in messages]


# --- the pipeline ---------------------------------------------------------------------------------------------


def test_a_leader_goes_on_while_its_disk_is_at_work_and_hands_every_entry_out_once() -> None:
    group = led()
    leader = group.members[1]
    indexes = []
    for data in (b"a", b"b", b"c"):
        indexes.append(group[1].propose(data))
        group.hand_out(1)
    assert entries_of([*leader.writes]) == [[index] for index in indexes]
    assert not group[1].has_ready()
    group.settle()
    assert [member.commands() for member in group.members.values()] == [[b"a", b"b", b"c"]] * 3


def test_answers_to_others_and_to_oneself_wait_for_the_write_that_they_depend_on() -> None:
    group = led()
    index = group[1].propose(b"a")
    group.hand_out(1)
    (write,) = group.members[1].writes
    assert [(m.kind, m.to, m.index) for m in write.responses] == [
        (K.STORAGE_APPEND_RESPONSE, 1, index),
        (K.APPEND_RESPONSE, 1, index),
    ]
    group.deliver()
    ready = group.hand_out(2)
    assert ready is not None
    assert ready.must_sync
    assert ready.messages_after_append == ()
    assert group.wire == [], "nothing vouches for the entry before it is written"
    group.write_one(2)
    assert [(m.kind, m.to, m.index) for m in group.wire] == [(K.APPEND_RESPONSE, 1, index)]


def test_a_commit_waits_for_the_leaders_own_disk_even_when_all_others_have_written() -> None:
    group = led()
    index = group[1].propose(b"a")
    group.hand_out(1)
    group.deliver()
    for follower in (2, 3):
        while group.work(follower):
            pass
    group.deliver()
    assert group[1].core.log.committed < index
    group.write_one(1)
    assert group[1].core.log.committed == index


def test_every_answer_attests_the_whole_log_as_of_its_write() -> None:
    group = led()
    first, second = group[1].propose(b"a"), 0
    group.hand_out(1)
    second = group[1].propose(b"b")
    group.hand_out(1)
    attested = [message.responses[0].index for message in group.members[1].writes]
    assert attested == [first, second]
    group.tick(1, only=[1])
    group[1].step(Message(K.APPEND, 2, 1, 9, index=1, log_term=1), group.now)  # a new term, nothing new in the log
    group.hand_out(1)
    newest = group.members[1].writes[-1]
    assert (newest.entries, newest.hard_state is None) == ((), False)
    assert (newest.responses[0].index, newest.responses[0].term) == (second, 9)


def test_only_what_is_written_is_applied_however_well_it_is_committed() -> None:
    group = led()
    index = group[1].propose(b"a")
    group.work_all()
    group.deliver()
    group.hand_out(2)
    group[2].step(Message(K.HEARTBEAT, 1, 2, 2, commit=index), group.now)
    group.hand_out(2)
    assert group[2].core.log.committed == index
    assert not group.members[2].applies
    group.write_one(2)
    group.hand_out(2)
    assert entries_of([*group.members[2].applies]) == [[index]]
    assert group[2].core.log.applied < index
    group.apply_one(2)
    assert group[2].core.log.applied == index


def test_the_payload_that_is_being_applied_is_bounded_and_what_is_cut_waits_for_an_answer() -> None:
    group = led(1, committed_bytes_per_ready_max=10)
    group[1].propose_many([b"x" * 4] * 6)
    while group.hand_out(1) or group.write_one(1):
        pass
    member = group.members[1]
    sizes = [sum(len(entry.data) for entry in message.entries) for message in member.applies]
    assert sizes == [8], "two fit, and the third would go over"
    group.apply_one(1)
    group.hand_out(1)
    assert [len(message.entries) for message in member.applies] == [2]
    group.settle()
    assert len(member.commands()) == 6


def test_advance_belongs_to_the_other_mode_and_so_do_answers_of_the_storage() -> None:
    group = led()
    group[1].propose(b"a")
    ready = group.hand_out(1)
    assert ready is not None
    with pytest.raises(ReadyMisuse):
        group[1].advance(ready)
    synchronous = LocalCluster((1,), lambda m, a: Config(id=m, applied=a), random.Random(1).randint)
    synchronous.elect(1)
    synchronous[1].propose(b"a")
    before = synchronous[1].status()
    synchronous[1].step(Message(K.STORAGE_APPEND_RESPONSE, LOCAL_APPEND, 1, before.term, 3, before.term), 9.0)
    synchronous[1].step(Message(K.STORAGE_APPLY_RESPONSE, LOCAL_APPLY, 1, 0), 9.0)
    assert synchronous[1].status() == before


def test_a_crash_forgets_what_waited_for_the_disk() -> None:
    group = led()
    group[1].propose(b"lost")
    group.hand_out(1)
    group.wire.clear()
    group.crash(1)
    group.restart(1)
    assert group.members[1].storage.last_index() == 2
    group.run(150)
    assert group.leader()
    assert [member.commands() for member in group.members.values()] == [[]] * 3


def test_a_leader_may_be_elected_before_its_disk_holds_what_it_knows_to_be_committed() -> None:
    group = cluster(5)
    node = group[1]
    node.step(Message(K.APPEND, 2, 1, 2, 1, 1, (Entry(2, 2), Entry(2, 3)), commit=3), group.now)
    group.hand_out(1)
    group.wait_out_promises()
    node.campaign()
    for voter in (3, 4, 5):
        node.step(Message(K.PRE_VOTE_RESPONSE, voter, 1, 3), group.now)
    for voter in (3, 4, 5):
        node.step(Message(K.VOTE_RESPONSE, voter, 1, 3), group.now)
    assert node.role is Role.LEADER
    assert node.core.log.durable_index() < node.core.log.committed
    group.members[1].check()
    group.hand_out(1)
    for voter in (3, 4):
        node.step(Message(K.APPEND_RESPONSE, voter, 1, 3, 4), group.now)
    assert node.core.log.committed == 3, "what it commits itself waits for its own disk"
    while group.write_one(1):
        pass
    assert node.core.log.committed == 4


# --- a late answer does not vouch for what replaced its entries -------------------------------------------------


def append(member: LocalMember, sender: int, term: int, entry: Entry, group: LocalCluster) -> None:
    member.node.step(Message(K.APPEND, sender, 1, term, 1, 1, (entry,)), group.now)


def test_a_stale_answer_for_an_entry_that_was_replaced_twice_and_came_back_is_not_believed() -> None:
    group = cluster(7)
    member = group.members[1]
    unstable = member.node.core.log.unstable
    entry = Entry(2, 2, data=b"first")
    append(member, 2, 2, entry, group)
    group.hand_out(1)
    append(member, 3, 3, Entry(3, 2, data=b"second"), group)
    group.hand_out(1)
    append(member, 4, 4, entry, group)  # term 4's leader never had the second: the first comes back
    group.hand_out(1)
    assert entries_of([*member.writes]) == [[2], [2], [2]]
    assert [message.responses[0].log_term for message in member.writes] == [2, 3, 2]

    group.write_one(1)
    assert (unstable.offset, unstable.entries) == (2, [entry]), "the disk holds the same, but not for long"
    group.write_one(1)
    assert member.storage.term(2) == 3
    assert (unstable.offset, unstable.entries) == (2, [entry])
    assert not [m for m in group.wire if m.term == 4], "nothing was acknowledged to the leader of term 4 yet"
    group.write_one(1)
    assert (unstable.offset, unstable.entries) == (3, [])
    assert member.storage.term(2) == 2


def test_an_answer_that_came_too_late_is_made_good_by_the_next_one() -> None:
    group = cluster()
    member = group.members[1]
    append(member, 2, 2, Entry(2, 2), group)
    group.hand_out(1)
    member.node.step(Message(K.HEARTBEAT, 3, 1, 3), group.now)  # the term moves on, the entry stays
    group.write_one(1)
    assert member.node.core.log.durable_index() == 1
    group.hand_out(1)
    (write,) = member.writes
    assert write.entries == ()
    group.write_one(1)
    assert member.node.core.log.durable_index() == 2


def test_what_replaces_entries_that_are_being_written_is_written_after_them() -> None:
    group = cluster()
    member = group.members[1]
    message = Message(K.APPEND, 2, 1, 2, 1, 1, (Entry(2, 2), Entry(2, 3), Entry(2, 4)))
    member.node.step(message, group.now)
    group.hand_out(1)
    member.node.step(Message(K.APPEND, 3, 1, 3, 2, 2, (Entry(3, 3),)), group.now)
    group.hand_out(1)
    assert entries_of([*member.writes]) == [[2, 3, 4], [3]]
    while group.write_one(1):
        pass
    assert [member.storage.term(index) for index in (2, 3)] == [2, 3]
    assert member.storage.last_index() == member.node.core.log.durable_index() == 3


# --- snapshots ------------------------------------------------------------------------------------------------


SNAPSHOT = Snapshot(SnapshotMeta(9, 2, ConfState((1, 2, 3))), b"ref")


def test_a_snapshot_and_what_follows_it_are_one_write_in_that_order() -> None:
    group = cluster()
    member = group.members[1]
    log = member.node.core.log
    append(member, 2, 2, Entry(2, 2, data=b"old"), group)
    group.hand_out(1)
    member.node.step(Message(K.SNAPSHOT, 2, 1, 2, snapshot=SNAPSHOT), group.now)
    member.node.step(Message(K.APPEND, 2, 1, 2, 9, 2, (Entry(2, 10, data=b"x"),), commit=10), group.now)
    group.hand_out(1)
    (_, write) = member.writes
    assert (write.snapshot, entries_of([write])) == (SNAPSHOT, [[10]])
    assert not member.node.has_ready(), "nothing is applied before the snapshot is in"
    group.write_one(1)
    group.write_one(1)
    assert (member.storage.first_index(), member.storage.last_index()) == (10, 10)
    assert log.applied == 9
    assert log.durable_index() == 10
    group.settle()
    assert member.commands() == [b"x"]


def test_an_installed_snapshot_counts_in_every_term() -> None:
    group = cluster()
    member = group.members[1]
    member.node.step(Message(K.SNAPSHOT, 2, 1, 2, snapshot=SNAPSHOT), group.now)
    group.hand_out(1)
    member.node.step(Message(K.HEARTBEAT, 3, 1, 5), group.now)
    group.write_one(1)
    assert member.node.core.log.unstable.snapshot is None
    assert member.node.core.log.applied == 9


def test_a_snapshot_waits_while_entries_are_being_applied() -> None:
    group = led()
    group[1].propose(b"a")
    group.settle(lambda message: message.to != 3)
    group.run(1)
    group[1].propose(b"b")
    group.work_all()
    group.deliver()
    while group.hand_out(3) or group.write_one(3):
        pass
    group.deliver()
    group[3].step(Message(K.HEARTBEAT, 1, 3, 2, commit=4), group.now)
    group.hand_out(3)
    assert group.members[3].applies
    late = Snapshot(SnapshotMeta(20, 2, ConfState((1, 3))))
    group[3].step(Message(K.SNAPSHOT, 1, 3, 2, snapshot=late), group.now)
    assert 2 in group[3].core.tracker.voters, "a change being applied would meet the wrong configuration"
    while group.apply_one(3):
        pass
    group[3].step(Message(K.SNAPSHOT, 1, 3, 2, snapshot=late), group.now)
    assert 2 not in group[3].core.tracker.voters


def test_a_follower_far_behind_catches_up_by_snapshot() -> None:
    group = led()
    group.isolate(3)
    for _ in range(5):
        group[1].propose(b"x")
        group.settle()
    group.compact(1)
    group.heal()
    group.run(3)
    group[1].report_snapshot(3, ok=True)
    group[1].propose(b"y")
    group.run(5)
    assert group[1].role is Role.LEADER
    assert group.members[3].commands() == [b"y"]

"""Each invariant, of a member and of a group, is broken once by hand: the check names it, and only then."""

import random
from collections.abc import Callable

import pytest

from lictor_raft import (
    ConfChange,
    ConfChangeKind,
    Config,
    ConfState,
    Entry,
    EntryKind,
    InvariantViolated,
    LocalCluster,
    Message,
    MessageKind,
    Role,
    check_group,
    check_invariants,
)
from lictor_raft.core import Core

K = MessageKind


def led(size: int = 3) -> LocalCluster:
    def config_for(member: int, applied: int) -> Config:
        return Config(id=member, election_ticks=10, heartbeat_ticks=1, applied=applied)

    group = LocalCluster(range(1, size + 1), config_for, random.Random(1).randint)
    group.elect(1)
    for data in (b"a", b"b", b"c"):
        group[1].propose(data)
        group.settle()
    group.run(1)
    return group


def conf(core: Core, *args: object) -> None:
    core.tracker.conf_state = ConfState(*args)  # type: ignore[arg-type]


def two_changes(core: Core) -> None:
    core.log.append([Entry(core.term, core.log.last_index() + n, EntryKind.CONF_CHANGE) for n in (1, 2)])


def set_peer(core: Core, **fields: int) -> None:
    for name, value in fields.items():
        setattr(core.tracker.progress[2], name, value)


MEMBER = {
    "applying 9 <= commit 5": lambda core: setattr(core.log, "applying", 9),
    "commit 9 <= last 5": lambda core: setattr(core.log, "committed", 9),
    "last term 2 <= term 1": lambda core: setattr(core, "term", 1),
    "itself only as leader": lambda core: setattr(core, "leader", 2),
    "votes for itself, not 3": lambda core: setattr(core, "vote", 3),
    "voters are no learners": lambda core: conf(core, (1, 2, 3), (3,)),
    "votes in the outgoing half alone": lambda core: conf(core, (1, 2), (), (1, 2, 3), (2,)),
    "has voters that come": lambda core: conf(core, (), (), (1, 2, 3)),
    "only a joint configuration is left": lambda core: conf(core, (1, 2, 3), (), (), (), True),
    "progress is kept of the members": lambda core: conf(core, (1, 2)),
    "in progress 9": lambda core: setattr(core.log.unstable, "in_progress", 9),
    "a snapshot in progress is": lambda core: setattr(core.log.unstable, "snapshot_in_progress", True),
    "stands at 6": lambda core: core.log.unstable.entries.append(Entry(2, 8)),
    "stands at 7 after term 2": lambda core: core.log.unstable.entries.extend([Entry(2, 6), Entry(1, 7)]),
    "one configuration change in flight, not 2": two_changes,
    "term 3 of a APPEND": lambda core: core.messages.append(Message(K.APPEND, 1, 2, 3)),
    "term 4 of a PRE_VOTE": lambda core: core.messages.append(Message(K.PRE_VOTE, 1, 2, 4)),
    "pending change 9": lambda core: setattr(core, "pending_conf_index", 9),
    "match 5 < next 5": lambda core: set_peer(core, next=5),
    "match 8 of 2 <= last 5": lambda core: set_peer(core, match=8, next=9),
    "next 7 of 2": lambda core: set_peer(core, next=7),
}


@pytest.mark.parametrize(("claim", "damage"), MEMBER.items(), ids=MEMBER)
def test_a_member_that_breaks_an_invariant_is_told_which(claim: str, damage: Callable[[Core], None]) -> None:
    group = led()
    for member in (1, 2, 3):
        check_invariants(group[member])
    damage(group[1].core)
    with pytest.raises(InvariantViolated, match=claim):
        check_invariants(group[1])


def test_what_went_back_since_the_last_check_is_told() -> None:
    group = led()
    seen = check_invariants(group[2])
    core = group[2].core
    core.vote = 2
    with pytest.raises(InvariantViolated, match="vote 1 stays in term 2"):
        check_invariants(group[2], seen)
    core.vote = 1
    core.log.applied = 4
    with pytest.raises(InvariantViolated, match="applied 5 <= 4"):
        check_invariants(group[2], seen)
    core.log.applying = core.log.committed = 4
    with pytest.raises(InvariantViolated, match="commit 5 <= 4"):
        check_invariants(group[2], seen)


def test_a_leader_checks_what_it_commits_against_its_disk() -> None:
    group = led()
    index = group[1].propose(b"d")
    group[1].core.log.committed = index
    with pytest.raises(InvariantViolated, match="leader commit 6 <= durable 5"):
        check_invariants(group[1])
    with pytest.raises(InvariantViolated, match="CommittedIsDurable"):
        check_group([group[1]])


# --- the group ------------------------------------------------------------------------------------------------


def rewrite(group: LocalCluster, member: int, first: int, terms: tuple[int, ...], data: bytes = b"?") -> None:
    """Replace the durable log of a member from an index on, without asking anybody."""
    storage = group.members[member].storage
    storage.append([Entry(term, index, data=data) for index, term in enumerate(terms, first)])
    unstable = group[member].core.log.unstable
    unstable.offset = unstable.in_progress = storage.last_index() + 1


def second_leader(group: LocalCluster) -> None:
    group[2].core.role = Role.LEADER


def other_entry_of_the_same_term(group: LocalCluster) -> None:
    rewrite(group, 3, 4, (2,))
    group[3].core.log.committed = 3
    group.members[3].storage.append([Entry(2, 5, data=b"c")])
    group[3].core.log.unstable.offset = group[3].core.log.unstable.in_progress = 6


def other_committed_entry(group: LocalCluster) -> None:
    rewrite(group, 3, 5, (3,))


def quorum_without_what_is_committed(group: LocalCluster) -> None:
    for member in (2, 3):
        group[member].core.log.committed = 4
        rewrite(group, member, 5, (1,))


def leader_without_what_is_committed(group: LocalCluster) -> None:
    group[1].core.log.committed = 4
    rewrite(group, 1, 5, (1,))


def shorter_log_that_ends_later(group: LocalCluster) -> None:
    group[1].core.role = Role.FOLLOWER
    group[3].core.log.committed = 3
    rewrite(group, 3, 4, (3,))


GROUP = {
    "ElectionSafety": second_leader,
    "LogMatching": other_entry_of_the_same_term,
    "LogInv": other_committed_entry,
    "QuorumLog": quorum_without_what_is_committed,
    "LeaderCompleteness": leader_without_what_is_committed,
    "MoreUpToDateCorrect": shorter_log_that_ends_later,
}


@pytest.mark.parametrize(("claim", "damage"), GROUP.items(), ids=GROUP)
def test_a_group_that_breaks_an_invariant_is_told_which(claim: str, damage: Callable[[LocalCluster], None]) -> None:
    group = led()
    nodes = [group[member] for member in (1, 2, 3)]
    check_group(nodes)
    damage(group)
    with pytest.raises(InvariantViolated, match=claim):
        check_group(nodes)


def test_who_is_not_seen_may_hold_anything_and_compacted_entries_are_vouched_for() -> None:
    group = led()
    group.isolate(3)
    group[1].propose(b"only two hold this")
    group.settle()
    group.run(1)
    check_group(group[member] for member in (1, 2, 3))
    check_group(group[member] for member in (1, 3))
    group.compact(1)
    check_group(group[member] for member in (1, 2, 3))


def test_a_joint_group_is_judged_by_both_halves() -> None:
    group = led()
    group[1].propose_conf_change(ConfChange(ConfChangeKind.ADD_LEARNER, 4))
    group.settle()
    for member in (1, 2, 3):
        group[member].core.switch_conf(ConfState((2, 3), (4,), (1, 2, 3)))
    check_group(group[member] for member in (1, 2, 3))

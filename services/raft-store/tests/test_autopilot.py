"""Autopilot: tables of single decisions, then random deaths and returns in a toy cluster against its promises."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_raft import ConfChange, ConfChangeKind, ConfChanges, ConfState, next_conf_state
from lictor_raft_store.leader_duties.autopilot import DEAD_S, LEARNERS_MAX, VOTERS_MAX, Autopilot
from lictor_raft_store.leader_duties.levels import behind, raise_level
from lictor_raft_store.leader_duties.servers import Server
from lictor_state.commands import RaiseLevel
from lictor_state.rows import AutopilotRow

LEVEL = 2
STABLE_S = 10.0


@dataclass
class Toy:
    """Members of a cluster that change at once: who is in, who answers, and what the leader has seen of them."""

    expect: int = 3
    settings: AutopilotRow = field(default_factory=AutopilotRow)
    now: float = 100.0
    leader: int = 1
    last_index: int = 1000
    cluster_level: int = LEVEL

    def __post_init__(self):
        self.conf = ConfState(tuple(range(1, self.expect + 1)))
        self.heard = dict.fromkeys(self.conf.voters, self.now)
        self.alive = set(self.conf.voters)
        self.match = {}
        self.level = {}
        self.changes = []
        self.elect(self.leader)

    def elect(self, leader):
        self.leader = leader
        self.heard = {}
        self.autopilot = Autopilot(self.now, self.expect, 0.1)

    def servers(self):
        members = sorted({*self.conf.voters, *self.conf.learners})
        found = [self._server(one) for one in members]
        joining = sorted(self.alive - set(members))
        return found + [replace(self._server(one), member=False, never_member=True, voter=False) for one in joining]

    def _server(self, member):
        age = 0.0 if member == self.leader else None
        if member in self.heard:
            age = self.now - self.heard[member]
        match = self.match.get(member, self.last_index)
        name, voter = f"server-{member}", member in self.conf.voters
        return Server(
            member, name, "r", "", 1, voter, age, True, member in self.alive, match, self.level.get(member, LEVEL)
        )

    def round(self):
        """Half a second: who lives is heard, and what autopilot decides happens at once."""
        self.now += 0.5
        self.heard.update({one: self.now for one in self.alive if one in {*self.conf.voters, *self.conf.learners}})
        servers = self.servers()
        self.autopilot.observe(servers, self.leader, self.last_index, self.settings, self.now)
        change = self.autopilot.decide(servers, self.conf, self.settings, self.cluster_level, self.now)
        if change is not None:
            self.changes.append(change.change)
            self.conf = next_conf_state(self.conf, change.change)
            if self.conf.voters_outgoing:
                self.conf = next_conf_state(self.conf, ConfChanges())
        return change.change if change else None

    def after(self, seconds):
        return [change for change in (self.round() for _ in range(int(seconds * 2))) if change is not None]


def test_a_process_that_wants_to_join_becomes_a_learner_and_then_a_voter():
    toy = Toy()
    toy.alive.add(4)
    assert toy.after(2) == [ConfChange(ConfChangeKind.ADD_LEARNER, 4)]
    assert toy.after(STABLE_S - 1) == []
    assert toy.after(2) == [ConfChange(ConfChangeKind.PROMOTE, 4)]
    assert toy.conf == ConfState((1, 2, 3, 4))


def test_a_learner_that_lags_or_stumbles_is_not_promoted():
    toy = Toy()
    toy.alive.add(4)
    toy.match[4] = toy.last_index - 251
    toy.after(30)
    assert toy.conf == ConfState((1, 2, 3), (4,))
    toy.match[4] = toy.last_index - 250
    toy.after(STABLE_S - 2)
    toy.alive.discard(4)
    toy.after(1.5)
    toy.alive.add(4)
    assert toy.after(STABLE_S - 1) == []
    toy.after(2)
    assert 4 in toy.conf.voters


def test_one_bad_observation_is_no_stumble():
    toy = Toy()
    toy.alive.add(4)
    toy.after(5)
    toy.alive.discard(4)
    toy.after(0.5)
    toy.alive.add(4)
    toy.after(7)
    assert 4 in toy.conf.voters


@pytest.mark.parametrize(
    "why", ["was a member before", "reads less than the cluster's level", "is not present", "too many learners"]
)
def test_who_must_not_join_is_not_added(why):
    toy = Toy()
    toy.alive.add(4)
    if why == "reads less than the cluster's level":
        toy.level[4] = LEVEL - 1
    if why == "too many learners":
        toy.conf = ConfState((1, 2, 3), tuple(range(100, 100 + LEARNERS_MAX)))
        toy.alive |= set(toy.conf.learners)
        toy.match = dict.fromkeys(toy.conf.learners, 0)
    plain = toy.servers

    def servers():
        wrong = {"was a member before": {"never_member": False}, "is not present": {"present": False}}
        return [one if one.member else replace(one, **wrong.get(why, {})) for one in plain()]

    setattr(toy, "servers", servers)  # noqa: B010  a method of this one toy
    assert toy.after(5) == []


def test_a_dead_voter_is_replaced_by_a_learner_in_one_change():
    toy = Toy()
    toy.match[4] = 0
    toy.alive.add(4)
    toy.after(5)
    toy.alive.discard(2)
    toy.after(DEAD_S - 30)
    toy.match[4] = toy.last_index
    assert toy.after(29) == [], "with a voter missing, none is added"
    (change,) = toy.after(2)
    assert change == ConfChanges((ConfChange(ConfChangeKind.REMOVE, 2), ConfChange(ConfChangeKind.PROMOTE, 4)))
    assert toy.conf == ConfState((1, 3, 4))


def test_where_some_build_cannot_read_a_joint_change_a_dead_voter_is_replaced_in_two_steps():
    toy = Toy(cluster_level=1)
    toy.match[4] = 0
    toy.alive.add(4)
    toy.after(5)
    toy.alive.discard(2)
    toy.after(DEAD_S - 30)
    toy.match[4] = toy.last_index
    assert toy.after(32) == [ConfChange(ConfChangeKind.PROMOTE, 4), ConfChange(ConfChangeKind.REMOVE, 2)]
    assert toy.conf == ConfState((1, 3, 4))


def test_two_voters_that_were_scaled_away_at_once_are_removed_one_after_the_other():
    toy = Toy(expect=5)
    toy.expect = toy.autopilot.expect = 3
    toy.alive -= {4, 5}
    assert toy.after(DEAD_S - 1) == []
    assert toy.after(3) == [ConfChange(ConfChangeKind.REMOVE, 4), ConfChange(ConfChangeKind.REMOVE, 5)]
    assert toy.conf == ConfState((1, 2, 3))


def test_no_voter_is_removed_while_one_that_remains_is_not_well():
    toy = Toy(expect=5)
    toy.expect = toy.autopilot.expect = 3
    toy.alive -= {4}
    toy.match[3] = 0
    assert toy.after(3 * DEAD_S) == []


def test_the_dead_are_removed_one_at_a_time_and_never_below_the_expected_number():
    toy = Toy(expect=5)
    toy.expect = toy.autopilot.expect = 3
    toy.alive.discard(4)
    assert toy.after(DEAD_S + 1) == [ConfChange(ConfChangeKind.REMOVE, 4)]
    toy.alive.discard(5)
    assert toy.after(DEAD_S + 1) == [ConfChange(ConfChangeKind.REMOVE, 5)]
    toy.alive.discard(3)
    assert toy.after(3 * DEAD_S) == []


def test_nobody_is_removed_while_another_voter_is_away_that_may_come_back():
    toy = Toy(expect=5)
    toy.autopilot.expect = 3
    toy.alive.discard(4)
    toy.after(DEAD_S - 5)
    toy.alive.discard(5)
    assert toy.after(30) == [], "it may be on its way back, and does not count as dead yet"
    toy.alive.add(5)
    assert toy.after(2) == [ConfChange(ConfChangeKind.REMOVE, 4)]


def test_two_that_died_together_are_both_removed_and_do_not_wait_for_each_other():
    toy = Toy(expect=5)
    toy.autopilot.expect = 3
    toy.alive -= {4, 5}
    removals = [ConfChange(ConfChangeKind.REMOVE, 4), ConfChange(ConfChangeKind.REMOVE, 5)]
    assert toy.after(DEAD_S + 5) == removals
    assert toy.conf == ConfState((1, 2, 3))


def test_min_quorum_and_cleanup_are_settings():
    for settings_row in (AutopilotRow(min_quorum=5), AutopilotRow(cleanup_dead_servers=False)):
        toy = Toy(expect=5, settings=settings_row)
        toy.autopilot.expect = 3
        toy.alive.discard(5)
        assert toy.after(3 * DEAD_S) == []
    toy = Toy(settings=AutopilotRow(min_quorum=2))
    toy.alive.discard(2)
    assert toy.after(DEAD_S + 1) == [ConfChange(ConfChangeKind.REMOVE, 2)]


def test_a_dead_learner_is_removed():
    toy = Toy()
    toy.conf = ConfState((1, 2, 3), (4,))
    assert toy.after(DEAD_S + 1) == [ConfChange(ConfChangeKind.REMOVE, 4)]


def test_a_new_leader_observes_anew():
    toy = Toy()
    toy.alive.add(4)
    toy.after(8)
    toy.alive.discard(3)
    toy.after(50)
    toy.elect(2)
    assert toy.after(DEAD_S - 1) == []
    (change,) = toy.after(2)
    assert isinstance(change, ConfChanges)


def test_nothing_is_decided_without_a_healthy_majority_in_a_joint_configuration_or_outside_of_it():
    toy = Toy()
    toy.alive = {1, 4}
    assert toy.after(3 * DEAD_S) == []
    for conf in (ConfState((1, 2), (), (1, 2, 3)), ConfState((2, 3), (4,))):
        toy = Toy()
        toy.conf, toy.alive = conf, {1, 2, 3, 4, 5}
        assert toy.after(30) == []


def test_more_voters_than_five_stay_learners():
    toy = Toy()
    toy.alive |= {4, 5, 6, 7}
    toy.after(60)
    assert (len(toy.conf.voters), len(toy.conf.learners)) == (VOTERS_MAX, 2)


def test_the_tolerance_counts_healthy_voters():
    toy = Toy()
    toy.after(1)
    assert toy.autopilot.failure_tolerance == 1
    toy.alive.discard(3)
    toy.after(1)
    assert toy.autopilot.failure_tolerance == 0
    assert [one.healthy for one in toy.autopilot.healths] == [True, True, False]


events = st.lists(
    st.tuples(
        st.sampled_from(["die", "return", "start", "elect", "wait", "wait"]), st.integers(0, 9), st.integers(1, 90)
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([1, 3, 5]), events)
def test_whatever_dies_and_returns_autopilot_keeps_its_promises(expect, history):
    toy, fresh = Toy(expect=expect), 100
    removed: set[int] = set()

    def rounds(count):
        for _ in range(count):
            before = toy.conf
            change = toy.round()
            if change is None:
                continue
            gone = set(before.voters) - set(toy.conf.voters)
            assert not gone & toy.alive, "a living voter was removed"
            assert toy.leader in toy.conf.voters
            assert len(toy.conf.voters) >= min(len(before.voters), expect)
            assert 2 * len(toy.alive & set(toy.conf.voters)) > len(toy.conf.voters), "no quorum is left"
            assert len(gone) <= 1
            removed.update(gone, set(before.learners) - {*toy.conf.learners, *toy.conf.voters})

    def has_quorum():
        return 2 * len(toy.alive & set(toy.conf.voters)) > len(toy.conf.voters)

    for verb, which, halves in history:
        members = sorted({*toy.conf.voters, *toy.conf.learners})
        chosen = members[which % len(members)]
        if verb == "die" and chosen != toy.leader:
            toy.alive.discard(chosen)
        elif verb == "return" and chosen not in removed:
            toy.alive.add(chosen)
        elif verb == "start" and len(toy.alive) < 8:
            fresh += 1
            toy.alive.add(fresh)
        elif verb == "elect":
            candidates = sorted(toy.alive & set(toy.conf.voters))
            toy.elect(candidates[which % len(candidates)])
        if has_quorum():
            rounds(halves)
    toy.alive |= set(toy.conf.voters)
    rounds(20)
    while len(toy.alive) < expect:
        fresh += 1
        toy.alive.add(fresh)
    rounds(400)
    assert len(toy.conf.voters) >= expect
    assert set(toy.conf.voters) <= toy.alive


# -- the feature level


def member(number, **more):
    return replace(Server(number, f"server-{number}", "r", "", 1, True, 0.0, present=True, level=2), **more)


def test_the_level_rises_to_what_every_member_announces():
    assert raise_level([member(1), member(2), member(3)], 1) == RaiseLevel(2)
    assert raise_level([member(1), member(2), member(3, level=1)], 1) is None
    assert raise_level([member(1, level=4), member(2, level=3)], 1) == RaiseLevel(3)
    assert raise_level([member(1), member(2)], 2) is None


def test_a_member_that_is_away_holds_the_level_and_a_process_that_waits_to_join_does_not():
    assert raise_level([member(1), member(2, present=False)], 1) is None
    assert raise_level([member(1), member(9, member=False, level=1)], 1) == RaiseLevel(2)
    assert raise_level([], 1) is None
    assert behind([member(1), member(2, level=1), member(9, member=False, level=1)], 2) == ["server-2"]

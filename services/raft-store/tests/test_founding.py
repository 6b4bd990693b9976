"""Founding: one cluster, once, by members that all saw the same candidates."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_bus.frames import FoundingHello
from lictor_raft_store.founding import ROUND_S, Founded, Founding, MakePromise, Promise, Vetoed, Void


class Pool:
    """Founding members over a lossy network, in virtual time; a promise survives a restart."""

    def __init__(self, ids, expect, dice=None, loss=0.0):
        self.ids, self.expect = ids, expect
        self.dice = dice or random.Random(0)
        self.loss = loss
        self.disk = {}
        self.outcome = {}
        self.given_up = {}
        self.members = {one: self.start(one) for one in ids}
        self.now = 0.0
        self.cut = set()

    def start(self, one):
        given_up = self.given_up.get(one, ())
        return Founding(one, one, self.expect, f"cluster-{one}-{self.dice.random()}", self.disk.get(one), given_up)

    def start_over(self, one):
        """A void promise: the same machine goes on under another id, behind the same cuts."""
        fresh = self.dice.randint(1000, 2**62)
        self.given_up[fresh] = (*self.given_up.pop(one, ()), one)
        self.cut = {tuple(fresh if end == one else end for end in pair) for pair in self.cut}
        self.ids = [fresh if other == one else other for other in self.ids]
        del self.members[one]
        self.members[fresh] = self.start(fresh)

    def restart(self, one):
        self.members[one] = self.start(one)

    def round(self):
        self.now += ROUND_S
        for one, member in list(self.members.items()):
            hello = self.veto(one) or member.hello(self.now)
            for other, peer in self.members.items():
                if other != one and (one, other) not in self.cut and self.dice.random() >= self.loss:
                    peer.heard(hello, self.now)
            self.decide(one)

    def veto(self, one):
        """What a member says that knows its cluster."""
        outcome = self.outcome.get(one)
        if outcome is None:
            return None
        cluster = outcome.cluster if isinstance(outcome, Vetoed) else outcome.promise.cluster
        return FoundingHello(0, 0, 0, (), cluster=cluster)

    def decide(self, one):
        if one in self.outcome:
            return

        decision = self.members[one].decide(self.now)
        if isinstance(decision, MakePromise):
            assert one not in self.disk, "a second promise"
            self.disk[one] = decision.promise
            self.members[one].promised(decision.promise)
        elif isinstance(decision, Void):
            self.start_over(one)
        elif decision is not None:
            self.outcome[one] = decision

    def founded(self):
        return {outcome.promise for outcome in self.outcome.values() if isinstance(outcome, Founded)}


def test_three_members_found_one_cluster_of_all_three():
    pool = Pool([30, 10, 20], 3)
    for _ in range(8):
        pool.round()
    assert len(pool.outcome) == 3
    assert [promise.members for promise in pool.founded()] == [(10, 20, 30)]


def test_a_single_expected_member_founds_alone():
    pool = Pool([7], 1)
    for _ in range(4):
        pool.round()
    assert pool.founded() == {pool.disk[7]}


def test_two_of_three_expected_members_wait_and_say_so():
    pool = Pool([1, 2], 3)
    for _ in range(20):
        pool.round()
    assert pool.outcome == {}
    assert pool.members[1].waiting_for(pool.now) == "3 members expected, 2 heard"


def test_five_fresh_members_with_three_expected_found_by_the_lowest_three():
    pool = Pool([5, 4, 3, 2, 1], 3)
    for _ in range(10):
        pool.round()
    assert [promise.members for promise in pool.founded()] == [(1, 2, 3)]
    assert {one for one, outcome in pool.outcome.items() if isinstance(outcome, Founded)} == {1, 2, 3}
    assert all(isinstance(pool.outcome[one], Vetoed) for one in pool.outcome if one > 3)


def test_a_known_cluster_vetoes_founding():
    pool = Pool([1, 2, 3], 3)
    pool.members[2].heard(FoundingHello(0, 0, 0, (), cluster="old"), 0.0)
    pool.decide(2)
    assert pool.outcome[2] == Vetoed("old")


def test_members_that_hear_different_lists_do_not_promise():
    pool = Pool([1, 2, 3, 4], 3)
    pool.cut = {(1, 4), (4, 1)}  # 4 never hears 1: it would found with 2, 3, 4
    for _ in range(30):
        pool.round()
    assert len(pool.founded()) <= 1
    assert 4 not in pool.disk


def test_a_member_restarted_after_its_promise_keeps_it_and_founds():
    pool = Pool([1, 2, 3], 3)
    while 2 not in pool.disk:
        pool.round()
    pool.restart(2)
    for _ in range(8):
        pool.round()
    assert len(pool.founded()) == 1
    assert isinstance(pool.outcome[2], Founded)


def test_a_promised_member_starts_when_it_hears_its_own_cluster_alive():
    founding = Founding(3, 3, 3, "unused", Promise((1, 2, 3), "mine"))
    founding.heard(FoundingHello(0, 0, 0, (), cluster="mine"), 0.0)
    assert founding.decide(0.0) == Founded(Promise((1, 2, 3), "mine"))


def test_a_promised_member_is_vetoed_by_another_cluster():
    founding = Founding(3, 3, 3, "unused", Promise((1, 2, 3), "mine"))
    founding.heard(FoundingHello(0, 0, 0, (), cluster="other"), 0.0)
    assert founding.decide(0.0) == Vetoed("other")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(3, 6), loss=st.sampled_from([0.0, 0.2, 0.5]))
def test_whatever_is_lost_or_restarted_never_two_clusters(seed, count, loss):
    dice = random.Random(seed)
    pool = Pool(list(range(1, count + 1)), 3, dice, loss)
    for _ in range(60):
        if dice.random() < 0.2:
            pool.restart(dice.choice(pool.ids))
        if dice.random() < 0.1:
            pool.cut = {pair for pair in itertools.permutations(pool.ids, 2) if dice.random() < 0.3}
        pool.round()
    assert len(pool.founded()) <= 1


def test_a_member_whose_promise_is_needed_gives_it_though_its_own_list_has_changed():
    founding = Founding(5, 1, 3, "unused", None)
    for round_number in range(3):
        now = round_number * ROUND_S
        founding.heard(FoundingHello(1, 1, 3, (1, 2, 5), (1, 5, 7), "c"), now)
        founding.heard(FoundingHello(2, 2, 3, (1, 2, 5)), now)
        founding.hello(now)
    assert founding.decide(now) == MakePromise(Promise((1, 5, 7), "c"))


def test_of_two_promises_that_need_a_member_it_gives_the_one_of_the_lowest_set():
    founding = Founding(5, 1, 3, "unused", None)
    founding.heard(FoundingHello(2, 1, 3, (2, 5, 6), promise=(2, 5, 6), promised_cluster="b"), 0.0)
    founding.heard(FoundingHello(1, 1, 3, (1, 5, 7), promise=(1, 5, 7), promised_cluster="a"), 0.0)
    founding.heard(FoundingHello(3, 1, 3, (3, 4, 8), promise=(3, 4, 8), promised_cluster="c"), 0.0)
    assert founding.decide(0.1) == MakePromise(Promise((1, 5, 7), "a"))


def test_a_promise_that_has_not_been_heard_for_long_is_not_followed():
    founding = Founding(5, 1, 3, "unused", None)
    founding.heard(FoundingHello(1, 1, 3, (1, 5, 7), promise=(1, 5, 7), promised_cluster="a"), 0.0)
    assert founding.decide(10.0) is None


def promised(one, members, cluster, **fields):
    return FoundingHello(one, one, 3, (), members, cluster, **fields)


def test_a_promise_is_void_once_another_of_its_set_has_promised_something_else():
    founding = Founding(1, 1, 3, "unused", Promise((1, 2, 3), "mine"))
    founding.heard(promised(3, (1, 2, 3), "mine"), 0.0)
    assert founding.decide(0.1) is None
    founding.heard(promised(2, (2, 3, 4), "other"), 0.2)
    assert founding.decide(60.0) == Void(Promise((1, 2, 3), "mine")), "an id promises once: it stays so"


def test_a_promise_to_the_same_members_under_another_cluster_id_voids_it_too():
    founding = Founding(1, 1, 3, "unused", Promise((1, 2, 3), "mine"))
    founding.heard(promised(2, (1, 2, 3), "other"), 0.0)
    assert founding.decide(0.1) == Void(Promise((1, 2, 3), "mine"))


def test_promises_of_members_outside_the_set_void_nothing():
    founding = Founding(1, 1, 3, "unused", Promise((1, 2, 3), "mine"))
    founding.heard(promised(4, (1, 4, 5), "other"), 0.0)
    founding.heard(FoundingHello(2, 2, 3, (2, 3, 4)), 0.0)
    assert founding.decide(0.1) is None


def test_a_member_that_bears_another_id_now_voids_what_waits_for_the_one_before():
    founding = Founding(1, 1, 3, "unused", Promise((1, 2, 3), "mine"))
    founding.heard(FoundingHello(9, 2, 3, (1, 9), given_up=(2,)), 0.0)
    assert founding.decide(0.1) == Void(Promise((1, 2, 3), "mine"))


def test_a_complete_set_founds_and_a_veto_counts_whoever_has_started_over():
    founding = Founding(1, 1, 2, "unused", Promise((1, 2), "mine"))
    founding.heard(promised(2, (1, 2), "mine"), 0.0)
    founding.heard(FoundingHello(9, 2, 2, (1, 9), given_up=(2,)), 0.1)
    assert founding.decide(0.1) == Founded(Promise((1, 2), "mine"))
    founding.heard(FoundingHello(0, 0, 0, (), cluster="other"), 0.2)
    assert founding.decide(0.2) == Vetoed("other")


def test_a_void_promise_is_not_followed_and_its_giver_is_no_candidate_of_a_new_one():
    founding = Founding(1, 1, 3, "fresh", None)
    for round_number in range(3):
        now = round_number * ROUND_S
        founding.heard(promised(2, (1, 2, 3), "void"), now)
        founding.heard(promised(3, (3, 4, 5), "other"), now)
        founding.hello(now)
    assert founding.decide(now) is None


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(3, 6), loss=st.sampled_from([0.0, 0.2, 0.5]))
def test_whatever_was_promised_one_cluster_is_founded_once_everybody_hears_everybody(seed, count, loss):
    dice = random.Random(seed)
    pool = Pool(list(range(1, count + 1)), 3, dice, loss)
    for _ in range(40):
        if dice.random() < 0.2:
            pool.restart(dice.choice(pool.ids))
        if dice.random() < 0.3:
            pool.cut = {pair for pair in itertools.permutations(pool.ids, 2) if dice.random() < 0.4}
        pool.round()
    pool.cut, pool.loss = set(), 0.0
    for _ in range(60):
        pool.round()
    assert len(pool.founded()) == 1


def test_two_sets_that_each_lack_the_promise_of_the_other_start_over_and_found():
    pool = Pool([1, 2, 3, 4], 3)
    pool.disk = {1: Promise((1, 2, 3), "a"), 3: Promise((1, 2, 3), "a")}
    pool.disk |= {2: Promise((2, 3, 4), "b"), 4: Promise((2, 3, 4), "b")}
    for one in pool.ids:
        pool.restart(one)
    for _ in range(20):
        pool.round()
    assert len(pool.founded()) == 1

"""Founding: one cluster, once, by members that all saw the same candidates."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_bus.frames import FoundingHello
from lictor_raft_store.founding import ROUND_S, Founded, Founding, MakePromise, Promise, Vetoed


class Pool:
    """Founding members over a lossy network, in virtual time; a promise survives a restart."""

    def __init__(self, ids, expect, dice=None, loss=0.0):
        self.ids, self.expect = ids, expect
        self.dice = dice or random.Random(0)
        self.loss = loss
        self.disk = {}
        self.outcome = {}
        self.members = {one: self.start(one) for one in ids}
        self.now = 0.0
        self.cut = set()

    def start(self, one):
        return Founding(one, one, self.expect, f"cluster-{one}-{self.dice.random()}", self.disk.get(one))

    def restart(self, one):
        self.members[one] = self.start(one)

    def round(self):
        self.now += ROUND_S
        for one, member in self.members.items():
            hello = member.hello(self.now)
            for other, peer in self.members.items():
                if other != one and (one, other) not in self.cut and self.dice.random() >= self.loss:
                    peer.heard(hello, self.now)
            self.decide(one)

    def decide(self, one):
        decision = self.members[one].decide(self.now)
        if isinstance(decision, MakePromise):
            assert one not in self.disk, "a second promise"
            self.disk[one] = decision.promise
            self.members[one].promised(decision.promise)
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
    assert set(pool.outcome) == {1, 2, 3}


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
            pool.restart(dice.randint(1, count))
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

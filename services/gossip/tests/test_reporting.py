"""Design §4, Reporters: whom a member watches, and what its report says."""

import random
import time
from collections import Counter
from hashlib import blake2b

import pytest

from lictor_gossip.reporting import LICTOR_TAG, REPORTERS_PER_NODE, report, watched
from lictor_swim import SerfMember, Status


def member(name, status=Status.ALIVE, *, ours=True):
    return SerfMember(name, bytes(4), 8301, {LICTOR_TAG: "1"} if ours else {}, status, 0, bytes(6), 3, 0.0)


def names(members):
    return [one.name for one in members]


def test_in_a_small_pool_everyone_watches_everyone_else():
    pool = [member(name) for name in "abcd"]
    assert names(watched("b", pool)) == ["a", "c", "d"]


def test_in_a_large_pool_each_node_has_exactly_five_reporters_that_all_agree_on():
    pool = [member(f"n{number:02}") for number in range(40)]
    reporters = Counter(name for one in pool for name in names(watched(one.name, pool)))
    assert set(reporters.values()) == {REPORTERS_PER_NODE}


def test_a_failed_member_is_watched_and_watches_nobody():
    pool = [member("a"), member("b"), member("c", Status.FAILED)]
    assert "c" in names(watched("a", pool))
    made = report("cluster", "a", "run", 0, pool)
    assert (made.failed, made.watched, made.left) == ({"c": 3}, ("b", "c"), ())


def test_a_member_that_left_is_reported_as_left_not_failed():
    made = report("cluster", "a", "run", 2, [member("a"), member("b", Status.LEFT)])
    assert (made.failed, made.left, made.health_score) == ({}, ("b",), 2)


def test_plain_serf_agents_are_neither_reported_nor_reporters():
    pool = [member("a"), member("plain", ours=False), member("b", Status.FAILED)]
    assert names(watched("a", pool)) == ["b"]
    assert report("cluster", "a", "run", 0, [*pool, member("gone", Status.FAILED, ours=False)]).failed == {"b": 3}


def test_when_reporters_fail_others_take_their_place():
    pool = [member(f"n{number:02}") for number in range(20)]
    target = "n00"
    before = {one.name for one in pool if target in names(watched(one.name, pool))}
    lost = sorted(before)[:3]
    pool = [member(one.name, Status.FAILED) if one.name in lost else one for one in pool]
    alive = [one for one in pool if one.status is Status.ALIVE]
    after = {one.name for one in alive if target in names(watched(one.name, pool))}
    assert len(after) == REPORTERS_PER_NODE
    assert before - set(lost) <= after


@pytest.mark.parametrize("size", [1, 2, 6, 51, 300])
def test_who_reports_is_the_same_as_if_everybody_were_ranked_for_every_node(size):
    pool = [member(f"worker-{number}", Status.FAILED if number % 7 == 3 else Status.ALIVE) for number in range(size)]
    reporters = [one.name for one in pool if one.status is Status.ALIVE]

    def weight(reporter, node):
        return blake2b(f"{reporter}\0{node}".encode(), digest_size=8).digest()

    for own in random.Random(size).sample(pool, min(size, 12)):
        ranked = {
            node.name: sorted((weight(one, node.name), one) for one in reporters if one != node.name)[
                :REPORTERS_PER_NODE
            ]
            for node in pool
        }
        expected = [
            name for name in sorted(ranked) if name != own.name and own.name in {one for _, one in ranked[name]}
        ]
        assert names(watched(own.name, pool)) == expected


def test_a_report_of_a_pool_of_thousands_costs_little():
    pool = [member(f"worker-{number}") for number in range(3000)]
    began = time.process_time()
    report("cluster", "worker-17", "run", 0, pool)
    first = time.process_time() - began
    report("cluster", "worker-17", "run", 0, pool)
    again = time.process_time() - began - first
    # Ranking every reporter for every node would take nine million hashes: some eight seconds.
    assert first < 2.0
    assert again < first / 4

"""Design §4, Reporters: whom a member watches, and what its report says."""

from collections import Counter

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

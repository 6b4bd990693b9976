"""Events between store and pool: exactly one row and one event, whoever is lost, and one act when nobody is (ADR 0015)."""

import random
from typing import Any

import pytest

from lictor_bus.pool_frames import EventNotice
from lictor_gossip.event_exchange import (
    FIRST_TURN_S,
    GIVE_UP_S,
    KNOWN_MAX,
    PENDING_MAX,
    RETRY_S,
    TURN_S,
    TURNS,
    EventExchange,
    Propose,
    Tell,
    turn_of,
)
from lictor_state.commands import EventFire

ALL = [f"gossip-{number}" for number in range(12)]


def everybody():
    return ALL


def nobody():
    return []


def fire(event_id="e1"):
    return EventFire(event_id, "deploy", b"v1", ltime=3)


def ranked(event_id):
    return sorted(ALL, key=lambda own: turn_of(event_id, own, ALL))


def test_turns_are_a_ranking_that_all_agree_on_and_another_for_each_event():
    assert sorted(turn_of("e1", own, ALL) for own in ALL) == list(range(12))
    assert len({ranked(f"e{number}")[0] for number in range(60)}) > 6
    assert turn_of("e1", "new", []) == 0


@pytest.mark.parametrize("place", range(5))
def test_an_event_of_the_pool_is_made_a_row_by_the_first_and_by_the_next_ones_only_in_its_absence(place):
    exchange = EventExchange(ranked("e1")[place])
    exchange.heard(fire(), everybody, 10.0)
    if place >= TURNS:
        assert exchange.next_at() == float("inf")
        return
    due = 10.0 + FIRST_TURN_S + place * TURN_S
    assert exchange.due(due - 0.01) == []
    if place == 1:
        exchange.noticed(EventNotice("e1", "deploy", in_pool=True), everybody, due - 0.005)
        assert exchange.due(due) == []
    else:
        assert exchange.due(due) == [Propose(fire(), 10.0)]
    assert exchange.due(due + 100) == []


@pytest.mark.parametrize("place", range(5))
def test_an_event_of_the_store_is_told_to_the_pool_by_the_first_and_by_the_next_ones_only_in_its_absence(place):
    exchange, notice = EventExchange(ranked("e1")[place]), EventNotice("e1", "deploy")
    exchange.noticed(notice, everybody, 10.0)
    if place >= TURNS:
        assert exchange.next_at() == float("inf")
    elif place == 0:
        assert exchange.due(10.0) == [Tell(notice)]
    else:
        assert exchange.due(10.0 + place * TURN_S - 0.01) == []
        exchange.heard(fire(), everybody, 10.0 + place * TURN_S - 0.01)
        assert exchange.due(100.0) == []


def test_there_is_no_loop_for_what_comes_back_is_known():
    exchange = EventExchange("only")
    exchange.noticed(EventNotice("e1", "deploy"), nobody, 0.0)
    assert len(exchange.due(0.0)) == 1
    exchange.heard(fire(), nobody, 0.1)
    exchange.noticed(EventNotice("e1", "deploy"), nobody, 0.2)
    exchange.heard(fire("e2"), nobody, 0.3)
    assert [type(one) for one in exchange.due(1.0)] == [Propose]
    exchange.noticed(EventNotice("e2", "deploy", in_pool=True), nobody, 1.1)
    exchange.noticed(EventNotice("e2", "deploy"), nobody, 1.2)
    exchange.heard(fire("e2"), nobody, 1.3)
    assert exchange.due(100.0) == []


def test_without_a_leader_it_is_tried_until_the_event_is_old():
    exchange = EventExchange("only")
    exchange.heard(fire(), nobody, 0.0)
    now, tries = 0.0, 0
    while exchange.next_at() < float("inf"):
        now = exchange.next_at()
        (act,) = exchange.due(now)
        assert isinstance(act, Propose)
        tries += 1
        exchange.again(act, now)
    assert tries == pytest.approx(GIVE_UP_S / RETRY_S, abs=2)
    assert exchange.dropped == 1


def test_floods_are_bounded_and_counted():
    exchange = EventExchange("only")
    for number in range(PENDING_MAX + 100):
        exchange.heard(fire(f"e{number}"), nobody, 0.0)
    assert exchange.dropped == 100
    assert len(exchange.due(10.0)) == PENDING_MAX
    for number in range(KNOWN_MAX * 2):
        exchange.noticed(EventNotice(f"f{number}", "x", in_pool=True), nobody, 0.0)
    assert len(exchange._in_store) == KNOWN_MAX


@pytest.mark.parametrize("seed", range(60))
def test_every_event_becomes_one_row_and_one_event_of_the_pool_though_messages_and_gossips_are_lost(seed):
    """Gossips, a store that drops known ids and a pool that delivers; whatever is lost, except a whole trio of turns."""
    dice = random.Random(seed)
    loss = dice.choice([0.0, 0.0, 0.1, 0.3])
    gossips = {name: EventExchange(name) for name in ALL[: dice.randint(1, 12)]}
    rows: dict[str, int] = {}
    told: dict[str, int] = {}
    proposals = 0
    queue: list[tuple[float, str, str, Any]] = []

    def present():
        return list(gossips)

    def to_all(at, kind, what, *, lossy=True):
        heard = [name for name in gossips if not lossy or dice.random() >= loss]
        queue.extend((at + dice.random() * 0.05, name, kind, what) for name in heard)

    events = [f"e{number}" for number in range(20)]
    for number, event_id in enumerate(events):
        if number % 2:
            rows[event_id] = 1
            to_all(number * 0.3, "notice", EventNotice(event_id, "deploy"))
        else:
            told[event_id] = 1
            to_all(number * 0.3, "event", fire(event_id), lossy=False)  # the pool repeats until all have it
    now = 0.0
    while now < 40.0:
        now = round(now + 0.05, 2)
        for item in [one for one in queue if one[0] <= now]:
            queue.remove(item)
            _, name, kind, what = item
            if name not in gossips:
                continue
            if kind == "notice":
                gossips[name].noticed(what, present, now)
            else:
                gossips[name].heard(what, present, now)
        for exchange in list(gossips.values()):
            for act in exchange.due(now):
                if isinstance(act, Tell):
                    told[act.notice.event_id] = told.get(act.notice.event_id, 0) + 1
                    to_all(now, "event", fire(act.notice.event_id), lossy=False)
                else:
                    proposals += 1
                    rows[act.command.event_id] = 1
                    to_all(now, "notice", EventNotice(act.command.event_id, "deploy", in_pool=True))
    assert set(rows) == set(events) == set(told) or loss
    if not loss:
        assert set(told.values()) == {1}
        assert proposals == 10
    assert proposals <= 10 * TURNS + 10  # one that missed the notice of what the store has makes its row again
    assert set(events[::2]) <= set(rows)

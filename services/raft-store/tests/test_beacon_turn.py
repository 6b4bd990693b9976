"""Beacons: four a second under the lease, and without one after a quorum round each; a leader is never silent."""

import asyncio

from store_members import run, until, write

from lictor_raft import Role
from lictor_raft_store.beacon_turn import BEACON_EVERY_S, BeaconTurn


def test_under_the_lease_a_beacon_is_sent_at_once_and_then_four_times_a_second():
    turn = BeaconTurn()
    turn.begin()
    sent = [now / 100 for now in range(100) if turn.take(now / 100, leased=True)]
    assert sent == [0.0, 0.25, 0.5, 0.75]
    assert not turn.wants_round(1.0, leased=True)


def test_without_a_lease_each_beacon_needs_a_round_of_its_own():
    turn = BeaconTurn()
    turn.begin()
    assert not turn.take(0.0, leased=False)
    assert turn.wants_round(0.0, leased=False)
    turn.round_began(7)
    assert not turn.wants_round(0.1, leased=False), "one at a time"
    turn.round_ended(6, confirmed=True)
    assert not turn.take(0.1, leased=False), "somebody's read proves nothing for the beacon"
    turn.round_ended(7, confirmed=True)
    assert turn.take(0.2, leased=False)
    assert not turn.take(0.2 + BEACON_EVERY_S, leased=False)
    assert turn.wants_round(0.2 + BEACON_EVERY_S, leased=False)


def test_a_round_that_is_dropped_is_begun_again():
    turn = BeaconTurn()
    turn.begin()
    turn.round_began(7)
    turn.round_ended(7, confirmed=False)
    assert not turn.take(0.1, leased=False)
    assert turn.wants_round(0.1, leased=False)


def test_a_leader_that_tried_to_hand_over_and_stayed_goes_on_to_be_heard(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 3)
        leader = cluster.running[cluster.leader()].member
        heir = next(one for number, one in cluster.running.items() if number != cluster.leader())
        term = leader.driver.node.term
        heir.member.driver.node.core.campaign = lambda **_how: False  # it hears the order and does not follow it
        leader.driver.post(lambda: leader.driver.node.transfer_leader(heir.slot.member_id))
        await until(lambda: leader.driver.node.core.lease_forfeited)
        await asyncio.sleep(1.0)
        assert leader.driver.node.role is Role.LEADER
        assert leader.driver.node.term == term
        assert client.tracker.silence_s() < 1.0
        await write(client, 3, 3)

    run(tmp_path, story)

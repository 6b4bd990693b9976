"""Members that come later: they join as learners, catch up by a snapshot, vote, and learn that they were removed."""

import asyncio

from store_members import run, until, write

from lictor_bus.frames import Beacon
from lictor_raft import ConfChange, ConfChangeKind
from lictor_raft_store.removal import CERTAIN_S, RemovalWatch


def id_of(cluster, number):
    return cluster.running[number].slot.member_id


async def change(cluster, kind, member):
    for _ in range(100):
        await until(lambda: cluster.leader() is not None)
        if await cluster.running[cluster.leader()].member.driver.change_members(ConfChange(kind, member)):
            return
    raise AssertionError(f"the configuration did not take {kind.name} of {member:x}")


def test_a_member_that_comes_later_is_caught_up_by_a_snapshot_before_it_votes(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 20)
        number = cluster.add_volume()
        await cluster.start(number)
        await change(cluster, ConfChangeKind.ADD_LEARNER, id_of(cluster, number))
        await until(lambda: cluster.running[number].member.driver.machine.applied > 20)
        await write(client, 20, 20)
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1
        await change(cluster, ConfChangeKind.PROMOTE, id_of(cluster, number))
        for gone in [one for one in cluster.running if one not in (number, cluster.leader())][:1]:
            await cluster.kill(gone)
        await write(client, 40, 20)  # three of four: the new voter is needed

    run(tmp_path, story)


def test_a_late_member_that_restarts_goes_on_where_it_was(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 5)
        number = cluster.add_volume()
        await cluster.start(number)
        await change(cluster, ConfChangeKind.ADD_LEARNER, id_of(cluster, number))
        await until(lambda: cluster.running[number].member.driver.machine.applied > 5)
        await cluster.kill(number)
        await write(client, 5, 5)
        await cluster.start(number)
        await until(lambda: len(cluster.applied()) == 1 and len(cluster.digests()) == 1)

    run(tmp_path, story)


def test_a_member_learns_that_it_was_removed_while_it_was_away(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 5)
        away = next(one for one in cluster.running if one != cluster.leader())
        member = id_of(cluster, away)
        await cluster.kill(away)
        await change(cluster, ConfChangeKind.REMOVE, member)
        await cluster.start(away)
        async with asyncio.timeout(15):
            await cluster.running[away].member.removed.wait()
        assert not any(one.member.removed.is_set() for number, one in cluster.running.items() if number != away)

    run(tmp_path, story)


def beacon(conf, applied=100):
    return Beacon("c", 1, 2, 1, applied, {}, (), conf=conf)


def test_only_beacons_that_go_on_for_a_while_remove_a_member():
    watch = RemovalWatch(3)
    assert not watch.heard(beacon((1, 2)), applied=9, store_index=50, now=0.0)
    assert not watch.heard(beacon((1, 2)), applied=9, store_index=50, now=CERTAIN_S / 2)
    assert not watch.heard(beacon((1, 2, 3)), applied=9, store_index=50, now=CERTAIN_S * 0.9)
    assert not watch.heard(beacon((1, 2)), applied=9, store_index=50, now=CERTAIN_S)
    assert watch.heard(beacon((1, 2)), applied=9, store_index=50, now=CERTAIN_S * 2)


def test_what_proves_nothing_removes_nobody():
    for conf, applied, own_applied in (((), 100, 9), ((1, 2), 49, 9), ((1, 2), 100, 0)):
        watch = RemovalWatch(3)
        for now in (0.0, CERTAIN_S, 2 * CERTAIN_S):
            assert not watch.heard(beacon(conf, applied), applied=own_applied, store_index=50, now=now)

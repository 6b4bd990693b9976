"""Whole members and what their leader does by time: sessions, lock delays, deregistration, reaping, joining, levels."""

import asyncio
import random
import time
from typing import Any

import pytest
from store_members import CLUSTER, Client, Cluster, run, until

from lictor_bus import NoLeaderError, RefusedError, frames, subjects
from lictor_bus.frames import MemberHealth, ProposeAnswer, ProposeBatch
from lictor_bus.session_renewals import SessionRenewals
from lictor_bus.store_operator import StoreOperator
from lictor_raft import RawNode
from lictor_raft_store.leader_duties import long_critical
from lictor_state import commands as c
from lictor_state.codec import encode_envelope
from lictor_state.levels import FOUNDING_LEVEL, LEVEL_MAX
from lictor_state.rows import CheckDefinition

SECOND = 1_000_000_000


async def do(client, command):
    done = await client.proposer.propose(command)
    assert not done.result.error, done.result.error
    return done.result.value


async def session(client, ttl_s, lock_delay_s=0.0):
    name = f"session-{random.random()}"
    await do(client, c.CatalogRegister("n1", "1.1.1.1", "dc1"))
    await do(client, c.SessionCreate(name, "n1", ttl_ns=int(ttl_s * SECOND), lock_delay_ns=int(lock_delay_s * SECOND)))
    return name


async def kill_leader(cluster):
    await until(lambda: cluster.leader() is not None)
    killed = cluster.leader()
    await cluster.kill(killed)
    await until(lambda: cluster.leader() not in {None, killed})
    return killed


def test_a_session_that_is_renewed_lives_and_one_that_is_not_ends_and_lets_its_keys_go(tmp_path):
    async def story(cluster, client):
        renewals = SessionRenewals(client.bus, client.tracker)
        lives, ends = await session(client, 1.5), await session(client, 1)
        for name in (lives, ends):
            assert await do(client, c.KVSet(f"lock-of-{name}", b"", acquire=name)) is True
        until_then = asyncio.get_running_loop().time() + 4.5
        while asyncio.get_running_loop().time() < until_then:
            assert await renewals.renew(lives) is True
            await asyncio.sleep(0.2)
        assert client.view.store.session(ends) is None
        assert client.view.store.kv(f"lock-of-{ends}").session == ""
        assert client.view.store.kv(f"lock-of-{lives}").session == lives
        assert await renewals.renew(ends) is False
        assert await renewals.renew("never made") is False

    run(tmp_path, story)


def test_a_session_is_renewed_and_expires_across_the_kill_of_a_leader(tmp_path):
    async def story(cluster, client):
        renewals = SessionRenewals(client.bus, client.tracker)
        name = await session(client, 2)
        await asyncio.sleep(2.5)
        await kill_leader(cluster)
        started = asyncio.get_running_loop().time()
        assert await renewals.renew(name) is True
        await asyncio.sleep(2.5)
        assert client.view.store.session(name) is not None, "the new leader counts anew"
        await until(lambda: client.view.store.session(name) is None)
        assert asyncio.get_running_loop().time() - started > 3.5
        assert await renewals.renew(name) is False

    run(tmp_path, story)


def test_a_renewal_finds_the_leader_that_a_follower_names(tmp_path):
    async def story(cluster, client):
        name = await session(client, 10)
        follower = next(one for number, one in cluster.running.items() if number != cluster.leader())
        beacon = client.tracker.beacon

        class Misled:
            cluster = client.tracker.cluster
            leader = follower.slot.member_id
            hint = client.tracker.hint
            changed = client.tracker.changed

        assert beacon is not None
        misled: Any = Misled()
        assert await SessionRenewals(client.bus, misled).renew(name) is True

    run(tmp_path, story)


def test_without_a_lease_a_renewal_is_answered_after_a_quorum_round_and_without_a_quorum_not_at_all(
    tmp_path, monkeypatch
):
    async def story(cluster, client):
        name = await session(client, 10)
        monkeypatch.setattr(RawNode, "lease_read", lambda _node, _now: None)
        assert await SessionRenewals(client.bus, client.tracker).renew(name) is True
        for number in [one for one in cluster.running if one != cluster.leader()]:
            cluster.running[number].bus.connected = False
        with pytest.raises(NoLeaderError):
            await SessionRenewals(client.bus, client.tracker, give_up_s=1.0).renew(name)

    run(tmp_path, story)


def test_a_lock_delay_holds_across_an_election_and_ends(tmp_path):
    async def story(cluster, client):
        name = await session(client, 0, lock_delay_s=3.0)
        assert await do(client, c.KVSet("lock", b"", acquire=name)) is True
        await do(client, c.SessionDestroy(name))
        await asyncio.sleep(1.0)
        killed = asyncio.get_running_loop().time()
        await kill_leader(cluster)
        other = await session(client, 0)
        while not await do(client, c.KVSet("lock", b"", acquire=other)):  # noqa: ASYNC110  as clients of Consul do
            await asyncio.sleep(0.05)
        assert asyncio.get_running_loop().time() - killed >= 3.0, "the new leader counts from its election"

    run(tmp_path, story)


def test_a_service_critical_for_too_long_is_deregistered_also_after_an_election(tmp_path, monkeypatch):
    monkeypatch.setattr(long_critical, "MINIMUM_S", 0.1)

    async def story(cluster, client):
        check = c.CheckSpec("c", "c", definition=CheckDefinition(deregister_critical_service_after_ns=2 * SECOND))
        well = c.CheckSpec("w", "w", "passing", definition=check.definition)
        for name, one in (("web", check), ("db", well)):
            await do(client, c.AgentServiceRegister("n1", "1.1.1.1", "dc1", c.ServiceSpec(name, name), (one,)))
        await kill_leader(cluster)
        await until(lambda: client.view.store.service("n1", "web") is None)
        assert client.view.store.service("n1", "db") is not None

    run(tmp_path, story)


def test_a_node_that_left_is_reaped_in_its_time(tmp_path):
    async def story(cluster, client):
        index = await do(client, c.AgentJoin("n1", "id", "r", "1.1.1.1", 1, "dc1"))
        await do(client, c.AgentDecision("n1", "r", index, "left"))
        await until(lambda: client.view.store.agent("n1") is not None)
        await until(lambda: client.view.store.agent("n1") is None)

    run(tmp_path, story, raft_store_reap_hours=2 / 3600)


def test_a_process_that_waits_is_added_promoted_and_replaces_a_dead_voter(tmp_path):
    async def story(cluster, client):
        await do(client, c.AutopilotSet(server_stabilization_time_ns=SECOND))
        number = cluster.add_volume()
        dead = next(one for one in cluster.running if one != cluster.leader())
        member, name = cluster.running[dead].slot.member_id, f"server-{dead}"
        await until(lambda: client.view.store.agent(name) is not None)
        await cluster.start(number)
        late = cluster.running[number]

        def conf():
            leader = cluster.leader()
            return cluster.running[leader].member.driver.node.status().conf_state if leader else None

        await cluster.kill(dead)
        await until(lambda: conf() is not None and late.slot.member_id in conf().voters)
        await until(lambda: conf() is not None and member not in {*conf().voters, *conf().voters_outgoing})
        assert len(conf().voters) == 3
        await until(lambda: client.view.store.agent(name) is None)
        await until(lambda: client.view.store.service(f"server-{number}", "consul") is not None)

    run(tmp_path, story, raft_store_dead_after_s=2)


def test_a_member_that_announces_less_holds_the_level_and_new_commands_are_refused_before_they_enter_the_log(tmp_path):
    async def story():
        cluster = Cluster(tmp_path)
        client = Client(cluster.hub)
        newest = cluster.settings
        cluster.settings = newest.model_copy(update={"raft_store_level_max": FOUNDING_LEVEL})
        await cluster.start_all()
        await client.start()
        try:
            await do(client, c.KVSet("k", b"v"))
            await asyncio.sleep(1.5)
            with pytest.raises(RefusedError, match="needs feature level 2, this cluster is at 1"):
                await do(client, c.AutopilotSet())
            leader = cluster.running[cluster.leader()]
            subject = subjects.member(CLUSTER, leader.slot.member_id, "propose")
            batch = ProposeBatch(CLUSTER, [encode_envelope(c.Envelope(0, 0, 0, c.AutopilotSet()))])
            answer = frames.decode(await client.bus.request(subject, frames.encode(batch), 5.0), ProposeAnswer)
            assert answer.status == "refused"
            store = leader.member.driver.machine.store
            assert (store.level, store.autopilot()) == (FOUNDING_LEVEL, None)
            cluster.settings = newest
            for number in (1, 2, 3):
                await cluster.kill(number)
                await cluster.start(number)
            await until(lambda: client.tracker.beacon is not None and client.tracker.beacon.level == LEVEL_MAX)
            assert await do(client, c.AutopilotSet()) is True
            assert cluster.failures == []
        finally:
            await client.close()
            await cluster.close()

    asyncio.run(asyncio.wait_for(story(), 60))


def test_the_leader_tells_operators_how_well_each_member_is_and_since_when(tmp_path):
    async def story(cluster, client):
        operator = StoreOperator(client.bus, client.tracker)
        await until(lambda: cluster.leader() is not None and client.tracker.beacon is not None)
        told: list[MemberHealth] = []
        while not (told and all(one.healthy and one.stable_since for one in told)):
            answers = await operator.statuses()
            leader = next((one for one in answers if one.role == "leader"), None)
            told = list(leader.healths) if leader else []
            await asyncio.sleep(0.05)
        assert leader is not None
        assert leader.failure_tolerance == 1
        assert [one.healths for one in answers if one.role != "leader"] == [(), ()]
        assert all(abs((one.stable_since or 0.0) - time.time()) < 30 for one in told)
        cluster.running[next(one for one in cluster.running if one != cluster.leader())].bus.connected = False
        while all(one.healthy for one in told):
            answers = await operator.statuses()
            told = next((list(one.healths) for one in answers if one.role == "leader"), told)
            await asyncio.sleep(0.05)
        assert sum(one.healthy for one in told) == 2

    run(tmp_path, story)


def test_an_operator_confirms_the_failures_that_the_leader_holds_and_only_those(tmp_path):
    async def story(cluster, client):
        operator = StoreOperator(client.bus, client.tracker)
        await until(lambda: cluster.leader() is not None and client.tracker.leader != 0)
        assert await operator.order("confirm-brake") == "no decisions are held"
        leadership = cluster.running[cluster.leader()].member.leadership
        leadership.judge.brake_until = asyncio.get_running_loop().time() + 1e9
        assert "lictor store confirm-failures" in leadership.hold_reason()
        assert await operator.order("confirm-brake") == ""
        assert leadership.hold_reason() == ""

    run(tmp_path, story)

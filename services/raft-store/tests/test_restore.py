"""A whole state restored through the log of a running cluster: views resume whole, writers go on, members agree."""

import asyncio

from store_members import Client, run, until, write

from lictor_raft import Entry, EntryKind
from lictor_raft_store.machine import Machine
from lictor_state import Store, Table, apply, apply_noop, dump_stream
from lictor_state.codec import encode_envelope
from lictor_state.commands import (
    Command,
    Envelope,
    KVSet,
    RaiseLevel,
    RestoreAbort,
    RestoreBegin,
    RestoreChunk,
    RestoreCommit,
)
from lictor_state.queries import kv
from lictor_state.staging import RestoreDigest


def archived(keys):
    store = Store("another-cluster")
    apply_noop(store, 1)
    for number in range(keys):
        apply(store, number + 2, Envelope(0, 0, 0, KVSet(f"old{number}", b"x" * 50)))
    header, *parts = dump_stream(store, "all")
    return header, b"".join(parts)


async def stage(client, header, data, size):
    digest = RestoreDigest(header)
    await client.proposer.propose(RaiseLevel(2))  # the level that brings restores
    await until(lambda: client.tracker.beacon is not None and client.tracker.beacon.level >= 2)
    begun = await client.proposer.propose(RestoreBegin("r", header))
    assert begun.result.value is True
    for number, at in enumerate(range(0, len(data), size)):
        done = await client.proposer.propose(RestoreChunk("r", number, data[at : at + size]))
        assert done.result.error == ""
        digest.add(data[at : at + size])
    return digest.hex()


async def restore(client, header, data, size=2000):
    digest = await stage(client, header, data, size)
    done = await client.proposer.propose(RestoreCommit("r", digest))
    assert done.result.error == ""
    return done.index


async def agreed(cluster):
    await until(lambda: len(cluster.applied()) == 1)
    assert len(cluster.digests()) == 1


def test_views_resume_whole_and_every_waiter_wakes_under_writes(tmp_path):
    async def story(cluster, client):
        follower = Client(cluster.hub)
        await follower.start()
        await write(client, 0, 30)
        await follower.view.ready.wait()
        await until(lambda: follower.view.store.kv("k29") is not None)
        seen = kv.key(follower.view.store, "k29").index
        woken = asyncio.Event()
        follower.view.store.watches.add([("row", Table.KV, ("never",))], woken.set)
        stop = asyncio.Event()
        written: list[int] = []

        async def writing():
            while not stop.is_set():
                done = await follower.proposer.propose(KVSet(f"w{len(written)}", b"1"))
                written.append(done.index)
                await asyncio.sleep(0)

        task = asyncio.ensure_future(writing())
        header, data = archived(400)
        index = await restore(client, header, data)
        await until(lambda: written[-1] > index)
        stop.set()
        await task
        assert written == sorted(set(written)), "an index was given twice or went back"
        await asyncio.wait_for(woken.wait(), 10)
        for one in (client, follower):
            answer = await one.gate.ask(consistent=True)
            assert answer.epoch == 2
            assert await one.view.reach(answer, 10)
            view = one.view.store
            assert view.epoch == 2
            assert view.kv("k29") is None
            assert view.kv("old399") is not None
            assert kv.key(view, "k29").index >= index > seen
        await agreed(cluster)
        leader = cluster.running[cluster.leader()].member.driver.machine.store
        await until(lambda: follower.view.index == leader.index == client.view.index)
        assert client.view.store.digest() == follower.view.store.digest() == leader.digest()
        await write(client, 1000, 5)
        await until(lambda: follower.view.store.kv("k1004") is not None)
        await follower.close()

    run(tmp_path, story)


def test_members_that_restart_in_the_middle_end_in_the_same_state(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 60)
        header, data = archived(300)
        digest = await stage(client, header, data, 1000)
        await agreed(cluster)
        for number in (1, 2, 3):
            await cluster.kill(number)
            await cluster.start(number)
        await write(client, 100, 60)
        for one in cluster.running.values():
            assert one.member.driver.machine.store.restoring is not None
        done = await client.proposer.propose(RestoreCommit("r", digest))
        assert done.result.error == ""
        await write(client, 200, 60)
        await agreed(cluster)
        await until(lambda: all(r.member.durable.storage.first_index() > 100 for r in cluster.running.values()))
        for number in (1, 2, 3):
            await cluster.kill(number)
            await cluster.start(number)
        await write(client, 300, 3)
        await agreed(cluster)
        store = cluster.running[1].member.driver.machine.store
        assert (store.epoch, store.least_index) == (2, done.index)

    run(tmp_path, story, raft_store_snapshot_entries=40, raft_store_trailing_entries=5)


def test_no_snapshot_is_taken_while_a_restore_is_staged_and_one_is_after_it_was_given_up(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 5)
        header, data = archived(5)
        await stage(client, header, data, 100)
        await agreed(cluster)
        before = {number: one.member.durable.storage.first_index() for number, one in cluster.running.items()}
        await write(client, 100, 100)
        await agreed(cluster)
        assert before == {number: one.member.durable.storage.first_index() for number, one in cluster.running.items()}
        assert (await client.proposer.propose(RestoreAbort("r"))).result.value is True
        await write(client, 300, 5)
        await until(lambda: all(r.member.durable.storage.first_index() > 60 for r in cluster.running.values()))

    run(tmp_path, story, raft_store_snapshot_entries=40, raft_store_trailing_entries=5)


def test_a_batch_in_which_the_state_is_replaced_publishes_only_what_came_after():
    machine = Machine(Store("ours"), 1)
    machine.store.raise_level(2)
    header, data = archived(3)
    digest = RestoreDigest(header)
    digest.add(data)
    commands: list[Command] = [
        KVSet("before", b"1"),
        RestoreBegin("r", header),
        RestoreChunk("r", 0, data),
        RestoreCommit("r", digest.hex()),
        KVSet("after", b"1"),
    ]
    entries = [
        Entry(1, index, EntryKind.NORMAL, encode_envelope(Envelope(0, 0, 0, command)))
        for index, command in enumerate(commands, 2)
    ]
    batch = machine.apply(entries, leading=True)
    store = machine.store
    assert batch.restored_at == store.index - 1 == store.least_index
    assert set(batch.streams) == {"all"}
    changes = batch.streams["all"]
    assert (changes.prev, changes.last) == (batch.restored_at, store.index)
    assert [index for index, _ in changes.groups] == [store.index]
    assert len(batch.results) == 5

"""Members that are broken on purpose, each in one place: the short run must find every one of them.

The sound code passes the same seeds (`test_members_cluster` runs them). What is patched here is the service's and the
clients' own code, as it runs inside the simulation.
"""

import asyncio

import pytest

from lictor_bus import View
from lictor_bus.feed_order import FeedOrder, Verdict
from lictor_raft_store import durable_log, snapshot_store
from lictor_raft_store.batch import encode_batch
from lictor_raft_store.durable_log import LogStorage
from lictor_raft_store.leader_duties import autopilot_driver
from lictor_raft_store.machine import Machine
from lictor_raft_store.snapshot_store import SnapshotReceiver
from lictor_raft_store.store_api import StoreApi
from lictor_sim.members_cluster import MembersCluster
from lictor_sim.members_disk import SimWriter, sync_times
from lictor_sim.members_faults import usual_faults
from lictor_state import apply_kv
from lictor_state.commands import RaiseLevel
from lictor_state.exactly_once import Line, Recorded
from lictor_state.levels import LEVEL_MAX
from lictor_state.snapshot import dump, restore

SEEDS = range(24)
SECONDS = 8.0


def test_a_received_snapshot_that_memory_takes_later_than_what_follows_it_is_found(monkeypatch):
    def later(storage, snapshot, take=LogStorage.apply_snapshot):
        asyncio.get_running_loop().call_soon(take, storage, snapshot)

    monkeypatch.setattr(LogStorage, "apply_snapshot", later)
    assert next(findings(), None) is not None


def findings(prepare=lambda _cluster: None, seeds=SEEDS):
    """What the seeds find, one after the other."""
    for seed in seeds:
        cluster = MembersCluster(seed)
        prepare(cluster)
        broken = cluster.run(SECONDS, usual_faults).broken
        if broken is not None:
            yield broken


class HastyWriter(SimWriter):
    """Says that a batch is durable when it has been queued."""

    def begin(self, batch, ended):
        super().begin(batch, lambda _failure: None)
        asyncio.get_running_loop().call_soon(ended, None)


def on_slow_disks(writer):
    """Syncs take up to 60 ms, some up to half a second."""

    def prepare(cluster):
        times = sync_times(cluster.dice, 0.06, 0.2, 0.5)
        cluster.start_writer = lambda wal: writer(wal, times)

    return prepare


def test_acknowledging_before_the_sync_is_found():
    assert next(findings(on_slow_disks(HastyWriter)), None) is not None


@pytest.mark.parametrize("seed", range(6))
def test_slow_disks_are_survived(seed):
    assert list(findings(on_slow_disks(SimWriter), [seed])) == []


def test_a_table_of_outcomes_that_is_trimmed_by_age_is_found(monkeypatch):
    def record(self, number, index, result):
        self.results = {one: kept for one, kept in self.results.items() if kept.index > index - 8}
        self.results[number] = Recorded(index, result)

    monkeypatch.setattr(Line, "record", record)
    assert any("applied twice" in one or "not linearizable" in one for one in findings())


def test_a_feed_that_is_ahead_of_the_commit_is_found(monkeypatch):
    propose = StoreApi._propose

    def propose_and_tell(self, proposals):
        propose(self, proposals)
        machine, log = self.driver.machine, self.driver.node.core.log
        if log.last_index() > machine.applied:
            ahead = Machine(restore(dump(machine.store)), machine.applied)
            entries, _ = log.entries(machine.applied + 1, 1 << 30)
            batch = ahead.apply(entries, leading=True)
            encoded = self._feed.encode(ahead.store.epoch, batch.streams)
            self._feed.publish(encoded)

    monkeypatch.setattr(StoreApi, "_propose", propose_and_tell)
    assert "on the feed before anybody has applied it" in next(findings())


def test_a_view_that_takes_what_follows_a_gap_is_found(monkeypatch):
    judge = FeedOrder.judge

    def take_all(self, epoch, index, feed):
        verdict, groups = judge(self, epoch, index, feed)
        if verdict is Verdict.GAP and feed.epoch == epoch and not feed.resume and feed.parts == 1:
            return Verdict.TAKE, feed.groups
        return verdict, groups

    monkeypatch.setattr(FeedOrder, "judge", take_all)
    assert "view" in next(findings())


def test_a_strong_read_that_does_not_wait_for_its_index_is_found(monkeypatch):
    async def at_once(_self, _answer, _timeout_s):
        return True

    monkeypatch.setattr(View, "reach", at_once)
    assert "misses the write" in next(findings())


def test_a_lock_that_is_given_to_everybody_who_asks_is_found(monkeypatch):
    def acquire(store, index, command, old):
        lock_index = old.lock_index + 1 if old is not None else 1
        return apply_kv._write(store, index, command, old, lock_index, command.acquire)

    monkeypatch.setattr(apply_kv, "_acquire", acquire)
    assert "history of lock/" in next(findings())


def test_a_level_that_is_raised_before_every_member_knows_it_is_found(monkeypatch):
    def at_once(_servers, level):
        return RaiseLevel(LEVEL_MAX) if level < LEVEL_MAX else None

    monkeypatch.setattr(autopilot_driver, "raise_level", at_once)
    assert "was reached, announced are" in next(findings())


def flips(cluster):
    cluster.network.faults.flip_chunk = 0.6


def test_a_snapshot_that_is_installed_unchecked_is_found(monkeypatch):
    def finish(self):
        crcs = [self._crcs[number] for number in range(self._meta.chunks)]
        snapshot_store._write_foot(self._file, self._head, self._meta, crcs)
        self._file.fdatasync()
        self._file.close()
        self._store.publish(self._path, self._meta)
        return self._meta

    seeds = range(40)
    monkeypatch.setattr(SnapshotReceiver, "finish", finish)
    assert any("DamagedSnapshot" in one or "not the others'" in one for one in findings(flips, seeds))


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bits_in_snapshots_are_survived(seed):
    assert list(findings(flips, [seed])) == []


def test_a_hard_state_that_is_not_in_the_log_is_found(monkeypatch):
    def without_hard_state(entries=(), _hard_state=None, **rest):
        return encode_batch(entries, None, **rest)

    monkeypatch.setattr(durable_log, "encode_batch", without_hard_state)
    assert next(findings(), None) is not None


def test_entries_that_are_overwritten_without_a_truncate_record_are_found(monkeypatch):
    def without_truncate(entries=(), hard_state=None, **rest):
        return encode_batch(entries, hard_state, **{**rest, "truncate_from": None})

    monkeypatch.setattr(durable_log, "encode_batch", without_truncate)
    assert "truncate record" in next(findings())

"""Random schedules over three and five members: loss, repetition, reordering, partitions, pauses, crashes that lose unsynced writes."""

import random

import pytest

from lictor_raft import (
    ConfChange,
    ConfChangeKind,
    ConfChanges,
    Config,
    Entry,
    LocalCluster,
    ProposalDropped,
    ReadDropped,
    Ready,
    Role,
    Transition,
    check_group,
)

STEPS = 3000
GROUP_EVERY = 20


class Walk:
    """One random schedule, with the properties of the group checked on the way."""

    def __init__(self, seed: int, size: int, *, changes: bool = False, asynchronous: bool = False) -> None:
        self.rng = random.Random(seed)
        pre_vote = self.rng.random() < 0.7

        def config_for(member: int, applied: int) -> Config:
            return Config(
                id=member,
                election_ticks=10,
                heartbeat_ticks=2,
                applied=applied,
                pre_vote=pre_vote,
                entries_bytes_per_message_max=64,
                inflight_messages_max=4,
                inflight_bytes_max=256,
                uncommitted_bytes_max=4096,
                committed_bytes_per_ready_max=128,
                async_storage_writes=asynchronous,
            )

        self.cluster = LocalCluster(range(1, size + 1), config_for, self.rng.randint)
        self.changes, self.asynchronous = changes, asynchronous
        self.spares = [size + 1, size + 2] if changes else []
        for member in self.spares:
            self.cluster.join(member)
        self.leaders: dict[int, int] = {}
        self.entries: dict[tuple[int, int], tuple[int, bytes]] = {}
        self.committed: dict[int, Entry] = {}
        self.floors: dict[int, int] = {}
        self.reads = 0
        self.counter = 0
        self.lease_reads = 0
        self.confirmed_reads = 0
        self.commits_seen = 0
        self.writes_in_flight = self.joint_seen = 0

    # --- the group's properties -----------------------------------------------------------------------------

    def high_commit(self) -> int:
        # What a leader has acknowledged; members that are down keep what they knew.
        self.commits_seen = max(self.commits_seen, *(m.node.core.log.committed for m in self.cluster.members.values()))
        return self.commits_seen

    def observe(self, member: int) -> None:
        local = self.cluster.members[member]
        core = local.node.core
        local.check()
        if core.role is Role.LEADER:
            assert self.leaders.setdefault(core.term, member) == member, "two leaders in one term"
            index = local.node.lease_read(self.cluster.now)
            if index is not None:
                self.lease_reads += 1
                assert index >= self.high_commit(), "a stale lease read"
        self.joint_seen += bool(core.tracker.outgoing)
        self.high_commit()

    def check_entries(self, member: int, ready: Ready) -> None:
        log = self.cluster[member].core.log
        for position, entry in enumerate(ready.entries):
            prev_term = ready.entries[position - 1].term if position else log.term_or_zero(entry.index - 1)
            known = self.entries.setdefault((entry.index, entry.term), (prev_term, entry.data))
            assert known == (prev_term, entry.data), "two logs differ under one index and term"
        for entry in ready.committed_entries:
            assert self.committed.setdefault(entry.index, entry) == entry, "two members applied different entries"
        for state in ready.read_states:
            self.confirmed_reads += 1
            assert state.index >= self.floors[state.context], "a stale confirmed read"

    # --- actions --------------------------------------------------------------------------------------------

    def work(self, member: int, *, crash: bool = False) -> None:
        cluster = self.cluster
        local = cluster.members[member]
        if self.asynchronous:
            self.work_asynchronously(member, crash=crash)
            return
        if not local.up or not local.node.has_ready():
            return
        ready = local.node.ready(cluster.now)
        self.check_entries(member, ready)
        cluster.wire += ready.messages
        if crash and self.rng.random() < 0.5:
            cluster.crash(member)  # nothing of this was synced
            return
        if self.rng.random() < 0.3 and cluster.wire:
            self.deliver()  # the world goes on while the disk is at work
        local.persist(ready)
        if crash:
            cluster.crash(member)  # synced, but nobody heard of it
            return
        cluster.wire += ready.messages_after_append
        local.apply(ready)
        local.node.advance(ready)
        self.observe(member)

    def work_asynchronously(self, member: int, *, crash: bool) -> None:
        cluster, local = self.cluster, self.cluster.members[member]
        if crash:
            if local.writes and self.rng.random() < 0.5:
                local.write_one()  # synced, but nobody heard of it
            cluster.crash(member)
            return
        what = self.rng.random()
        if what < 0.5:
            ready = cluster.hand_out(member)
            if ready is not None:
                self.check_entries(member, ready)
        elif what < 0.75:
            cluster.write_one(member)
        else:
            cluster.apply_one(member)
        self.writes_in_flight = max(self.writes_in_flight, len(local.writes))
        self.observe(member)

    def deliver(self) -> None:
        cluster, rng = self.cluster, self.rng
        position = rng.randrange(len(cluster.wire)) if rng.random() < 0.5 else 0
        message = cluster.wire[position] if rng.random() < 0.05 else cluster.wire.pop(position)
        target = cluster.members[message.to]
        if not target.up or (message.from_, message.to) in cluster.cut or rng.random() < 0.03:
            return
        target.node.step(message, cluster.now)
        self.observe(message.to)

    def propose(self, member: int) -> None:
        self.counter += 1
        try:
            self.cluster[member].propose_many([b"%d-%d" % (self.counter, i) for i in range(self.rng.randint(1, 6))])
        except ProposalDropped:
            return
        self.observe(member)

    def read(self, member: int) -> None:
        self.reads += 1
        self.floors[self.reads] = self.high_commit()
        try:
            self.cluster[member].read_index(self.reads)
        except ReadDropped:
            return

    def disturb(self, member: int) -> None:
        cluster, rng = self.cluster, self.rng
        what = rng.randrange(12 if self.changes else 7)
        local = cluster.members[member]
        if what == 0 and local.up:
            self.work(member, crash=True)
        elif what == 1:
            others = [m for m in cluster.members if m != member]
            cluster.isolate(member, *rng.sample(others, rng.randint(0, len(others) // 2)))
        elif what in (2, 3):
            cluster.heal()
        elif what == 4 and local.up:
            cluster[member].transfer_leader(rng.choice(list(cluster.members)))
        elif what == 5 and local.up:
            cluster[member].campaign()
        elif what == 6 and local.applied_index > local.storage.first_index():
            cluster.compact(member)
        elif what >= 7 and local.up:
            try:
                cluster[cluster.leader() or member].propose_conf_change(self.change())
            except ProposalDropped:
                return

    def change(self) -> ConfChange | ConfChanges:
        rng = self.rng
        members = rng.sample(list(self.cluster.members), rng.randint(1, 3))
        changes = [ConfChange(rng.choice(list(ConfChangeKind)), member) for member in members]
        if rng.random() < 0.3:
            return changes[0]
        return ConfChanges(() if rng.random() < 0.4 else tuple(changes), rng.choice(list(Transition)))

    def run(self, steps: int) -> None:
        cluster, rng = self.cluster, self.rng
        members = list(cluster.members)
        for step in range(steps):
            if step % GROUP_EVERY == 0:
                check_group(m.node for m in cluster.members.values() if m.up)
            member = rng.choice(members)
            dice = rng.random()
            if dice < 0.12:
                cluster.tick(1, only=[m for m in members if rng.random() < 0.9])
                if rng.random() < 0.01:
                    cluster.now += rng.random() * 2  # everything stood still
            elif dice < 0.50:
                for _ in range(min(len(cluster.wire), 3)):
                    self.deliver()
            elif dice < 0.92:
                self.work(member)
            elif dice < 0.955 and cluster.members[member].up:
                self.propose(cluster.leader() or member)
            elif dice < 0.975 and cluster.members[member].up:
                self.read(cluster.leader() or member)
            elif dice < 0.985:
                self.disturb(member)
            elif not cluster.members[member].up:
                cluster.restart(member)
            for snapshot in [m for m in cluster.members.values() if m.node.core.role is Role.LEADER]:
                for peer, status in snapshot.node.status().peers.items():
                    if status.pending_snapshot and rng.random() < 0.02:
                        snapshot.node.report_snapshot(peer, ok=rng.random() < 0.7)

    def finish(self) -> None:
        """Heal everything: now progress is owed."""
        cluster = self.cluster
        cluster.heal()
        for member, local in cluster.members.items():
            if not local.up:
                cluster.restart(member)
        for _ in range(200):
            cluster.tick()
            for local in cluster.members.values():
                for peer, status in local.node.status().peers.items():
                    if status.pending_snapshot:
                        local.node.report_snapshot(peer, ok=True)
            cluster.settle()
        leader = cluster.leader()
        assert leader, "a healed group elects a leader"
        index = cluster[leader].propose(b"last")
        cluster.settle()
        voters = cluster.members[leader].conf_state.voters
        for member in voters:
            assert cluster.members[member].applied_index >= index, f"{member} did not catch up"
            last = cluster.members[member].applied[-1]
            assert (last.index, last.data) == (index, b"last")


def test_a_group_of_three_or_five_stays_safe_and_recovers() -> None:
    lease_reads = confirmed = elections = 0
    for seed in range(14):
        walk = Walk(seed, 3 if seed % 2 else 5)
        walk.run(STEPS)
        walk.finish()
        lease_reads += walk.lease_reads
        confirmed += walk.confirmed_reads
        elections += len(walk.leaders)
    # The schedules must reach what they are meant to test.
    assert lease_reads > 500
    assert confirmed > 50
    assert elections > 40


@pytest.mark.parametrize("seed", range(100, 106))
def test_members_may_come_and_go_under_faults(seed: int) -> None:
    walk = Walk(seed, 3, changes=True)
    walk.run(STEPS)
    walk.finish()


def test_several_writes_in_flight_change_nothing_about_safety_and_recovery() -> None:
    in_flight = joint = 0
    for seed in range(200, 212):
        walk = Walk(seed, 3 if seed % 2 else 5, changes=True, asynchronous=True)
        walk.run(STEPS)
        walk.finish()
        in_flight = max(in_flight, walk.writes_in_flight)
        joint += walk.joint_seen
    assert in_flight > 3
    assert joint > 100

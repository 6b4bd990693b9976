"""What the leader does by time: sessions, lock delays, tombstones, long critical checks, nodes away, idle restores."""

import random
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from lictor_raft_store.leader_duties import long_critical, reaper, tombstones
from lictor_raft_store.leader_duties.duty import AGAIN_S, ROUND_COMMANDS_MAX, Duties
from lictor_raft_store.leader_duties.lock_delays import LockDelays
from lictor_raft_store.leader_duties.long_critical import LongCritical
from lictor_raft_store.leader_duties.reaper import Reaper
from lictor_raft_store.leader_duties.restore_watch import IDLE_S, RestoreWatch
from lictor_raft_store.leader_duties.session_timers import STOOD_STILL_S, SessionTimers
from lictor_raft_store.leader_duties.timers import Timers
from lictor_raft_store.leader_duties.tombstones import Tombstones
from lictor_state import Store, apply, dump_stream
from lictor_state import commands as c
from lictor_state.rows import CheckDefinition

SECOND = 1_000_000_000


class Leader:
    """A store, one duty that follows it, and the time."""

    def __init__(self, duty, now=1000.0):
        self.store, self.duty, self.duties, self.now = Store("c"), duty, Duties([duty]), now
        self.index = 0
        self.duties.begin(self.store, now)

    def do(self, command):
        self.index += 1
        done = apply(self.store, self.index, c.Envelope(0, 0, 0, command))
        assert not done.result.error, done.result.error
        self.duties.changed(done.changes, self.now)
        return done.result.value

    def after(self, seconds, step=1.0):
        """What is proposed by then, in rounds a step apart; nothing of it is applied."""
        wanted, end = [], self.now + seconds
        while self.now < end:
            self.now = min(self.now + step, end)
            wanted += self.duties.round(self.store, self.now)
        return wanted

    def elected(self):
        self.duties.begin(self.store, self.now)


# -- sessions


def with_session(ttl_s=10, lock_delay_s=0):
    leader = Leader(SessionTimers())
    leader.do(c.CatalogRegister("n1", "1.1.1.1", "dc1"))
    leader.do(c.SessionCreate("s", "n1", ttl_ns=ttl_s * SECOND, lock_delay_ns=lock_delay_s * SECOND))
    return leader


def test_a_session_ends_twice_its_ttl_after_it_was_made():
    leader = with_session()
    assert leader.after(19.9) == []
    assert leader.after(0.2) == [c.SessionDestroy("s")]


def test_renewals_put_the_end_off():
    leader = with_session()
    for _ in range(5):
        assert leader.after(15) == []
        assert leader.duty.renew(leader.store, "s", leader.now) == "renewed"
    assert leader.after(19) == []
    assert leader.after(2) == [c.SessionDestroy("s")]


def test_an_election_starts_all_timers_anew():
    leader = with_session()
    leader.after(19)
    leader.elected()
    assert leader.after(19) == []
    assert leader.after(2) == [c.SessionDestroy("s")]


def test_once_its_end_is_proposed_a_session_cannot_be_renewed_and_then_is_unknown():
    leader = with_session()
    (end,) = leader.after(20.5)
    assert leader.duty.renew(leader.store, "s", leader.now) == "ending"
    assert leader.after(AGAIN_S + 1) == [end], "what may have been lost is proposed again"
    leader.do(end)
    assert leader.duty.renew(leader.store, "s", leader.now) == "unknown"
    assert leader.after(60) == []


def test_a_session_without_a_ttl_is_renewed_and_never_ends():
    leader = with_session(ttl_s=0)
    assert leader.duty.renew(leader.store, "s", leader.now) == "renewed"
    assert leader.after(10_000, step=1.5) == []


def test_a_leader_that_stood_still_does_not_count_that_time():
    leader = with_session()
    leader.after(5)
    assert leader.after(3600, step=3600) == []
    assert leader.after(14) == []
    assert leader.after(2) == [c.SessionDestroy("s")]


def test_many_ends_come_in_bounded_rounds():
    leader = with_session()
    for number in range(600):
        leader.do(c.SessionCreate(f"s{number}", "n1", ttl_ns=10 * SECOND))
    leader.now += STOOD_STILL_S / 2
    leader.duties.round(leader.store, leader.now)
    counts = []
    for _ in range(30):
        wanted = leader.after(1)
        counts.append(len(wanted))
        for one in wanted:
            leader.do(one)
    assert max(counts) == ROUND_COMMANDS_MAX
    assert sum(counts) == 601


# -- lock delays


def with_lock_delay():
    leader = Leader(LockDelays())
    leader.do(c.CatalogRegister("n1", "1.1.1.1", "dc1"))
    leader.do(c.SessionCreate("s", "n1", lock_delay_ns=15 * SECOND))
    leader.do(c.KVSet("k", b"", acquire="s"))
    leader.do(c.SessionDestroy("s"))
    return leader


def test_a_lock_delay_ends_when_it_is_over():
    leader = with_lock_delay()
    assert leader.after(14.9) == []
    (end,) = leader.after(0.2)
    assert end == c.LockDelayEnd("k", 4)
    assert leader.do(end) is True
    assert leader.after(60) == []


def test_a_lock_delay_across_an_election_ends_later_never_sooner():
    leader = with_lock_delay()
    leader.after(14)
    leader.elected()
    assert leader.after(14.5) == []
    assert leader.after(1) == [c.LockDelayEnd("k", 4)]


def test_a_delay_that_began_anew_is_counted_anew():
    leader = with_lock_delay()
    leader.after(10)
    leader.do(c.LockDelayEnd("k", 4))
    leader.do(c.SessionCreate("s", "n1", lock_delay_ns=15 * SECOND))
    leader.do(c.KVSet("k", b"", acquire="s"))
    leader.do(c.SessionDestroy("s"))
    assert leader.after(14.5) == []
    assert leader.after(1) == [c.LockDelayEnd("k", 8)]


# -- tombstones


def test_tombstones_are_forgotten_after_their_time_and_newer_ones_are_kept():
    leader = Leader(Tombstones())
    leader.do(c.KVSet("a", b""))
    leader.do(c.KVDelete("a"))
    leader.after(120, step=0.5)
    leader.do(c.KVSet("b", b""))
    leader.do(c.KVDelete("b"))
    assert leader.after(tombstones.TTL_S - 121, step=0.5) == []
    wanted = leader.after(tombstones.GRANULARITY_S + 2, step=0.5)
    assert wanted
    assert set(wanted) == {c.TombstonesReap(2)}
    leader.do(wanted[0])
    assert leader.after(60, step=0.5) == []
    wanted = leader.after(121, step=0.5)
    assert set(wanted) == {c.TombstonesReap(4)}


def test_a_new_leader_takes_all_tombstones_for_new():
    leader = Leader(Tombstones())
    leader.do(c.KVSet("a", b""))
    leader.do(c.KVDelete("a"))
    leader.after(tombstones.TTL_S - 60)
    leader.elected()
    assert leader.after(tombstones.TTL_S - 1) == []
    assert leader.after(2) == [c.TombstonesReap(2)] * 2, "again until it is done"


# -- checks critical for long


def doomed(status="critical", after_s=90, output=""):
    check = c.CheckSpec(
        "c1", "c1", status, definition=CheckDefinition(deregister_critical_service_after_ns=after_s * SECOND)
    )
    return c.AgentServiceRegister("n1", "1.1.1.1", "dc1", c.ServiceSpec("w", "web"), checks=(check,))


def turn(leader, status, output=""):
    definition = leader.store.check("n1", "c1").definition_index
    leader.do(c.CheckTransition("n1", "c1", definition, status, output))


def test_a_service_goes_when_its_check_was_critical_for_as_long_as_it_said():
    leader = Leader(LongCritical())
    leader.do(doomed("passing"))
    assert leader.after(500) == []
    turn(leader, "critical")
    assert leader.after(89) == []
    (command,) = leader.after(1.5)
    assert leader.do(command) is True
    assert leader.store.service("n1", "w") is None
    assert leader.after(500) == []


def test_less_than_a_minute_counts_as_a_minute():
    leader = Leader(LongCritical())
    leader.do(doomed(after_s=1))
    assert leader.after(long_critical.MINIMUM_S - 1) == []
    assert len(leader.after(2)) == 1


def test_passing_in_between_starts_the_time_again_and_another_output_does_not():
    leader = Leader(LongCritical())
    leader.do(doomed())
    leader.after(80)
    turn(leader, "passing")
    turn(leader, "critical")
    leader.after(80)
    turn(leader, "critical", "still down")
    assert leader.after(9) == []
    (command,) = leader.after(2)
    assert leader.do(command) is True


def test_what_changed_while_the_command_was_under_way_is_proposed_again_with_its_new_index():
    leader = Leader(LongCritical())
    leader.do(doomed())
    (late,) = leader.after(90.5)
    turn(leader, "critical", "another output")
    assert leader.do(late) is False
    (again,) = leader.after(1)
    assert leader.do(again) is True


def test_a_new_leader_counts_critical_checks_anew():
    leader = Leader(LongCritical())
    leader.do(doomed())
    leader.after(89)
    leader.elected()
    assert leader.after(89) == []
    assert len(leader.after(2)) == 1


def test_checks_of_nodes_and_checks_without_a_time_are_left_alone():
    leader = Leader(LongCritical())
    definition = CheckDefinition(deregister_critical_service_after_ns=SECOND)
    leader.do(c.AgentServiceRegister("n1", "1.1.1.1", "dc1", c.ServiceSpec("w", "web"), (c.CheckSpec("c", "c"),)))
    leader.do(c.AgentCheckRegister("n1", "1.1.1.1", "dc1", c.CheckSpec("node", "node", definition=definition)))
    assert leader.after(1000) == []
    assert len(leader.duty) == 0


# -- nodes that are away

HOUR = 3600.0


@dataclass
class Wall:
    leader: Leader | None = None
    offset: float = 1_700_000_000.0

    def __call__(self):
        return self.offset + (self.leader.now if self.leader else 1000.0)


def with_reaper():
    wall = Wall()
    leader = wall.leader = Leader(Reaper(72 * HOUR, wall))
    leader.do(c.AgentJoin("n1", "id", "r", "1.1.1.1", 1, "dc1"))
    return leader, wall


def fail(leader, at, decision="failed"):
    row = leader.store.agent("n1")
    leader.do(c.AgentDecision("n1", "r", row.status_index, decision, at=int(at)))


def test_a_failed_node_is_reaped_after_its_time_although_leaders_change():
    leader, wall = with_reaper()
    fail(leader, wall())
    for _ in range(7):
        assert leader.after(10 * HOUR, step=60) == []
        leader.elected()
    assert leader.after(2 * HOUR - 60, step=30) == []
    (reap,) = leader.after(62, step=61)
    assert (reap.node, reap.decision) == ("n1", "reap")
    assert leader.do(reap) is True
    assert leader.store.agent("n1") is None


def test_a_node_that_left_is_reaped_too_and_one_that_is_back_is_not():
    for decision, back in (("left", False), ("failed", True)):
        leader, wall = with_reaper()
        fail(leader, wall(), decision)
        if back:
            leader.after(60, step=30)
            fail(leader, wall(), "alive")
        assert bool(leader.after(73 * HOUR, step=60)) is not back


def test_a_clock_that_jumps_must_stand_for_ten_minutes_before_anybody_is_reaped():
    leader, wall = with_reaper()
    fail(leader, wall())
    leader.after(1200, step=30)
    wall.offset += 100 * HOUR
    assert leader.after(reaper.SETTLE_S - 30, step=30) == []
    wall.offset -= 100 * HOUR
    assert leader.after(3 * HOUR, step=30) == []


def test_a_new_leader_with_a_wrong_clock_reaps_nobody_at_first():
    leader, wall = with_reaper()
    fail(leader, wall())
    leader.after(1200, step=30)
    wall.offset += 100 * HOUR
    leader.elected()
    assert leader.after(reaper.SETTLE_S - 1, step=0.5) == []


def test_a_decision_without_a_time_or_from_the_future_counts_from_when_it_is_seen():
    for at in (0, 2_000_000_000):
        leader, _ = with_reaper()
        fail(leader, at)
        assert leader.after(71 * HOUR, step=60) == []
        assert leader.after(2 * HOUR, step=60) != []


# -- restores


def test_a_restore_that_nobody_goes_on_with_is_given_up():
    leader = Leader(RestoreWatch())
    leader.do(c.KVSet("a", b""))
    source = Store("other")
    apply(source, 1, c.Envelope(0, 0, 0, c.KVSet("k", b"v")))
    header, *parts = dump_stream(source, "all")
    leader.do(c.RestoreBegin("r", header))
    leader.after(IDLE_S - 5)
    leader.do(c.RestoreChunk("r", 0, parts[0][:10]))
    assert leader.after(IDLE_S - 5) == []
    (abort,) = leader.after(10)
    assert abort == c.RestoreAbort("r")
    assert leader.do(abort) is True
    assert leader.after(300) == []


# -- timers against a dumb model


@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "stop", "due"]), st.integers(0, 5), st.integers(0, 30)),
        min_size=1,
        max_size=80,
    )
)
def test_timers_are_due_as_in_a_table(steps):
    timers: Timers[int] = Timers()
    model: dict[int, float] = {}
    for verb, name, number in steps:
        if verb == "set":
            timers.set(name, float(number))
            model[name] = float(number)
        elif verb == "stop":
            timers.stop(name)
            model.pop(name, None)
        else:
            found = timers.due(float(number), 100)
            assert sorted(found) == sorted(one for one, deadline in model.items() if deadline <= number)
        assert len(timers) == len(model)
        assert all((timers.deadline(one) is None) is (one not in model) for one in range(6))


def test_stopped_timers_do_not_pile_up():
    timers: Timers[int] = Timers()
    dice = random.Random(1)
    for number in range(100_000):
        timers.set(number, 1e9 + dice.random())
        timers.stop(number)
    assert len(timers._heap) < 200

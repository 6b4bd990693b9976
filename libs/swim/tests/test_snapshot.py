"""The snapshot file: replay, torn ends, compaction, leaving, and an agent that finds its pool again with its clocks."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_swim import (
    FAST,
    SERF_FAST,
    VERSIONS,
    Clocks,
    Endpoint,
    Framing,
    LeaveStarted,
    MemberChange,
    MemberEvent,
    Query,
    QueryReceived,
    Remembered,
    SerfEvent,
    SerfMember,
    SerfNode,
    Snapshot,
    Status,
    UserEvent,
    UserEventReceived,
    address_bytes,
    replay,
)
from lictor_swim.serf.lamport import LTIME_MAX
from lictor_swim.serf.snapshot import COMPACTION_BYTES_MIN, LINE_BYTES_MAX
from lictor_swim.simulated import SimulatedNetwork


def change(kind: MemberChange, name: str, host: str = "10.0.0.2", port: int = 7946) -> MemberEvent:
    member = SerfMember(name, address_bytes(host), port, {}, Status.ALIVE, 1, VERSIONS.encode(), 1, 0.0)
    return MemberEvent(kind, member)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Remembered()),
        ("alive: a 10.0.0.2:7946\n", Remembered({"a": Endpoint("10.0.0.2", 7946)})),
        ("alive: a b c 10.0.0.2:7946\n", Remembered({"a b c": Endpoint("10.0.0.2", 7946)})),
        ("alive: a [::1]:7946\n", Remembered({"a": Endpoint("::1", 7946)})),
        ("alive: a 10.0.0.2:1\nalive: a 10.0.0.3:2\n", Remembered({"a": Endpoint("10.0.0.3", 2)})),
        ("alive: a 10.0.0.2:1\nnot-alive: a\n", Remembered()),
        ("clock: 5\nclock: 9\nevent-clock: 3\nquery-clock: 7\n", Remembered(clocks=Clocks(9, 3, 7))),
        ("coordinate: {}\n# remark\nnonsense\n\nclock: x\nclock: 4\n", Remembered(clocks=Clocks(4))),
        ("alive: a 10.0.0.2:1\nclock: 4\nleave\n", Remembered(left=True)),
        ("clock: 4\nleave\nclock: 6\nalive: b 10.0.0.9:1\n", Remembered({"b": Endpoint("10.0.0.9", 1)}, Clocks(6))),
        ("alive: a 10.0.0.2:1\nalive: b 10.0.0.3:79", Remembered({"a": Endpoint("10.0.0.2", 1)})),
        ("alive: 10.0.0.2:1\nalive: a\nalive: a 10.0.0.2\nalive: a 10.0.0.2:port\n", Remembered()),
        (f"alive: {'a' * LINE_BYTES_MAX} 10.0.0.2:1\nclock: 1\n", Remembered(clocks=Clocks(1))),
        ("clock: 99999999999999999999999999\n", Remembered(clocks=Clocks(LTIME_MAX))),
    ],
)
def test_replay_takes_the_last_word_and_passes_over_damage(text: str, expected: Remembered) -> None:
    assert replay(text.encode()) == expected


def test_after_a_leave_the_old_members_count_only_if_asked_for() -> None:
    data = b"alive: a 10.0.0.2:1\nclock: 4\nleave\n"
    assert replay(data, rejoin_after_leave=True) == Remembered({"a": Endpoint("10.0.0.2", 1)}, Clocks(4))


@given(st.binary(max_size=400))
def test_replay_reads_anything(data: bytes) -> None:
    replay(data)


def test_lines_follow_what_happens_and_each_fact_is_written_once() -> None:
    snapshot = Snapshot("me")
    for event in (
        change(MemberChange.JOINED, "me"),
        change(MemberChange.JOINED, "a"),
        change(MemberChange.JOINED, "b", "10.0.0.3"),
        change(MemberChange.UPDATED, "a"),
        change(MemberChange.LEAVING, "b", "10.0.0.3"),
        UserEventReceived(UserEvent(7, "deploy")),
        QueryReceived(Query(ltime=3), 1.0),
    ):
        snapshot.observe(event)
    assert snapshot.drain(Clocks(12, 7, 0)) == (
        b"alive: a 10.0.0.2:7946\nalive: b 10.0.0.3:7946\nevent-clock: 7\nquery-clock: 3\nclock: 12\n"
    )
    snapshot.observe(change(MemberChange.FAILED, "b", "10.0.0.3"))
    snapshot.observe(change(MemberChange.REAPED, "b", "10.0.0.3"))
    snapshot.observe(change(MemberChange.UPDATED, "a", "10.0.0.8"))
    assert snapshot.drain(Clocks(12, 7, 3)) == b"not-alive: b\nalive: a 10.0.0.8:7946\n"
    assert snapshot.drain(Clocks(12, 7, 3)) == b""


def test_a_leave_ends_the_story_of_this_run() -> None:
    snapshot = Snapshot("me")
    snapshot.observe(change(MemberChange.JOINED, "a"))
    written = snapshot.drain(Clocks(3))
    snapshot.observe(LeaveStarted())
    snapshot.observe(change(MemberChange.LEFT, "a"))
    written += snapshot.drain(Clocks(4))
    assert replay(written) == Remembered({}, Clocks(4), left=True)
    # The next run of the same agent writes on behind it.
    again = Snapshot("me", len(written), replay(written))
    again.observe(change(MemberChange.JOINED, "b"))
    assert replay(written + again.drain(Clocks(5))).members.keys() == {"b"}


EVENTS = st.lists(
    st.one_of(
        st.builds(
            change,
            st.sampled_from(MemberChange),
            st.sampled_from(["a", "b", "with space", "me", "new\nline"]),
            st.sampled_from(["10.0.0.2", "::1"]),
            st.integers(1, 65535),
        ),
        st.builds(lambda ltime: UserEventReceived(UserEvent(ltime, "e")), st.integers(1, 50)),
        st.builds(lambda ltime: QueryReceived(Query(ltime=ltime), 0.0), st.integers(1, 50)),
        st.just(LeaveStarted()),
    ),
    max_size=30,
)


@given(EVENTS, st.data())
def test_a_file_written_line_by_line_and_a_compacted_one_say_the_same(
    events: list[SerfEvent], data: st.DataObject
) -> None:
    snapshot = Snapshot("me")
    lines = b""
    for event in events:
        snapshot.observe(event)
        if data.draw(st.booleans()):
            lines += snapshot.drain(Clocks())
    lines += snapshot.drain(Clocks())
    assert replay(snapshot.compacted()) == replay(lines)


def test_a_file_full_of_old_news_is_compacted() -> None:
    snapshot = Snapshot("me")
    turns = 0
    while not snapshot.wants_compaction:
        turns += 1
        snapshot.observe(change(MemberChange.JOINED, "flapping"))
        snapshot.drain(Clocks(turns))
        snapshot.observe(change(MemberChange.FAILED, "flapping"))
        snapshot.drain(Clocks(turns))
    assert turns > COMPACTION_BYTES_MIN / 100
    assert replay(snapshot.compacted()) == Remembered({}, Clocks(turns))
    assert not snapshot.wants_compaction


def agent(name: str, host: str, clocks: Clocks | None = None) -> SerfNode:
    return SerfNode(
        name=name, address=address_bytes(host), port=7946, tags={}, swim=FAST, serf=SERF_FAST,
        framing=Framing(compress=False), dice=random.Random(hash(host) % 1000), clocks=clocks,
    )  # fmt: skip


def test_a_restarted_agent_finds_its_pool_and_is_not_shown_old_events_again() -> None:
    network = SimulatedNetwork(random.Random(1))
    endpoints = [Endpoint(f"10.0.0.{index + 1}", 7946) for index in range(3)]
    agents = [agent(f"n{index}", endpoint.host) for index, endpoint in enumerate(endpoints)]
    for endpoint, one in zip(endpoints, agents, strict=True):
        network.add(endpoint, one)
    for index in (1, 2):
        agents[index].join(endpoints[0], network.now)
        network.settle(endpoints[index])
    network.run_for(2.0)
    agents[0].user_event("before", b"1", now=network.now)
    network.settle(endpoints[0])
    network.run_for(2.0)

    snapshot = Snapshot("n2")
    for _, where, event in network.log:
        if where == endpoints[2]:
            snapshot.observe(event)
    remembered = replay(snapshot.drain(agents[2].clocks))
    assert remembered.members.keys() == {"n0", "n1"}
    network.kill(endpoints[2])
    network.run_for(1.0)
    agents[0].user_event("meanwhile", b"2", now=network.now)
    network.settle(endpoints[0])
    network.run_for(3.0)

    again = agent("n2", endpoints[2].host, remembered.clocks)
    mark = len(network.log)
    network.add(endpoints[2], again)
    # Rejoining after a restart is no join of a newcomer: what was missed meanwhile is news.
    for endpoint in remembered.members.values():
        again.join(endpoint, network.now, replay=True)
    network.settle(endpoints[2])
    network.run_for(3.0)
    heard = [
        e.event.name for _, where, e in network.log[mark:] if where == endpoints[2] and isinstance(e, UserEventReceived)
    ]
    assert heard == ["meanwhile"]
    assert {member.name: member.status for member in agents[0].members}["n2"] is Status.ALIVE

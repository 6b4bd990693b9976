"""Whole pools in a simulated network: joining, leaving, failing, healing, events and queries, from seeds."""

import random
from collections.abc import Callable
from statistics import median

import pytest
from msgspec.structs import replace

from lictor_swim import (
    FAST,
    LAN,
    Datagram,
    Endpoint,
    Framing,
    InputRefused,
    JoinFailed,
    JoinSucceeded,
    Keyring,
    LeaveCompleted,
    MemberChange,
    MemberEvent,
    QueryReceived,
    SerfNode,
    Status,
    SwimConfig,
    UserEventReceived,
)
from lictor_swim.serf.wire import (
    FLAG_ACK,
    FLAG_NO_BROADCAST,
    ConflictResponse,
    JoinIntent,
    LeaveIntent,
    Query,
    QueryResponse,
    Relay,
    RelayAddress,
    RelayHeader,
    SerfMessage,
    UserEvent,
    decode_serf,
    encode_node_filter,
    encode_serf,
)
from lictor_swim.simulated import SimulatedNetwork
from lictor_swim.wire import Alive, Suspect, User, decode_message, encode_message, open_packet, seal_packet

Agents = list[tuple[Endpoint, SerfNode]]
MakePool = Callable[..., tuple[SimulatedNetwork, Agents]]
MakeNode = Callable[..., SerfNode]
PLAIN = Framing(compress=False)
STRANGER = Endpoint("10.7.7.7", 7946)


def status(observer: SerfNode, name: str) -> Status:
    return {member.name: member.status for member in observer.members}.get(name, Status.NONE)


def all_see(agents: Agents, name: str, expected: Status) -> bool:
    return all(status(agent, name) == expected for _, agent in agents)


def changes(network: SimulatedNetwork, change: MemberChange) -> list[str]:
    return [
        event.member.name for _, _, event in network.log if isinstance(event, MemberEvent) and event.change is change
    ]


def full(agents: Agents) -> bool:
    return all(len(agent.members) == len(agents) for _, agent in agents)


def tell(agent: SerfNode, message: SerfMessage, now: float) -> list[SerfMessage]:
    """Give one Serf message to an agent; what it sends straight away."""
    agent.outgoing()
    agent.receive_datagram(seal_packet([encode_message(User(encode_serf(message)))], PLAIN), STRANGER, now)
    sent = [
        decode_message(part)
        for effect in agent.outgoing()
        if isinstance(effect, Datagram)
        for part in open_packet(effect.data, PLAIN)
    ]
    return [decode_serf(message.payload) for message in sent if isinstance(message, User)]


def test_everyone_knows_everyone_after_joining_one_seed(serf_pool: MakePool) -> None:
    network, agents = serf_pool(12)
    assert network.run_until(lambda: full(agents), 3.0)
    assert sum(isinstance(event, JoinSucceeded) for _, _, event in network.log) == 11
    assert not [event for _, _, event in network.log if isinstance(event, InputRefused)]


def test_a_join_to_nobody_fails_with_a_reason(serf_pool: MakePool) -> None:
    network, ((endpoint, agent),) = serf_pool(1)
    agent.join(STRANGER, network.now)
    network.settle(endpoint)
    network.run_for(FAST.stream_timeout_s + 0.1)
    (failure,) = [event for _, _, event in network.log if isinstance(event, JoinFailed)]
    assert (failure.seed, failure.reason) == (STRANGER, "no answer in time")


@pytest.mark.parametrize("seed", range(8))
def test_a_dead_node_among_four_is_declared_failed_well_within_two_seconds(serf_pool: MakePool, seed: int) -> None:
    network, agents = serf_pool(4, seed=seed)
    network.run_for(3.0)
    network.kill(agents[3][0])
    assert network.run_until(lambda: all_see(agents[:3], "n3", Status.FAILED), 1.8)
    assert set(changes(network, MemberChange.FAILED)) == {"n3"}


def test_the_median_detection_in_a_small_fast_pool_is_about_a_second(serf_pool: MakePool) -> None:
    times = []
    for seed in range(15):
        network, agents = serf_pool(4, seed=100 + seed)
        network.run_for(2.0)
        network.kill(agents[2][0])
        killed = network.now
        assert network.run_until(lambda: status(agents[0][1], "n2") == Status.FAILED, 5.0)  # noqa: B023  (run at once)
        times.append(network.now - killed)
    assert median(times) < 1.2


def test_fifty_nodes_with_loss_find_the_one_dead_and_accuse_nobody_else(serf_pool: MakePool) -> None:
    network, agents = serf_pool(50, seed=2, loss=0.05, swim=LAN)
    network.run_for(3.0)
    network.kill(agents[17][0])
    # A few periods to the first detection, the suspicion of a pool of this size, and the dissemination.
    network.run_for(30.0)
    failures = [
        (where, event.member.name)
        for _, where, event in network.log
        if isinstance(event, MemberEvent) and event.change is MemberChange.FAILED
    ]
    assert {name for _, name in failures} == {"n17"}
    assert len(failures) == len({where for where, _ in failures}) == 49


def test_losing_one_packet_in_ten_does_not_make_a_small_pool_accuse_anyone(serf_pool: MakePool) -> None:
    network, agents = serf_pool(8, loss=0.1, swim=LAN)
    network.run_for(60.0)
    assert changes(network, MemberChange.FAILED) == []
    assert full(agents)


def test_the_load_of_a_member_does_not_grow_with_the_pool(serf_pool: MakePool) -> None:
    rates = []
    for size in (8, 32):
        network, _ = serf_pool(size, swim=LAN)
        network.run_for(20.0)
        before = network.packets
        network.run_for(10.0)
        rates.append((network.packets - before) / size / 10.0)
    assert rates[0] == pytest.approx(2.0, abs=0.3), "one ping and one ack per member and period"
    assert rates[1] == pytest.approx(rates[0], abs=0.3)


def test_a_node_that_leaves_is_left_and_not_failed(serf_pool: MakePool) -> None:
    network, agents = serf_pool(5)
    network.run_for(2.0)
    endpoint, leaver = agents[2]
    leaver.leave(network.now)
    network.settle(endpoint)
    assert network.run_until(lambda: any(isinstance(event, LeaveCompleted) for _, _, event in network.log), 5.0)
    assert all_see(agents, "n2", Status.LEFT)
    network.kill(endpoint)
    network.run_for(10.0)
    assert changes(network, MemberChange.FAILED) == []


def test_a_lone_node_leaves_at_once(serf_pool: MakePool) -> None:
    network, ((endpoint, agent),) = serf_pool(1)
    agent.leave(network.now)
    network.settle(endpoint)
    assert isinstance(network.log[-1][2], LeaveCompleted)


@pytest.mark.parametrize("ending", ["kill", "leave"])
def test_a_restarted_node_refutes_its_old_record_and_is_alive_again(
    serf_pool: MakePool, serf_node: MakeNode, ending: str
) -> None:
    network, agents = serf_pool(4)
    network.run_for(2.0)
    endpoint, old = agents[3]
    if ending == "leave":
        old.leave(network.now)
        network.settle(endpoint)
        network.run_for(4.0)
    network.kill(endpoint)
    network.run_for(4.0)
    assert all_see(agents[:3], "n3", Status.LEFT if ending == "leave" else Status.FAILED)
    again = serf_node("n3", endpoint.host, seed=99, tags={"run": "2"})
    network.add(endpoint, again)
    again.join(agents[0][0], network.now)
    network.settle(endpoint)
    assert network.run_until(lambda: all_see(agents[:3], "n3", Status.ALIVE), 3.0)
    network.run_for(5.0)
    assert all_see([*agents[:3], (endpoint, again)], "n3", Status.ALIVE)
    assert {member.name: member.tags for member in agents[1][1].members}["n3"] == {"run": "2"}


def test_a_paused_node_that_comes_back_is_never_called_failed(serf_pool: MakePool) -> None:
    network, agents = serf_pool(6, swim=LAN)
    network.run_for(3.0)
    others = [endpoint for endpoint, _ in agents[:5]]
    network.partition(others, [agents[5][0]])
    network.run_for(2.5)
    network.partition()
    network.run_for(40.0)
    assert all_see(agents, "n5", Status.ALIVE)
    assert "n5" not in changes(network, MemberChange.FAILED)


def test_a_partition_heals_by_reconnecting(serf_pool: MakePool) -> None:
    network, agents = serf_pool(6)
    network.run_for(2.0)
    endpoints = [endpoint for endpoint, _ in agents]
    network.partition(endpoints[:3], endpoints[3:])
    network.run_for(8.0)
    assert all_see(agents[:3], "n5", Status.FAILED)
    assert all_see(agents[3:], "n0", Status.FAILED)
    network.partition()
    healed = lambda: all(all_see(agents, f"n{index}", Status.ALIVE) for index in range(6))  # noqa: E731
    assert network.run_until(healed, 40.0)


def test_force_leave_turns_a_failed_member_into_a_left_one_everywhere(serf_pool: MakePool) -> None:
    network, agents = serf_pool(4)
    network.run_for(2.0)
    network.kill(agents[3][0])
    network.run_for(4.0)
    assert not agents[0][1].force_leave("nobody", network.now)
    assert agents[0][1].force_leave("n3", network.now)
    network.run_for(1.0)
    assert all_see(agents[:3], "n3", Status.LEFT)
    assert agents[1][1].force_leave("n3", network.now, prune=True)
    network.run_for(1.0)
    assert all_see(agents[:3], "n3", Status.NONE)


def test_new_tags_reach_everyone_as_an_update(serf_pool: MakePool) -> None:
    network, agents = serf_pool(5)
    network.run_for(2.0)
    endpoint, agent = agents[1]
    agent.set_tags({"role": "db"}, network.now)
    network.settle(endpoint)
    network.run_for(2.0)
    assert all({m.name: m.tags for m in other.members}["n1"] == {"role": "db"} for _, other in agents)
    assert changes(network, MemberChange.UPDATED) == ["n1"] * 5


def test_a_user_event_is_delivered_once_everywhere_and_late_joiners_do_not_hear_it(
    serf_pool: MakePool, serf_node: MakeNode
) -> None:
    network, agents = serf_pool(8)
    network.run_for(2.0)
    agents[3][1].user_event("deploy", b"v1", now=network.now)
    network.settle(agents[3][0])
    network.run_for(3.0)
    late = Endpoint("10.0.9.9", 7946)
    joiner = serf_node("late", late.host, seed=5)
    network.add(late, joiner)
    joiner.join(agents[0][0], network.now)
    network.settle(late)
    network.run_for(8.0)
    heard = [where for _, where, event in network.log if isinstance(event, UserEventReceived)]
    assert sorted(heard) == sorted(endpoint for endpoint, _ in agents)
    with pytest.raises(ValueError, match="user event"):
        agents[0][1].user_event("big", bytes(10_000), now=network.now)


def test_a_stale_leave_intent_about_this_node_is_outbid(serf_pool: MakePool) -> None:
    network, ((_, agent),) = serf_pool(1)
    network.run_for(0.1)
    tell(agent, LeaveIntent(20, "n0"), network.now)
    assert agent.own.status == Status.ALIVE
    assert agent.own.status_ltime == 21


def test_an_intent_is_passed_on_as_it_came_and_only_once(serf_pool: MakePool) -> None:
    network, agents = serf_pool(2)
    network.run_for(3.0)
    _, agent = agents[0]
    # A newer peer's extra field must survive being passed on.
    foreign = b"\x01\x83\xa5Extra\x01\xa5LTime\x63\xa4Node\xa2n1"
    packet = seal_packet([encode_message(User(foreign))], PLAIN)
    agent.outgoing()
    sent: list[object] = []
    for round_ in range(40):
        now = network.now + round_ * FAST.gossip_interval_s
        if round_ in (0, 20):
            agent.receive_datagram(packet, STRANGER, now)
        agent.handle_timer(now)
        for effect in agent.outgoing():
            if isinstance(effect, Datagram):
                sent.extend(decode_message(part) for part in open_packet(effect.data, PLAIN))
    assert sent.count(User(foreign)) == FAST.retransmit_mult


QUERY = Query(9, 77, bytes([10, 7, 7, 7]), 7946, "asker", None, FLAG_ACK, 0, 1_000_000_000, "hello", None)


def test_a_query_is_acknowledged_delivered_once_and_can_be_answered(serf_pool: MakePool) -> None:
    _, ((_, agent),) = serf_pool(1)
    agent.events()
    assert tell(agent, QUERY, 5.0) == [QueryResponse(9, 77, "n0", FLAG_ACK, None)]
    assert tell(agent, QUERY, 5.0) == []
    (received,) = [event for event in agent.events() if isinstance(event, QueryReceived)]
    assert received.deadline == 6.0
    agent.respond(received.query, b"hi", 5.0)
    (effect,) = agent.outgoing()
    assert isinstance(effect, Datagram)
    assert effect.destination == STRANGER
    with pytest.raises(ValueError, match="1024"):
        agent.respond(received.query, bytes(1024), 5.0)


@pytest.mark.parametrize(
    ("query", "delivered", "acknowledged"),
    [
        (replace(QUERY, flags=0), True, False),
        (replace(QUERY, flags=FLAG_NO_BROADCAST), True, False),
        (replace(QUERY, filters=(encode_node_filter(("other",)),)), False, False),
        (replace(QUERY, name="_serf_ping"), False, True),
        (replace(QUERY, name="_serf_unheard_of"), False, True),
        (replace(QUERY, address=b"\x01"), False, False),
    ],
)
def test_flags_filters_and_reserved_names_decide_what_becomes_of_a_query(
    serf_pool: MakePool, query: Query, delivered: bool, acknowledged: bool
) -> None:
    _, ((_, agent),) = serf_pool(1)
    agent.events()
    answers = tell(agent, query, 5.0)
    assert any(isinstance(event, QueryReceived) for event in agent.events()) is delivered
    assert bool(answers) is acknowledged


def test_a_name_conflict_is_voted_on_by_those_who_know_the_name(serf_pool: MakePool) -> None:
    network, agents = serf_pool(2)
    network.run_for(1.0)
    ask = replace(QUERY, flags=0, name="_serf_conflict")
    (answer,) = tell(agents[0][1], replace(ask, payload=b"n1"), network.now)
    assert isinstance(answer, QueryResponse)
    assert answer.payload is not None
    vote = decode_serf(answer.payload)
    assert isinstance(vote, ConflictResponse)
    assert (vote.name, vote.address, vote.status) == ("n1", bytes([10, 0, 0, 2]), 1)
    (unknown,) = tell(agents[0][1], replace(ask, id=78, payload=b"nobody"), network.now)
    assert isinstance(unknown, QueryResponse)
    assert unknown.payload == b"\x06\xc0"
    assert tell(agents[0][1], replace(ask, id=79, payload=b"n0"), network.now) == []


def test_answers_travel_through_as_many_relays_as_asked_and_relays_pass_them_on(serf_pool: MakePool) -> None:
    network, agents = serf_pool(3)
    network.run_for(1.0)
    sent = tell(agents[0][1], replace(QUERY, relay_factor=2), network.now)
    assert [type(message) for message in sent] == [QueryResponse, Relay, Relay]
    inner = QueryResponse(9, 77, "n0", FLAG_ACK, None)
    relay = Relay(RelayHeader(RelayAddress(bytes([10, 7, 7, 7]), 7946), "asker"), encode_serf(inner))
    assert tell(agents[1][1], relay, network.now) == [inner]


def test_garbage_from_anyone_is_refused_with_an_event_and_changes_nothing(serf_pool: MakePool) -> None:
    network, ((_, agent),) = serf_pool(1)
    agent.events()
    for data in (b"", b"\xff", b"\x08", b"\x08\x63", b"\x08\x07\x80", b"\x05\x01", b"\x0c\0\0\0\0\x01"):
        agent.receive_datagram(data, STRANGER, network.now)
    refused = agent.events()
    assert len(refused) == 7
    assert all(isinstance(event, InputRefused) and event.source == "10.7.7.7:7946" for event in refused)
    assert agent.receive_stream(b"\x06\x80\x81", STRANGER, network.now) is not None
    assert agent.receive_stream(b"\x0d\x80", STRANGER, network.now) is None


def test_an_encrypted_pool_works_and_shuts_out_whoever_lacks_the_key(serf_pool: MakePool, serf_node: MakeNode) -> None:
    network, agents = serf_pool(1)
    sealed = Framing(keyring=Keyring([bytes(32)]), label=b"pool")
    endpoints = [Endpoint(f"10.5.0.{index}", 7946) for index in (1, 2)]
    members = []
    for index, endpoint in enumerate(endpoints):
        member = serf_node(f"e{index}", endpoint.host, seed=index)
        member._swim._outbox.framing = sealed
        network.add(endpoint, member)
        member.join(endpoints[0] if index else agents[0][0], network.now)
        network.settle(endpoint)
        members.append((endpoint, member))
    network.run_for(3.0)
    assert full(members)
    (failure,) = [event for _, _, event in network.log if isinstance(event, JoinFailed)]
    assert "label" in failure.reason
    assert len(agents[0][1].members) == 1


def test_a_version_misfit_gets_an_answer_but_is_not_merged(serf_node: MakeNode) -> None:
    network_agents: Agents = []
    network = SimulatedNetwork(random.Random(3))
    for index in range(2):
        endpoint = Endpoint(f"10.6.0.{index + 1}", 7946)
        agent = serf_node(f"v{index}", endpoint.host, seed=index)
        network_agents.append((endpoint, agent))
    bad = network_agents[1][1]._swim._membership
    bad.identity = replace(bad.identity, versions=bad.identity.versions._replace(delegate_current=9))
    for endpoint, agent in network_agents:
        network.add(endpoint, agent)
    network_agents[1][1].join(network_agents[0][0], 0.0)
    network.settle(network_agents[1][0])
    network.run_until(lambda: bool(network.log) and isinstance(network.log[-1][2], JoinFailed), 0.05)
    refusals = [event for _, _, event in network.log if isinstance(event, JoinFailed)]
    assert "incompatible" in refusals[0].reason
    assert status(network_agents[0][1], "v1") == Status.NONE


@pytest.mark.parametrize("profile", [FAST, LAN])
def test_a_run_is_a_function_of_its_seed(serf_pool: MakePool, profile: SwimConfig) -> None:
    def story() -> list[tuple[float, Endpoint, object]]:
        network, agents = serf_pool(6, seed=11, loss=0.2, swim=profile)
        network.run_for(2.0)
        network.kill(agents[4][0])
        network.run_for(6.0)
        return network.log

    assert story() == story()


def test_a_join_intent_ends_an_older_leave(serf_pool: MakePool) -> None:
    network, agents = serf_pool(2)
    network.run_for(2.0)
    ltime = agents[0][1].own.status_ltime + 50
    observer = agents[1][1]
    tell(observer, LeaveIntent(ltime, "n0"), network.now)
    assert status(observer, "n0") == Status.LEAVING
    tell(observer, JoinIntent(ltime + 1, "n0"), network.now)
    assert status(observer, "n0") == Status.ALIVE


def test_a_user_event_that_was_seen_is_not_delivered_again(serf_pool: MakePool) -> None:
    _, ((_, agent),) = serf_pool(1)
    agent.events()
    for _ in range(2):
        tell(agent, UserEvent(4, "deploy", b"v1", False), 1.0)
    assert [event for event in agent.events() if isinstance(event, UserEventReceived)] == [
        UserEventReceived(UserEvent(4, "deploy", b"v1", False))
    ]


def test_a_node_that_died_returns_under_its_name_at_another_address(serf_pool: MakePool, serf_node: MakeNode) -> None:
    network, agents = serf_pool(3)
    network.run_for(2.0)
    network.kill(agents[2][0])
    network.run_for(1.5)
    moved = Endpoint("10.0.8.8", 7946)
    again = serf_node("n2", moved.host, seed=77)
    network.add(moved, again)
    again.join(agents[0][0], network.now)
    network.settle(moved)
    assert network.run_until(lambda: all_see(agents[:2], "n2", Status.ALIVE), 20.0)
    assert {member.name: member.endpoint for member in agents[0][1].members}["n2"] == moved


def test_this_nodes_own_row_follows_its_refutations(serf_pool: MakePool) -> None:
    network, ((_, agent),) = serf_pool(1)
    accusation = encode_message(Suspect(41, "n0", "liar"))
    agent.receive_datagram(seal_packet([accusation], PLAIN), STRANGER, network.now)
    assert agent.own.incarnation == 42


def of_datacenter(datacenter: str) -> Callable[[str, dict[str, str]], str]:
    def accepts(name: str, tags: dict[str, str]) -> str:
        theirs = tags.get("dc", datacenter)
        return "" if theirs == datacenter else f"Member '{name}' part of wrong datacenter '{theirs}'"

    return accepts


def test_pools_of_two_datacenters_do_not_merge_by_mistake(serf_node: MakeNode) -> None:
    network = SimulatedNetwork(random.Random(3))
    agents: Agents = []
    for index, datacenter in enumerate(("dc1", "dc1", "dc2", "dc2", "")):
        endpoint = Endpoint(f"10.6.0.{index + 1}", 7946)
        tags = {"dc": datacenter} if datacenter else {}
        agent = serf_node(f"m{index}", endpoint.host, seed=index, tags=tags, accepts=of_datacenter(datacenter or "dc1"))
        network.add(endpoint, agent)
        agents.append((endpoint, agent))
    for joiner, seed in ((1, 0), (3, 2), (4, 0), (2, 0)):
        agents[joiner][1].join(agents[seed][0], network.now)
        network.settle(agents[joiner][0])
        network.run_for(1.0)
    # The plain agent without tags is welcome, the other pool is not, from either side.
    assert [{m.name for m in agent.members} for _, agent in agents] == [
        {"m0", "m1", "m4"}, {"m0", "m1", "m4"}, {"m2", "m3"}, {"m2", "m3"}, {"m0", "m1", "m4"},
    ]  # fmt: skip
    (failure,) = [event for _, _, event in network.log if isinstance(event, JoinFailed)]
    assert "wrong datacenter 'dc1'" in failure.reason
    # By gossip: a stray claim about one of the others.
    stray = agents[2][1]._swim.own
    claim = Alive(9, stray.name, stray.address, stray.port, stray.meta, stray.versions)
    agents[0][1].receive_datagram(seal_packet([encode_message(claim)], PLAIN), STRANGER, network.now)
    assert "m2" not in {member.name for member in agents[0][1].members}

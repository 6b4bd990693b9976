"""Queues of what waits to be gossiped: measured by kind, bounded, and user events never in the way of membership."""

import random
from collections.abc import Callable

from lictor_swim import (
    FAST,
    LAN,
    Datagram,
    Endpoint,
    MemberChange,
    MemberEvent,
    QueryParams,
    SerfNode,
    Status,
    UserEventReceived,
)
from lictor_swim.broadcast_queue import BroadcastQueue, QueueMeasure
from lictor_swim.serf.delegate import QUEUE_DEPTH_MAX
from lictor_swim.serf.wire import UserEvent, encode_serf
from lictor_swim.simulated import SimulatedNetwork
from lictor_swim.wire import Suspect, User, decode_message, encode_message, open_packet, seal_packet
from lictor_swim.wire.packet import Framing

Agents = list[tuple[Endpoint, SerfNode]]
MakePool = Callable[..., tuple[SimulatedNetwork, Agents]]
PLAIN = Framing(compress=False)
STRANGER = Endpoint("10.7.7.7", 7946)


def flood(agent: SerfNode, now: float, count: int, *, first: int = 1) -> None:
    """User events of other senders, each of half a packet."""
    for index in range(count):
        event = UserEvent(first + index // 8, f"event-{index}", random.Random(index).randbytes(600), False)
        agent.receive_datagram(seal_packet([encode_message(User(encode_serf(event)))], PLAIN), STRANGER, now)


def test_every_queue_tells_its_depth_and_the_age_of_its_oldest(serf_pool: MakePool) -> None:
    network, agents = serf_pool(3, swim=LAN)
    network.run_for(60.0)
    _, agent = agents[0]
    now = network.now
    assert all(measure == QueueMeasure(0, 0.0) for measure in agent.queues(now).values())
    agent.user_event("a", b"", now=now)
    agent.user_event("b", b"", now=now + 1.0)
    agent.query(QueryParams(name="q"), now + 1.5)
    agent.set_tags({"role": "new"}, now + 1.5)
    agent.force_leave("n1", now + 1.75)
    assert agent.queues(now + 2.0) == {
        "membership": QueueMeasure(1, 0.5),
        "intents": QueueMeasure(1, 0.25),
        "queries": QueueMeasure(1, 0.5),
        "user_events": QueueMeasure(2, 2.0),
    }


def test_what_went_out_no_longer_counts_and_a_replacement_is_young() -> None:
    queue = BroadcastQueue(10, 1400)
    queue.enqueue(b"about a", "a", now=1.0)
    queue.enqueue(b"about b", "b", now=2.0)
    queue.enqueue(b"newer about a", "a", now=4.0)
    assert queue.measure(5.0) == QueueMeasure(2, 3.0)
    queue.take(2, 100, 1)
    assert queue.measure(5.0) == QueueMeasure(0, 0.0)


def test_a_flood_of_user_events_is_bounded_and_drops_what_went_out_most(serf_pool: MakePool) -> None:
    network, ((_, agent),) = serf_pool(1)
    flood(agent, network.now, QUEUE_DEPTH_MAX + 200)
    assert agent.queues(network.now)["user_events"].depth == QUEUE_DEPTH_MAX


def test_claims_about_members_go_into_the_very_next_packet_before_any_user_event(serf_pool: MakePool) -> None:
    network, agents = serf_pool(3)
    network.run_for(10.0)
    _, agent = agents[0]
    flood(agent, network.now, 500)
    accusation = Suspect(1, "n1", "n2")
    agent.receive_datagram(seal_packet([encode_message(accusation)], PLAIN), STRANGER, network.now)
    agent.outgoing()
    packets: list[list[object]] = []
    now = network.now
    while not packets:
        now += FAST.gossip_interval_s
        agent.handle_timer(now)
        packets = [
            [decode_message(part) for part in open_packet(effect.data, PLAIN)]
            for effect in agent.outgoing()
            if isinstance(effect, Datagram)
        ]
    gossip = [packet for packet in packets if accusation in packet]
    assert gossip
    # Packets are full of events besides, but the claim is in each of them and comes first.
    for packet in gossip:
        claims = [index for index, message in enumerate(packet) if not isinstance(message, User)]
        assert claims == list(range(len(claims)))
    assert any(isinstance(message, User) for packet in gossip for message in packet)


def detection_s(serf_pool: MakePool, *, events_per_s: int, seed: int) -> tuple[float, int]:
    """How long until all of twelve know of a crash while user events pour in; how many events were heard meanwhile."""
    network, agents = serf_pool(12, seed=seed)
    network.run_for(4.0)
    victim, _ = agents[7]
    network.kill(victim)
    crashed, mark = network.now, len(network.log)
    sent = 0
    living = [one for one in agents if one[0] != victim]

    def known() -> bool:
        return all(any(m.name == "n7" and m.status is Status.FAILED for m in agent.members) for _, agent in living)

    while not known() and network.now < crashed + 20.0:
        for endpoint, agent in living[: 4 if events_per_s else 0]:
            for _ in range(events_per_s // 40):
                agent.user_event(f"load-{sent}", random.Random(sent).randbytes(500), coalesce=False, now=network.now)
                sent += 1
            network.settle(endpoint)
        network.run_for(0.1)
    heard = sum(isinstance(event, UserEventReceived) for _, _, event in network.log[mark:])
    failed = {
        e.member.name
        for _, _, e in network.log[mark:]
        if isinstance(e, MemberEvent) and e.change is MemberChange.FAILED
    }
    assert failed == {"n7"}
    return network.now - crashed, heard


def test_a_crash_is_known_as_soon_under_a_flood_of_user_events(serf_pool: MakePool) -> None:
    """400 events of half a KiB each second are four times what the packets of this pool have room for."""
    calm = [detection_s(serf_pool, events_per_s=0, seed=seed)[0] for seed in (1, 2, 3)]
    flooded = [detection_s(serf_pool, events_per_s=400, seed=seed) for seed in (1, 2, 3)]
    assert all(heard > 500 for _, heard in flooded)
    assert sum(seconds for seconds, _ in flooded) < 1.5 * sum(calm) + 0.5

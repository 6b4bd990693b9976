"""Queries asked and answered in a simulated pool: acks, filters, relays, time limits, key rotation, name conflicts."""

import base64
import random
from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from lictor_swim import (
    FAST,
    SERF_FAST,
    Endpoint,
    Framing,
    KeyOperation,
    Keyring,
    KeyringChanged,
    KeysDone,
    NameLost,
    QueryAck,
    QueryAnswer,
    QueryDone,
    QueryId,
    QueryParams,
    QueryReceived,
    SerfNode,
    Status,
    address_bytes,
)
from lictor_swim.serf.asking import OPEN_MAX, Asking, default_timeout_s
from lictor_swim.serf.wire import FLAG_ACK, KeyRequest, KeyResponse, Query, QueryResponse, decode_serf, encode_serf
from lictor_swim.simulated import SimulatedNetwork

Agents = list[tuple[Endpoint, SerfNode]]
MakePool = Callable[..., tuple[SimulatedNetwork, Agents]]
OLD, NEW = bytes(16), bytes(range(32))
OLD_TEXT, NEW_TEXT = (base64.b64encode(key).decode() for key in (OLD, NEW))


def make_pool(
    size: int, *, framing: Framing | None = None, loss: float = 0.0, seed: int = 3
) -> tuple[SimulatedNetwork, Agents]:
    """Agents n0, n1, ... that all answer `hello` with their name, settled."""
    network = SimulatedNetwork(random.Random(seed), loss=loss)
    agents: Agents = []
    for index in range(size):
        endpoint = Endpoint(f"10.0.0.{index + 1}", 7946)
        agent = SerfNode(
            name=f"n{index}",
            address=address_bytes(endpoint.host),
            port=7946,
            tags={"role": "web" if index % 2 else "db", "zone": f"z-{index}"},
            swim=FAST,
            serf=SERF_FAST,
            framing=framing or Framing(compress=False),
            dice=random.Random(seed * 1009 + index),
        )
        network.add(endpoint, agent)
        if index:
            agent.join(agents[0][0], network.now)
            network.settle(endpoint)
        agents.append((endpoint, agent))
    network.run_for(4.0)
    assert all(len(agent.members) == size for _, agent in agents)
    return network, agents


EventT = TypeVar("EventT")


def events_of(network: SimulatedNetwork, where: Endpoint, kind: type[EventT]) -> list[EventT]:
    return [event for _, endpoint, event in network.log if endpoint == where and isinstance(event, kind)]


def ask(network: SimulatedNetwork, agents: Agents, params: QueryParams, *, wait_s: float = 3.0) -> QueryId:
    """Ask from n0; every agent that is shown the query answers with its name."""
    endpoint, asker = agents[0]
    query = asker.query(params, network.now)
    network.settle(endpoint)
    end = network.now + wait_s
    answered: set[Endpoint] = set()
    while network.now < end:
        network.run_for(0.01)
        for where, agent in agents:
            if where not in answered and (shown := events_of(network, where, QueryReceived)):
                answered.add(where)
                agent.respond(shown[-1].query, agent.own.name.encode(), network.now)
                network.settle(where)
    return query


def test_everybody_acknowledges_and_answers_once_and_then_the_query_is_done() -> None:
    network, agents = make_pool(6)
    query = ask(network, agents, QueryParams(name="hello", ack=True))
    here = agents[0][0]
    names = [f"n{index}" for index in range(6)]
    assert sorted(event.member for event in events_of(network, here, QueryAck)) == names
    answers = {event.member: event.payload for event in events_of(network, here, QueryAnswer)}
    assert answers == {name: name.encode() for name in names}
    assert events_of(network, here, QueryDone) == [QueryDone(query, acks=6, answers=6)]


@pytest.mark.parametrize(
    ("params", "who"),
    [
        (QueryParams(name="q", nodes=("n1", "n4", "nobody")), ["n1", "n4"]),
        (QueryParams(name="q", tags={"role": "^db$"}), ["n0", "n2", "n4"]),
        (QueryParams(name="q", tags={"role": "e", "zone": "[35]"}), ["n3", "n5"]),
        (QueryParams(name="q", tags={"missing": "^$"}), ["n0", "n1", "n2", "n3", "n4", "n5"]),
        (QueryParams(name="q", nodes=("n2", "n3"), tags={"role": "db"}), ["n2"]),
    ],
)
def test_only_those_whom_the_filters_name_answer(params: QueryParams, who: list[str]) -> None:
    network, agents = make_pool(6)
    ask(network, agents, replace(params, ack=True))
    here = agents[0][0]
    assert sorted(event.member for event in events_of(network, here, QueryAck)) == who
    assert sorted(event.member for event in events_of(network, here, QueryAnswer)) == who


def test_relays_bring_answers_through_a_network_that_loses_a_third_of_the_packets() -> None:
    counts = []
    for relay_factor in (0, 5):
        heard = 0
        for seed in range(6):
            network, agents = make_pool(8, seed=seed + 20)
            network.loss = 0.35
            ask(network, agents, QueryParams(name="q", relay_factor=relay_factor, timeout_s=2.0))
            heard += len(events_of(network, agents[0][0], QueryAnswer))
        counts.append(heard)
    direct, relayed = counts
    assert direct < 0.8 * 48
    assert relayed > 0.85 * 48


def test_an_answer_that_comes_too_late_or_from_nowhere_is_dropped() -> None:
    network, agents = make_pool(3)
    endpoint, asker = agents[0]
    query = asker.query(QueryParams(name="q", timeout_s=0.5), network.now)
    network.settle(endpoint)
    network.run_for(1.0)
    assert events_of(network, endpoint, QueryDone) == [QueryDone(query, 0, 0)]
    for response in (QueryResponse(query.ltime, query.id, "n1", 0, b"late"), QueryResponse(1, 2, "n1", 0, b"?")):
        asker._delegate.user_message(encode_serf(response), network.now)
    assert asker.events() == []


class Recorder:
    def __init__(self) -> None:
        self.said: list[object] = []

    def ack(self, member: str) -> None:
        self.said.append(("ack", member))

    def answer(self, member: str, payload: bytes) -> bool:
        self.said.append((member, payload))
        return payload == b"last"

    def done(self, acks: int, answers: int) -> None:
        self.said.append(("done", acks, answers))


def test_a_member_counts_once_and_an_asker_that_has_enough_is_done_at_once() -> None:
    asking, recorder = Asking(), Recorder()
    query = QueryId(4, 7)
    asking.open(query, recorder, 10.0)
    for member, flags, payload in (("a", 0, b"1"), ("a", 0, b"2"), ("a", FLAG_ACK, None), ("a", FLAG_ACK, None)):
        asking.respond(QueryResponse(4, 7, member, flags, payload), 1.0)
    asking.respond(QueryResponse(4, 8, "b", 0, b"wrong id"), 1.0)
    asking.respond(QueryResponse(4, 7, "b", 0, b"last"), 1.0)
    asking.respond(QueryResponse(4, 7, "c", 0, b"after"), 1.0)
    assert recorder.said == [("a", b"1"), ("ack", "a"), ("b", b"last"), ("done", 1, 2)]
    assert asking.deadline() == float("inf")


def test_queries_that_break_a_bound_are_refused_with_the_reason() -> None:
    _, agents = make_pool(1)
    agent = agents[0][1]
    for params, reason in (
        (QueryParams(name="_serf_ping"), "_serf_"),
        (QueryParams(name="q", payload=bytes(1024)), "exceeds limit of 1024"),
        (QueryParams(name="q", relay_factor=256), "relay factor"),
        (QueryParams(name="q", timeout_s=0.0), "above 0"),
    ):
        with pytest.raises(ValueError, match=reason):
            agent.query(params, 5.0)
    for _ in range(OPEN_MAX):
        agent.query(QueryParams(name="q"), 5.0)
    with pytest.raises(ValueError, match="open already"):
        agent.query(QueryParams(name="q"), 5.0)


def test_the_default_time_grows_with_the_digits_of_the_pools_size() -> None:
    assert [default_timeout_s(0.2, size) for size in (1, 9, 10, 99, 1000)] == pytest.approx([3.2, 3.2, 6.4, 6.4, 12.8])


# Key rotation


def sealed(*keys: bytes) -> Framing:
    return Framing(keyring=Keyring(keys))


def rotate(network: SimulatedNetwork, agents: Agents, operation: str, key: bytes = b"") -> KeysDone:
    endpoint, agent = agents[0]
    step = getattr(agent.keys, operation)
    query = step(network.now) if operation == "list_keys" else step(key, network.now)
    network.settle(endpoint)
    network.run_for(3.0)
    done = [event for event in events_of(network, endpoint, KeysDone) if event.query == query]
    assert len(done) == 1
    return done[0]


def test_keys_are_rotated_on_a_running_pool() -> None:
    network, agents = make_pool(5, framing=sealed(OLD))
    listed = rotate(network, agents, "list_keys")
    assert (listed.keys, listed.primary_keys, listed.error) == ({OLD_TEXT: 5}, {OLD_TEXT: 5}, "")
    installed = rotate(network, agents, "install", NEW)
    assert (installed.operation, installed.members, installed.answered, installed.failed, installed.error) == (
        KeyOperation.INSTALL, 5, 5, 0, "",
    )  # fmt: skip
    assert rotate(network, agents, "install", NEW).error == ""  # again is no error
    assert rotate(network, agents, "list_keys").keys == {OLD_TEXT: 5, NEW_TEXT: 5}
    assert rotate(network, agents, "use", NEW).error == ""
    assert rotate(network, agents, "list_keys").primary_keys == {NEW_TEXT: 5}
    assert rotate(network, agents, "remove", OLD).error == ""
    assert rotate(network, agents, "list_keys").keys == {NEW_TEXT: 5}
    assert all(agent.keyring is not None and agent.keyring.keys == (NEW,) for _, agent in agents)
    changes = [event.keys for event in events_of(network, agents[3][0], KeyringChanged)]
    assert changes == [(OLD, NEW), (NEW, OLD), (NEW,)]
    network.run_for(3.0)
    assert all(member.status is Status.ALIVE for _, agent in agents for member in agent.members)


def test_what_members_refuse_is_told_member_by_member() -> None:
    network, agents = make_pool(3, framing=sealed(OLD))
    unknown = rotate(network, agents, "use", NEW)
    assert unknown.error == "3/3 nodes reported failure"
    assert unknown.messages == {f"n{index}": "Requested key is not in the keyring" for index in range(3)}
    primary = rotate(network, agents, "remove", OLD)
    assert set(primary.messages.values()) == {"Removing the primary key is not allowed"}
    network.kill(agents[2][0])
    missing = rotate(network, agents, "install", NEW)
    assert (missing.failed, missing.error) == (0, "2/3 nodes reported success")
    with pytest.raises(ValueError, match="16, 24 or 32"):
        agents[0][1].keys.install(b"short", network.now)


def test_a_pool_without_keys_says_so() -> None:
    network, agents = make_pool(2)
    assert set(rotate(network, agents, "list_keys").messages.values()) == {"Keyring is empty (encryption not enabled)"}
    assert set(rotate(network, agents, "install", NEW).messages.values()) == {
        "No keyring to modify (encryption not enabled)"
    }


def test_a_long_list_of_keys_is_cut_to_one_answer_and_says_so() -> None:
    network, agents = make_pool(1, framing=sealed(*[bytes([index]) * 32 for index in range(30)]))
    listed = rotate(network, agents, "list_keys")
    assert 15 <= len(listed.keys) < 30
    assert f"the first {len(listed.keys)} of 30 keys" in listed.messages["n0"]
    assert listed.error == ""


@pytest.mark.parametrize(
    "payload", [None, b"", b"\x07", b"\x07\x81\xa3Key\x05", b"\x01\x80", b"\x07\x81\xa3Key\xa3abc"]
)
def test_a_key_request_that_cannot_be_read_is_refused_and_changes_nothing(payload: bytes | None) -> None:
    _, agents = make_pool(1, framing=sealed(OLD))
    rotation = agents[0][1].keys
    answer = decode_serf(rotation.answer(KeyOperation.INSTALL, Query(payload=payload)))
    assert isinstance(answer, KeyResponse)
    assert not answer.result
    assert answer.message
    assert agents[0][1].keyring is not None
    assert agents[0][1].keyring.keys == (OLD,)


def test_a_full_ring_takes_no_further_key() -> None:
    _, agents = make_pool(1, framing=sealed(*[bytes([index]) * 16 for index in range(40)]))
    request = Query(payload=encode_serf(KeyRequest(NEW)))
    answer = decode_serf(agents[0][1].keys.answer(KeyOperation.INSTALL, request))
    assert isinstance(answer, KeyResponse)
    assert "40 keys" in answer.message


# Name conflicts


def conflict(network: SimulatedNetwork, agents: Agents) -> tuple[Endpoint, SerfNode]:
    """An intruder under the name of n1 joins from another address."""
    where = Endpoint("10.0.9.9", 7946)
    intruder = SerfNode(
        name="n1", address=address_bytes(where.host), port=7946, tags={}, swim=FAST, serf=SERF_FAST,
        framing=Framing(compress=False), dice=random.Random(99),
    )  # fmt: skip
    network.add(where, intruder)
    intruder.join(agents[0][0], network.now)
    network.settle(where)
    return where, intruder


def test_the_intruder_under_a_taken_name_is_voted_out_and_the_owner_stays() -> None:
    network, agents = make_pool(5)
    where, _ = conflict(network, agents)
    network.run_for(6.0)
    lost = events_of(network, where, NameLost)
    assert len(lost) >= 1
    assert lost[0].for_us == 0
    assert lost[0].claimed == agents[1][0]
    assert lost[0].votes >= 3
    assert events_of(network, agents[1][0], NameLost) == []
    assert all({m.name: m.endpoint for m in agent.members}["n1"] == agents[1][0] for _, agent in agents)


def test_with_resolution_switched_off_a_conflict_is_only_an_event() -> None:
    network, agents = make_pool(3)
    for _, agent in agents:
        agent._config = replace(agent._config, name_conflict_resolution=False)
    where, intruder = conflict(network, agents)
    intruder._config = replace(intruder._config, name_conflict_resolution=False)
    network.run_for(6.0)
    assert events_of(network, where, NameLost) == []

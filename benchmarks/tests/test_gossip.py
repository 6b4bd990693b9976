"""The gossip's rows, small: what is measured happens, and the tables have it."""

import pytest

from benchmarks.gossip import datagrams, member
from benchmarks.gossip.__main__ import Found, table
from benchmarks.gossip.pool import agent, endpoint, news, ping
from benchmarks.gossip.sockets import Answered
from lictor_swim import Framing, Keyring, Status

FRAMINGS = [Framing(), Framing(keyring=Keyring([bytes(32)]))]


@pytest.mark.parametrize("framing", FRAMINGS, ids=["plain", "encrypted"])
def test_the_measured_agent_answers_probes_and_takes_in_news(framing: Framing) -> None:
    node = agent(40, framing)
    node.receive_datagram(ping(7, 3, framing), endpoint(3), 500.0)
    assert len(node.outgoing()) == 1
    node.receive_datagram(news(5, 9, framing), endpoint(3), 500.0)
    assert {one.name: one.incarnation for one in node._swim.members}["node-00005"] == 9
    assert all(one.status is Status.ALIVE for one in node.members)


def test_a_member_of_a_calm_pool_sends_its_probes_and_its_answers() -> None:
    cost = member.cost(30, 0.0, 60.0, FRAMINGS[0])
    assert cost.packets_s == pytest.approx(2.0, rel=0.25)
    assert 0 < cost.cpu_percent < 20


def test_the_tables_have_every_row() -> None:
    found = Found(
        datagrams.rates(200),
        datagrams.exchanges((30,), 1),
        [member.cost(30, 1.0, 20.0, FRAMINGS[1])],
        Answered(1000.0, 25.0, 0),
    )
    lines = table(found)
    assert sum(line.startswith("| probe answered") for line in lines) == 2
    assert any(line.startswith("| 30 | plain |") for line in lines)
    assert lines[-1].startswith("over real sockets: 1,000 probes answered in a second, 25 µs")

"""Direct lanes over real TCP, with a bus in memory behind them."""

import asyncio
import time

import pytest

from lictor_bus import BusDisconnectedError, BusError, BusTimeoutError, DirectLane, FakeBus, Hub, NatsLane
from lictor_bus.direct_lane import SILENT_S
from lictor_bus.direct_link import OUT_BYTES_MAX
from lictor_bus.direct_wire import FRAME_BYTES_MAX, Hello, Kind, encode, hello_payload


class Network:
    """Members and clients, each with its lane; `frozen` ones neither read nor write."""

    def __init__(self):
        self.hub = Hub()
        self.tasks = []
        self.lanes = []
        self.heard = {}
        self.ports = {}

    def make(self, member, *, run="run", cluster="c", bus_works=True):
        bus = FakeBus(self.hub)
        over_nats = NatsLane(bus, lambda: cluster, member)
        lane = DirectLane(
            over_nats, lambda: cluster, run, time.monotonic, member_id=member, bus_works=lambda: bus_works
        )
        self.lanes.append(lane)
        self.tasks.append(asyncio.ensure_future(lane.run()))
        return lane

    async def member(self, member, **options):
        lane = self.make(member, **options)
        heard = self.heard[member] = []
        await lane.serve("raft", lambda data, _reply: heard.append(data))

        def echo(data, reply):
            heard.append(reply)
            if data != b"mute":
                self.tasks.append(asyncio.ensure_future(lane.answer(reply, data + b"!")))

        await lane.serve("propose", echo)
        self.ports[member] = await lane.listen("127.0.0.1", self.ports.get(member, 0))
        return lane

    def address(self, member):
        return f"127.0.0.1:{self.ports[member]}"

    async def close(self):
        for lane in self.lanes:
            await lane.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
def on_network():
    def run(story):
        async def main():
            network = Network()
            try:
                await asyncio.wait_for(story(network), 20)
            finally:
                await network.close()

        asyncio.run(main())

    return run


def test_messages_and_requests_go_over_tcp_once_the_address_is_known(on_network, until):
    async def story(network):
        one, _two = await network.member(1), await network.member(2)
        await one.publish(2, "raft", b"early")  # no connection yet: over NATS
        await until(lambda: network.heard[2] == [b"early"])
        one.learn({1: network.address(1), 2: network.address(2)})
        await until(lambda: one.connected == (2,))
        for number in range(100):
            await one.publish(2, "raft", bytes([number]))
        assert await one.request(2, "propose", b"hi", 1.0) == b"hi!"
        assert network.heard[2][1:101] == [bytes([number]) for number in range(100)]
        assert network.heard[2][101].startswith("direct.")
        assert (one.sent, one.fell_back) == (101, 1)

    on_network(story)


def test_without_a_connection_nats_carries_and_the_lane_comes_back(on_network, until):
    async def story(network):
        one, two = await network.member(1), await network.member(2)
        one.learn({2: network.address(2)})
        await until(lambda: one.connected == (2,))
        two._server.close()
        await two.close()
        await until(lambda: not one.connected)
        assert await one.request(2, "propose", b"hi", 1.0) == b"hi!"
        assert network.heard[2][-1].startswith("_INBOX")
        await two.listen("127.0.0.1", network.ports[2])
        await until(lambda: one.connected == (2,))
        await one.publish(2, "raft", b"back")
        await until(lambda: network.heard[2][-1] == b"back")
        assert one.fell_back == 1

    on_network(story)


def test_a_member_that_moved_is_dialled_at_once_at_its_new_address(on_network, until):
    async def story(network):
        client = network.make(0)
        client.learn({2: "127.0.0.1:1"})
        await network.member(2)
        await until(lambda: client._peers[2].backoff_s > 0.5)
        client.learn({2: network.address(2)})
        await until(lambda: client.connected == (2,))

    on_network(story)


def test_requests_fail_in_bounded_time_and_at_once_when_the_connection_ends(on_network, until):
    async def story(network):
        client, two = network.make(0), await network.member(2)
        client.learn({2: network.address(2)})
        await until(lambda: client.connected == (2,))
        with pytest.raises(BusTimeoutError):
            await client.request(2, "propose", b"mute", 0.05)
        asking = asyncio.ensure_future(client.request(2, "propose", b"mute", 10.0))
        await until(lambda: len(network.heard[2]) == 2)
        await two.close()
        with pytest.raises(BusDisconnectedError):
            await asking
        with pytest.raises(BusError):
            await client.request(9, "propose", b"nobody", 0.05)

    on_network(story)


def test_a_second_live_run_of_a_member_a_wrong_cluster_and_a_wrong_member_are_refused(on_network, until):
    async def story(network):
        two = await network.member(2)
        first = network.make(1, run="first")
        first.learn({2: network.address(2)})
        await until(lambda: first.connected == (2,))
        second, foreign, lost = network.make(1, run="second"), network.make(3, cluster="other"), network.make(4)
        second.learn({2: network.address(2)})
        foreign.learn({2: network.address(2)})
        lost.learn({5: network.address(2)})
        await until(lambda: two.refused >= 3)
        assert (first.connected, second.connected, foreign.connected, lost.connected) == ((2,), (), (), ())
        await first.close()
        network.tasks[1].cancel()  # the first run has ended: the second is welcome
        await until(lambda: second.connected == (2,), 5.0)

    on_network(story)


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 4096,
        encode(Kind.MESSAGE, payload=b"raft without a hello"),
        encode(Kind.HELLO, payload=hello_payload(Hello("other", 1, "run", 2))),
        encode(Kind.HELLO, payload=hello_payload(Hello("c", 1, "run", 2))) + b"\xff" * 64,
        b"",
    ],
)
def test_a_stranger_is_cut_off_without_harm(on_network, until, said):
    async def story(network):
        two, client = await network.member(2), network.make(0)
        reader, writer = await asyncio.open_connection("127.0.0.1", network.ports[2])
        writer.write(said)
        while await asyncio.wait_for(reader.read(1000), 3.0):  # the silent one too, after a second
            pass
        await until(lambda: not two._accepted)
        assert network.heard[2] == []
        client.learn({2: network.address(2)})
        assert await client.request(2, "propose", b"hi", 1.0) == b"hi!"
        writer.close()

    on_network(story)


def test_a_client_that_speaks_raft_is_not_heard(on_network, until):
    async def story(network):
        await network.member(2)
        client = network.make(0)
        client.learn({2: network.address(2)})
        await until(lambda: client.connected == (2,))
        await client.publish(2, "raft", b"vote for me")
        await client.request(2, "propose", b"after it", 1.0)
        assert b"vote for me" not in network.heard[2]

    on_network(story)


def test_a_peer_that_takes_nothing_costs_a_bounded_buffer_and_is_left_within_a_second(on_network, until):
    async def story(network):
        stuck = asyncio.Event()

        async def accept(_reader, writer):
            writer.write(encode(Kind.HELLO, payload=hello_payload(Hello("c", 2, "run"))))
            await stuck.wait()  # reads nothing, says nothing
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        network.ports[2] = server.sockets[0].getsockname()[1]
        one = await network.member(1)
        one.learn({2: network.address(2)})
        await until(lambda: one.connected == (2,))
        link = one._peers[2].link
        for _ in range(64):
            await one.publish(2, "raft", b"x" * (FRAME_BYTES_MAX // 4))
            assert link._transport.get_write_buffer_size() <= OUT_BYTES_MAX + 14 * 64
        assert link.dropped > 0
        began = time.monotonic()
        await until(lambda: not one.connected)
        assert time.monotonic() - began < SILENT_S + 1.0
        stuck.set()
        server.close()

    on_network(story)


def test_a_member_tells_over_the_lane_whether_its_nats_works(on_network, until):
    async def story(network):
        one, _two, _three = (await network.member(1), await network.member(2, bus_works=False), await network.member(3))
        one.learn({2: network.address(2), 3: network.address(3)})
        await until(lambda: (one.bus_of(2), one.bus_of(3)) == (False, True))
        assert one.bus_of(4) is None

    on_network(story)


def test_members_remembered_are_bounded_and_the_longest_unannounced_go_first(on_network):
    async def story(network):
        client = network.make(0, cluster="")
        client.learn(dict.fromkeys(range(1, 65), "127.0.0.1:1"))
        client.learn({1: "127.0.0.1:1"})
        client.learn({65: "127.0.0.1:1", 66: ""})
        assert set(client._peers) == {1, *range(3, 66)}

    on_network(story)

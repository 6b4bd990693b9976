"""The servers over real sockets: UDP, TCP with pipelining, limits, shutdown, and the service's own process face."""

import asyncio
import socket
import struct

import dns.message
import pytest
import uvloop

from lictor_bus import FakeBus, Hub, LeaderTracker, View
from lictor_bus.fake_store import FakeStore
from lictor_dns.outcome import Recurse, Reply, without_recursors
from lictor_dns.tcp_server import TcpServer
from lictor_dns.udp_server import UdpServer
from lictor_state.commands import CatalogRegister, ServiceSpec

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


def run(story, loop=None):
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(story(), 10))


def framed(query):
    data = query.to_wire()
    return struct.pack(">H", len(data)) + data


async def read_frame(reader):
    (length,) = struct.unpack(">H", await reader.readexactly(2))
    return dns.message.from_wire(await reader.readexactly(length))


@LOOPS
def test_udp_answers_many_clients_and_ignores_garbage(world, loop):
    world.instance(1)

    async def story():
        server = UdpServer(world.responder.answer_udp, without_recursors)
        server.open("127.0.0.1", 0)
        running = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.sendto(b"junk", ("127.0.0.1", server.port))
            queries = [dns.message.make_query("web.service.consul.", "A") for _ in range(200)]
            for query in queries:
                client.sendto(query.to_wire(), ("127.0.0.1", server.port))
            replies = [dns.message.from_wire(await running.sock_recv(client, 4096)) for _ in queries]
        assert {reply.id for reply in replies} == {query.id for query in queries}
        server.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(("127.0.0.1", 0))

    run(story, loop)


@LOOPS
def test_tcp_answers_pipelined_queries_in_order(world, loop):
    world.instance(1)

    async def story():
        server = TcpServer(world.responder.answer_tcp, without_recursors, 8)
        await server.open("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        queries = [dns.message.make_query("web.service.consul.", "A") for _ in range(20)]
        stream = b"".join(framed(query) for query in queries)
        for at in range(0, len(stream), 7):
            writer.write(stream[at : at + 7])
        assert [(await read_frame(reader)).id for _ in queries] == [query.id for query in queries]
        writer.close()
        await server.close()

    run(story, loop)


def test_connections_are_bounded_and_idle_ones_closed(world):
    async def story():
        server = TcpServer(world.responder.answer_tcp, without_recursors, connections_max=1, idle_s=0.2)
        await server.open("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(framed(dns.message.make_query("consul.", "SOA")))
        await read_frame(reader)
        second, _ = await asyncio.open_connection("127.0.0.1", server.port)
        assert await second.read() == b""
        assert server.refused == 1
        assert await reader.read() == b"", "an idle connection is closed"
        await server.close()

    run(story)


def test_closing_ends_open_connections(world):
    async def story():
        server = TcpServer(world.responder.answer_tcp, without_recursors, 8)
        await server.open("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(framed(dns.message.make_query("consul.", "SOA")))
        await read_frame(reader)
        await server.close()
        assert await reader.read() == b""

    run(story)


def test_a_change_in_the_store_reaches_the_answers_through_the_view(world):
    async def story():
        hub = Hub()
        store, bus = FakeStore(FakeBus(hub)), FakeBus(hub)
        tracker = LeaderTracker(bus)
        view = View(bus, tracker, "discovery")
        view.on_load(lambda _index, changes: world.zone.load(changes))
        view.on_reset(world.zone.reset)
        await tracker.start()
        await store.open()
        following = asyncio.ensure_future(view.run())
        await view.ready.wait()
        world.zone._store = lambda: view.store
        assert world.ask("web.service.consul.").answer == []
        service = ServiceSpec("web", "web", address="10.0.0.9", port=80)
        done = await store.apply(CatalogRegister("n1", "10.1.0.1", "dc1", service=service))
        assert await view.wait_for(done.index, 2.0)
        assert [str(rdata) for rdata in world.ask("web.service.consul.").answer[0]] == ["10.0.0.9"]
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await bus.close()
        await store.bus.close()

    run(story)


@pytest.mark.parametrize("over", ["udp", "tcp"])
def test_a_reply_that_waits_for_recursors_is_sent_when_they_are_done(over):
    async def story():
        waiting: asyncio.Queue[tuple[Recurse, Reply]] = asyncio.Queue()
        query = dns.message.make_query("example.com.", "A")
        outcome = Recurse(query.to_wire(), lambda upstream: upstream)

        def answer(_data, client):
            assert client == bytes((127, 0, 0, 1))
            return outcome

        def recurse(question, reply):
            waiting.put_nowait((question, reply))

        done = dns.message.make_response(query)
        if over == "udp":
            server = UdpServer(answer, recurse)
            server.open("127.0.0.1", 0)
            running = asyncio.get_running_loop()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.sendto(query.to_wire(), ("127.0.0.1", server.port))
                asked, send = await waiting.get()
                send(done.to_wire())
                reply = dns.message.from_wire(await running.sock_recv(client, 4096))
            server.close()
            send(done.to_wire())  # too late, and nobody's harm
        else:
            streams = TcpServer(answer, recurse, 8)
            await streams.open("127.0.0.1", 0)
            reader, writer = await asyncio.open_connection("127.0.0.1", streams.port)
            writer.write(framed(query))
            asked, send = await waiting.get()
            send(done.to_wire())
            reply = await read_frame(reader)
            writer.close()
            await streams.close()
        assert asked is outcome
        assert reply.id == query.id

    run(story)

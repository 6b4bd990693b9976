"""The servers over real sockets: UDP, TCP with pipelining, limits, shutdown, and the service's own process face."""

import asyncio
import contextlib
import socket
import struct

import dns.message
import pytest
import uvloop

from lictor_bus import FakeBus, Hub, LeaderTracker, View
from lictor_bus.fake_store import FakeStore
from lictor_dns.bound_sockets import addresses_of, bound
from lictor_dns.outcome import Recurse, Reply, without_recursors
from lictor_dns.tcp_server import WAITING_MAX, TcpServer
from lictor_dns.udp_server import UdpServer
from lictor_state.commands import CatalogRegister, ServiceSpec

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


OPENED: list[asyncio.StreamWriter] = []


def run(story, loop=None):
    with asyncio.Runner(loop_factory=loop) as runner:
        try:
            runner.run(asyncio.wait_for(story(), 10))
        finally:
            runner.run(forget())


async def connected(*address, **options):
    """A client's connection, which is closed with the story at the latest."""
    reader, writer = await asyncio.open_connection(*address, **options)
    OPENED.append(writer)
    return reader, writer


async def forget():
    while OPENED:
        OPENED.pop().close()
    await asyncio.sleep(0)


async def until(holds):
    """Wait, bounded, until something holds."""
    for _ in range(5_000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


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
        reader, writer = await connected("127.0.0.1", server.port)
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
        reader, writer = await connected("127.0.0.1", server.port)
        writer.write(framed(dns.message.make_query("consul.", "SOA")))
        await read_frame(reader)
        second, _ = await connected("127.0.0.1", server.port)
        assert await second.read() == b""
        assert server.refused == 1
        assert await reader.read() == b"", "an idle connection is closed"
        await server.close()

    run(story)


def test_closing_ends_open_connections(world):
    async def story():
        server = TcpServer(world.responder.answer_tcp, without_recursors, 8)
        await server.open("127.0.0.1", 0)
        reader, writer = await connected("127.0.0.1", server.port)
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
            reader, writer = await connected("127.0.0.1", streams.port)
            writer.write(framed(query))
            asked, send = await waiting.get()
            send(done.to_wire())
            reply = await read_frame(reader)
            writer.close()
            await streams.close()
        assert asked is outcome
        assert reply.id == query.id

    run(story)


@LOOPS
@pytest.mark.parametrize(
    ("host", "asked", "seen"),
    [
        ("127.0.0.1", "127.0.0.1", bytes((127, 0, 0, 1))),
        ("0.0.0.0", "127.0.0.9", bytes((127, 0, 0, 1))),
        ("::1", "::1", bytes(15) + b"\1"),
        ("::", "::1", bytes(15) + b"\1"),
        ("::", "127.0.0.9", bytes((127, 0, 0, 1))),
    ],
)
def test_a_reply_leaves_from_the_address_that_was_asked_at_once_or_later(host, asked, seen, loop):
    async def story():
        later = []

        def answer(data, client):
            assert client == seen
            return Recurse(data, lambda _: data) if data[2:] == b"later" else data

        server = UdpServer(answer, lambda question, reply: later.append((question, reply)))
        server.open(host, 0)
        running = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in asked else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect((asked, server.port))  # the kernel drops what comes from another address
            client.send(b"00later")
            client.send(b"11now")
            assert await running.sock_recv(client, 100) == b"11now"
            ((question, reply),) = later
            reply(question.finish(None))
            assert await running.sock_recv(client, 100) == b"00later"
        server.close()
        assert server.dropped == 0

    run(story, loop)


@LOOPS
def test_datagrams_of_every_size_come_back_whole_and_in_order(loop):
    async def story():
        server = UdpServer(lambda data, _client: None if data[:1] == b"-" else data, without_recursors)
        server.open("127.0.0.1", 0)
        running = asyncio.get_running_loop()
        sizes = [1, 2, 511, 512, 1232, 4096, 9_000, 30_000, 65_507]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            for size in sizes:
                client.sendto(b"-", ("127.0.0.1", server.port))
                client.sendto(bytes([size % 251]) * size, ("127.0.0.1", server.port))
            for size in sizes:
                assert await running.sock_recv(client, 70_000) == bytes([size % 251]) * size
        server.close()

    run(story, loop)


def test_several_sockets_share_a_port_only_when_they_all_say_so():
    async def story():
        servers = [UdpServer(lambda data, _client: data, without_recursors) for _ in range(3)]
        servers[0].open("127.0.0.1", 0, shared=True)
        port = servers[0].port
        servers[1].open("127.0.0.1", port, shared=True)
        with pytest.raises(OSError, match="in use"):
            servers[2].open("127.0.0.1", port)
        streams = [TcpServer(lambda data, _client: data, without_recursors, 8) for _ in range(2)]
        await streams[0].open("127.0.0.1", 0, shared=True)
        await streams[1].open("127.0.0.1", streams[0].port, shared=True)
        for stream in streams:
            await stream.close()
        for server in servers[:2]:
            server.close()

    run(story)


@LOOPS
def test_tcp_answers_over_ipv6_and_ipv4_at_every_address(world, loop):
    async def story():
        server = TcpServer(world.responder.answer_tcp, without_recursors, 8)
        await server.open("::", 0)
        for host in ("::1", "127.0.0.1"):
            reader, writer = await connected(host, server.port)
            writer.write(framed(dns.message.make_query("consul.", "SOA")))
            assert (await read_frame(reader)).answer
            writer.close()
        await server.close()

    run(story, loop)


@LOOPS
def test_tcp_answers_what_it_knows_while_recursors_are_asked_and_a_client_that_asks_no_more_is_waited_for(loop):
    async def story():
        waiting = []

        def answer(data, _client):
            return Recurse(data, lambda _: data) if data[2:] == b"later" else data

        server = TcpServer(answer, lambda question, reply: waiting.append((question, reply)), 8)
        await server.open("127.0.0.1", 0)
        reader, writer = await connected("127.0.0.1", server.port)
        for data in (b"00later", b"11later", b"22now"):
            writer.write(struct.pack(">H", len(data)) + data)
        writer.write_eof()
        assert await reader.readexactly(7) == b"\0\x0522now"
        for question, reply in reversed(waiting):
            reply(question.finish(None))
        assert await reader.read() == b"\0\x0711later\0\x0700later"
        writer.close()
        await server.close()

    run(story, loop)


@LOOPS
def test_questions_of_one_connection_that_wait_for_recursors_are_bounded(loop):
    async def story():
        waiting = []
        server = TcpServer(lambda data, _: Recurse(data, lambda _: data), lambda *one: waiting.append(one), 8)
        await server.open("127.0.0.1", 0)
        reader, writer = await connected("127.0.0.1", server.port)
        for number in range(3 * WAITING_MAX):
            writer.write(b"\0\4" + struct.pack(">I", number))
        answered: list[bytes] = []
        while len(answered) < 3 * WAITING_MAX:
            await until(lambda: waiting)
            assert len(waiting) <= WAITING_MAX
            question, reply = waiting.pop()
            reply(question.finish(None))
            answered.append((await reader.readexactly(6))[2:])
        assert sorted(answered) == [struct.pack(">I", number) for number in range(3 * WAITING_MAX)]
        writer.close()
        await server.close()

    run(story, loop)


@LOOPS
def test_a_client_that_takes_no_answers_is_not_read_from_and_cut_off(loop):
    async def story():
        asked = []

        def answer(data, _client):
            asked.append(data)
            return bytes(60_000)

        server = TcpServer(answer, without_recursors, 8, idle_s=0.3)
        await server.open("127.0.0.1", 0)
        client = socket.create_connection(("127.0.0.1", server.port))
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(BlockingIOError):
            for _ in range(3_000):
                client.send(b"\0\5hello")
        await until(lambda: server.connections == 1)
        await until(lambda: server.connections == 0)
        assert len(asked) < 200, "its answers would be 180 MB"
        client.close()
        await server.close()

    run(story, loop)


def test_connections_of_one_client_are_bounded_and_others_still_come(world):
    async def story():
        server = TcpServer(world.responder.answer_tcp, without_recursors, 8, per_client_max=2)
        await server.open("0.0.0.0", 0)
        pairs = [await connected("127.0.0.1", server.port) for _ in range(3)]
        assert await pairs[2][0].read() == b""
        other = await connected("127.0.0.1", server.port, local_addr=("127.0.0.2", 0))
        for reader, writer in (pairs[0], other):
            writer.write(framed(dns.message.make_query("consul.", "SOA")))
            assert (await read_frame(reader)).answer
        pairs[0][1].close()
        await until(lambda: server.connections == 2)
        reader, writer = await connected("127.0.0.1", server.port)
        writer.write(framed(dns.message.make_query("consul.", "SOA")))
        assert (await read_frame(reader)).answer
        assert server.refused == 1
        await server.close()
        await until(lambda: not server.connections)
        assert server._by_client == {}

    run(story)


def test_idle_connections_make_room_sooner_when_there_are_many(monkeypatch):
    monkeypatch.setattr("lictor_dns.tcp_server.CROWDED_IDLE_S", 0.2)

    async def story():
        server = TcpServer(lambda data, _client: data, without_recursors, 4, idle_s=0.6)
        await server.open("127.0.0.1", 0)
        first = await connected("127.0.0.1", server.port)
        await until(lambda: server.connections == 1)
        assert server.idle_s() == 0.6
        others = [await connected("127.0.0.1", server.port) for _ in range(2)]
        await until(lambda: server.connections == 3)
        assert server.idle_s() == 0.2
        for reader, writer in (first, *others):
            assert await reader.read() == b""
            writer.close()
        await server.close()

    run(story)


def test_bytes_that_are_no_query_end_the_connection(world):
    async def story():
        server = TcpServer(world.responder.answer_tcp, without_recursors, 8)
        await server.open("127.0.0.1", 0)
        reader, writer = await connected("127.0.0.1", server.port)
        writer.write(framed(dns.message.make_query("consul.", "SOA")) + b"\0\0" * 1000)
        assert (await read_frame(reader)).answer
        assert await reader.read() == b""
        await server.close()

    run(story)


@pytest.mark.parametrize(
    ("listed", "addresses"),
    [("", ["10.0.0.1"]), ("127.0.0.1, ::1", ["127.0.0.1", "::1"]), ("::,::,", ["::"])],
)
def test_addresses_are_listed_with_commas_or_it_is_where_everything_binds(listed, addresses):
    assert addresses_of(listed, "10.0.0.1") == addresses


def test_ipv6_at_every_address_beside_ipv4_at_every_address():
    first = bound("0.0.0.0", 0, socket.SOCK_STREAM)
    first.listen()
    second = bound("::", first.getsockname()[1], socket.SOCK_STREAM)
    second.close()
    first.close()

"""Recursors asked over real sockets: fakes on the loopback that answer, stay silent, cut, lie or count."""

import asyncio
import contextlib
import random
import socket
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from lictor_dns.outcome import Recurse
from lictor_dns.recursion import ASKS_MAX, Recursion, without_ourselves
from lictor_dns.recursor import Address, Recursors
from lictor_dnswire import FrameReader, frame

TIMEOUT_S = 0.4


class FakeRecursor:
    """Listens on UDP and TCP at one port; `answers(query, over)` gives the replies to send."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []
        self.peers = []
        self.heard = asyncio.Event()

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = Address("127.0.0.1", self.server.sockets[0].getsockname()[1])
        fake = self

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, peer):
                fake.peers.append(peer)
                for reply in fake.reply(data, "udp"):
                    self.transport.sendto(reply, peer)

        self.transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=self.address)
        return self

    async def __aexit__(self, *_):
        self.transport.close()
        self.server.close()
        await self.server.wait_closed()

    def reply(self, data, over):
        query = dns.message.from_wire(data)
        self.asked.append((over, query))
        self.heard.set()
        return self.answers(query, over)

    async def _serve(self, reader, writer):
        frames = FrameReader()
        while data := await reader.read(4096):
            for message in frames.feed(data):
                for reply in self.reply(message, "tcp"):
                    writer.write(frame(reply))
        writer.close()


def good(query, _over="udp", address="192.0.2.1"):
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", address))
    return [reply.to_wire()]


def silent(_query, _over):
    return []


def failing(query, _over):
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.SERVFAIL)
    return [reply.to_wire()]


def cut_over_udp(query, over):
    if over == "tcp":
        return good(query)
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.TC
    return [reply.to_wire()]


def lying_first(query, _over):
    forged = dns.message.make_response(query)
    forged.id ^= 0x5555
    return [forged.to_wire(), *good(query)]


class Client:
    """Asks through one Recursion and waits for what comes back."""

    def __init__(self, *addresses):
        dice = random.Random(1)
        self.known = Recursors(addresses, "sequential", dice)
        self.recursion = Recursion(self.known, TIMEOUT_S, lambda: dice.randrange(65_536))

    def begin(self, name="example.com.", *, tcp=False):
        done = asyncio.get_running_loop().create_future()
        recurse = Recurse(dns.message.make_query(name, "A").to_wire(), lambda answer: answer or b"failed")
        (self.recursion.ask_tcp if tcp else self.recursion.ask_udp)(recurse, done.set_result)
        return done

    async def ask(self, name="example.com.", *, tcp=False):
        async with asyncio.timeout(10):
            return await self.begin(name, tcp=tcp)


def run(story):
    asyncio.run(story())


def address_in(reply):
    return str(dns.message.from_wire(reply).answer[0][0])


@pytest.mark.parametrize("tcp", [False, True])
def test_a_question_goes_to_the_recursor_the_way_that_its_client_came(tcp):
    async def story():
        async with FakeRecursor(good) as one:
            client = Client(one.address)
            assert address_in(await client.ask(tcp=tcp)) == "192.0.2.1"
            assert [over for over, _ in one.asked] == ["tcp" if tcp else "udp"]
            assert one.asked[0][1].question[0].name.to_text() == "example.com."
            assert client.recursion.in_flight == 0

    run(story)


def test_a_truncated_answer_is_fetched_whole_over_tcp():
    async def story():
        async with FakeRecursor(cut_over_udp) as one:
            assert address_in(await Client(one.address).ask()) == "192.0.2.1"
            assert [over for over, _ in one.asked] == ["udp", "tcp"]

    run(story)


@pytest.mark.parametrize("answers", [silent, failing])
def test_the_next_recursor_answers_when_the_first_does_not(answers):
    async def story():
        async with FakeRecursor(answers) as one, FakeRecursor(good) as two:
            client = Client(one.address, two.address)
            assert address_in(await client.ask()) == "192.0.2.1"
            assert len(two.asked) == 1
            assert len(one.asked) == (2 if answers is silent else 1)

    run(story)


def test_a_port_where_nobody_listens_costs_no_time():
    async def story():
        async with FakeRecursor(good) as gone:
            nobody = gone.address
        async with FakeRecursor(good) as two:
            client = Client(nobody, two.address)
            began = time.monotonic()
            assert address_in(await client.ask()) == "192.0.2.1"
            assert address_in(await client.ask(tcp=True)) == "192.0.2.1"
            assert time.monotonic() - began < TIMEOUT_S
            assert client.known.failures[nobody] == 1  # over TCP it was asked last, and so not at all

    run(story)


@pytest.mark.parametrize("tcp", [False, True])
def test_when_all_fail_the_question_is_finished_without_an_answer(tcp):
    async def story():
        async with FakeRecursor(silent) as one, FakeRecursor(failing) as two:
            client = Client(one.address, two.address)
            assert await client.ask(tcp=tcp) == b"failed"
            assert (client.recursion.counts.answered, client.recursion.counts.failed) == (0, 1)

    run(story)


def test_a_forged_reply_that_comes_first_is_passed_over():
    async def story():
        async with FakeRecursor(lying_first) as one:
            assert address_in(await Client(one.address).ask()) == "192.0.2.1"

    run(story)


def test_a_datagram_from_another_peer_is_not_seen():
    async def story():
        answers = []

        def hold(query, _over):
            answers.append(good(query, address="192.0.2.66"))
            return []

        async with FakeRecursor(hold) as one:
            client = Client(one.address)
            done = client.begin()
            await one.heard.wait()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
                attacker.sendto(answers[0][0], one.peers[0])
                one.transport.sendto(good(one.asked[0][1], address="192.0.2.1")[0], one.peers[0])
            assert address_in(await done) == "192.0.2.1"

    run(story)


def test_every_question_leaves_from_a_port_of_its_own_with_an_id_of_its_own():
    async def story():
        async with FakeRecursor(good) as one:
            client = Client(one.address)
            for number in range(40):
                await client.ask(f"n{number}.example.com.")
            assert len({peer[1] for peer in one.peers}) > 30
            assert len({query.id for _, query in one.asked}) > 35

    run(story)


def test_the_same_question_asked_twice_at_once_is_asked_once():
    async def story():
        async with FakeRecursor(good) as one:
            client = Client(one.address)
            replies = await asyncio.gather(*(client.begin() for _ in range(20)), client.begin("other.example."))
            assert {address_in(reply) for reply in replies} == {"192.0.2.1"}
            assert len(one.asked) == 2
            assert client.recursion.counts.shared == 19

    run(story)


def test_a_loop_closes_upon_itself_and_ends():
    """Two servers that name each other as recursor: one question goes round once, and fails in bounded time."""

    async def story():
        def forward(query, _over):
            # What a forwarder does that was told to ask us: its client's question comes back, under an id of its own.
            query.id = 4321
            looped.append(None)
            recurse = Recurse(query.to_wire(), lambda _answer: None)
            client.recursion.ask_udp(recurse, lambda _reply: None)
            return []

        looped: list[None] = []
        async with FakeRecursor(forward) as one:
            client = Client(one.address)
            assert await client.ask() == b"failed"
            assert len(looped) == 2  # the datagram and its repetition, and nothing that they gave rise to

    run(story)


def test_too_many_questions_at_once_fail_at_once():
    async def story():
        async with FakeRecursor(silent) as one:
            client = Client(one.address)
            waiting = [client.begin(f"n{number}.example.") for number in range(ASKS_MAX)]
            began = time.monotonic()
            assert await client.ask("one-more.example.") == b"failed"
            assert time.monotonic() - began < TIMEOUT_S / 2
            assert client.recursion.counts.overloaded == 1
            await asyncio.gather(*waiting)
            assert client.recursion.in_flight == 0

    run(story)


def test_closing_ends_what_is_on_its_way():
    async def story():
        async with FakeRecursor(silent) as one:
            client = Client(one.address)
            waiting = [client.begin(), client.begin(tcp=True)]
            await one.heard.wait()
            await client.recursion.close()
            assert client.recursion.in_flight == 0
            assert not any(done.done() for done in waiting)

    run(story)


def test_no_recursor_at_all_finishes_at_once():
    async def story():
        assert await Client().ask() == b"failed"

    run(story)


def test_this_process_is_not_its_own_recursor():
    other = Address("192.0.2.53", 8600)
    ours = Address("127.0.0.1", 8600)
    assert without_ourselves([ours, other], ["127.0.0.1"], 8600) == (other,)
    assert without_ourselves([ours, other], ["10.9.9.9", "0.0.0.0"], 8600) == (other,)
    assert without_ourselves([Address("127.0.0.1", 53), other], ["::1", "127.0.0.1"], 8600) == (
        Address("127.0.0.1", 53),
        other,
    )
    with contextlib.suppress(OSError):  # a host without IPv6 has nothing to say here
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
        assert without_ourselves([Address("::1", 8600), other], ["::"], 8600) == (other,)

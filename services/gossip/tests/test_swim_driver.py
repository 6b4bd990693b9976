"""Drivers against each other on loopback: join, leave, fail, events, bounds and the end."""

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, closing
from functools import partial
from typing import Any, Self

import pytest
import uvloop

from lictor_gossip import tcp_endpoint
from lictor_gossip.member_feed import MemberFeed
from lictor_gossip.swim_driver import OPENED_AT_ONCE_BYTES_MAX, SwimDriver
from lictor_gossip.udp_endpoint import UdpEndpoint
from lictor_swim import (
    FAST,
    SERF_FAST,
    Endpoint,
    Framing,
    InputRefused,
    MemberChange,
    MemberEvent,
    OpenedStream,
    QueryReceived,
    SerfEvent,
    SerfMember,
    SerfNode,
    Status,
    UserEventReceived,
    address_bytes,
)
from lictor_swim.wire import Ack, Ping, User, encode_stream_message, open_stream, seal_stream

MakeDriver = Callable[..., SwimDriver]
MakeEndpoint = Callable[[int], Endpoint]
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a story on the standard loop, and on the one that the service has."""
    factory = None if request.param == "asyncio" else uvloop.new_event_loop

    def story(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main)

    return story


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110  (watches what several drivers show, which no one event tells)
            await asyncio.sleep(0.005)


def sees(driver: SwimDriver, name: str, status: Status) -> bool:
    return any(member.name == name and member.status == status for member in driver.members())


class Pool:
    """Four drivers that joined through the first; each can be stopped alone."""

    def __init__(self, make: MakeDriver, endpoint: MakeEndpoint, size: int = 4) -> None:
        self.events: list[SerfEvent] = []
        self.endpoints = [endpoint(index) for index in range(size)]
        self.drivers = [make(index, bind, on_event=self.events.append) for index, bind in enumerate(self.endpoints)]
        self._stacks = [AsyncExitStack() for _ in range(size)]

    async def __aenter__(self) -> Self:
        for driver, stack in zip(self.drivers, self._stacks, strict=True):
            await stack.enter_async_context(driver)
        for driver in self.drivers[1:]:
            assert await driver.join([self.endpoints[0]]) == 1
        await until(lambda: all(len(driver.members()) == len(self.drivers) for driver in self.drivers))
        return self

    async def __aexit__(self, *error: object) -> None:
        for index in reversed(range(len(self.drivers))):
            await self.stop(index)

    async def stop(self, index: int) -> None:
        await self._stacks[index].aclose()

    async def everyone_sees(self, name: str, status: Status, among: list[int], limit_s: float = 5.0) -> None:
        await until(lambda: all(sees(self.drivers[index], name, status) for index in among), limit_s)


def test_four_drivers_join_through_one_and_see_each_others_tags(
    run: Run, driver: MakeDriver, endpoint: MakeEndpoint
) -> None:
    async def story() -> None:
        async with Pool(driver, endpoint) as pool:
            for member in pool.drivers[2].members():
                assert member.status == Status.ALIVE
                assert member.tags == {"index": member.name[1:]}
                assert member.endpoint in pool.endpoints
            assert pool.drivers[1].own.name == "n1"
            assert not [event for event in pool.events if isinstance(event, InputRefused)]

    run(story())


def test_a_driver_that_stops_without_leaving_is_failed_within_two_seconds(
    run: Run, driver: MakeDriver, endpoint: MakeEndpoint
) -> None:
    async def story() -> None:
        async with Pool(driver, endpoint) as pool:
            feed = pool.drivers[0].member_events()
            await pool.stop(3)
            stopped = asyncio.get_running_loop().time()
            async with asyncio.timeout(3.0):
                async for event in feed:
                    if event.change is MemberChange.FAILED:
                        break
            assert event.member.name == "n3"
            assert asyncio.get_running_loop().time() - stopped < 2.0
            await pool.everyone_sees("n3", Status.FAILED, [0, 1, 2])
            assert pool.drivers[1].force_leave("n3")
            assert not pool.drivers[1].force_leave("nobody")
            await pool.everyone_sees("n3", Status.LEFT, [0, 1, 2])

    run(story())


def test_a_driver_that_leaves_is_left_everywhere_and_never_failed(
    run: Run, driver: MakeDriver, endpoint: MakeEndpoint
) -> None:
    async def story() -> None:
        async with Pool(driver, endpoint) as pool:
            assert await pool.drivers[2].leave(timeout_s=5.0)
            await pool.everyone_sees("n2", Status.LEFT, [0, 1, 3])
            await pool.stop(2)
            changes = [event.change for event in pool.events if isinstance(event, MemberEvent)]
            assert MemberChange.FAILED not in changes

    run(story())


def test_leaving_gives_up_at_its_timeout(run: Run, driver: MakeDriver, endpoint: MakeEndpoint) -> None:
    async def story() -> None:
        async with Pool(driver, endpoint, 2) as pool:
            assert not await pool.drivers[1].leave(timeout_s=0.0)

    run(story())


def test_joining_counts_the_seeds_that_answered(run: Run, driver: MakeDriver, endpoint: MakeEndpoint) -> None:
    async def story() -> None:
        async with Pool(driver, endpoint, 2) as pool:
            nobody = endpoint(3)
            assert await pool.drivers[1].join([pool.endpoints[0], nobody]) == 1
            assert await pool.drivers[1].join([nobody]) == 0
            assert await pool.drivers[1].join([]) == 0

    run(story())


def test_tags_and_user_events_reach_the_others(run: Run, driver: MakeDriver, endpoint: MakeEndpoint) -> None:
    async def story() -> None:
        async with Pool(driver, endpoint, 3) as pool:
            pool.drivers[0].set_tags({"role": "db"})
            await until(lambda: {m.name: m.tags for m in pool.drivers[2].members()}["n0"] == {"role": "db"})
            pool.drivers[1].user_event("deploy", b"v1")
            await until(lambda: sum(isinstance(event, UserEventReceived) for event in pool.events) == 3)
            assert not [event for event in pool.events if isinstance(event, QueryReceived)]
            with pytest.raises(ValueError, match="512"):
                pool.drivers[0].set_tags({"role": "x" * 600})

    run(story())


def test_a_restarted_driver_comes_back_under_its_name(run: Run, driver: MakeDriver, endpoint: MakeEndpoint) -> None:
    async def story() -> None:
        async with Pool(driver, endpoint, 3) as pool:
            await pool.stop(2)
            await pool.everyone_sees("n2", Status.FAILED, [0, 1])
            async with driver(2, pool.endpoints[2]) as again:
                assert await again.join([pool.endpoints[0]]) == 1
                await pool.everyone_sees("n2", Status.ALIVE, [0, 1])

    run(story())


def test_one_timer_is_armed_at_the_nodes_next_deadline(run: Run, driver: MakeDriver, endpoint: MakeEndpoint) -> None:
    async def story() -> None:
        async with driver(0, endpoint(0)) as one:
            acts: list[Callable[[], None]] = [
                partial(one.user_event, "a", b""),
                partial(one.set_tags, {}),
                one._on_timer,
            ]
            for act in acts:
                act()
                assert one._timer is not None
                assert one._armed_for == one._node.next_deadline()
                assert not one._timer.cancelled()
            last = one._timer
        assert last is not None
        assert last.cancelled()

    run(story())


def test_a_port_in_use_is_refused_and_nothing_stays_open(run: Run, driver: MakeDriver, endpoint: MakeEndpoint) -> None:
    async def story() -> None:
        bind = endpoint(0)
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
            taken.bind(bind)
            with pytest.raises(OSError, match="in use"):
                async with driver(0, bind):
                    pass
        async with driver(0, bind):
            pass
        assert len(asyncio.all_tasks()) == 1

    run(story())


def test_a_broken_invariant_ends_the_driver(run: Run, driver: MakeDriver, endpoint: MakeEndpoint) -> None:
    class Broken(SerfNode):
        def handle_timer(self, now: float) -> None:
            raise AssertionError("an invariant is broken")

    async def story() -> None:
        bind = endpoint(0)
        node = Broken(
            name="n0", address=address_bytes(bind.host), port=bind.port, tags={}, swim=FAST, serf=SERF_FAST,
            framing=Framing(), dice=random.Random(1),
        )  # fmt: skip
        with pytest.RaisesGroup(pytest.RaisesExc(AssertionError, match="invariant")):
            async with asyncio.timeout(5.0), driver(0, bind, node=node):
                await asyncio.Event().wait()

    run(story())


async def raw_stream(destination: Endpoint, data: bytes) -> bytes:
    """What the other side answers before it closes."""
    reader, writer = await asyncio.open_connection(*destination)
    writer.write(data)
    async with asyncio.timeout(5.0):
        try:
            answer = await reader.read()
        except ConnectionError:
            answer = b""
    writer.close()
    return answer


def test_a_stream_ping_is_answered_even_in_pieces(run: Run, driver: MakeDriver, endpoint: MakeEndpoint) -> None:
    async def story() -> None:
        bind = endpoint(0)
        ping = seal_stream(encode_stream_message(Ping(9, "n0")), Framing())
        async with driver(0, bind):
            reader, writer = await asyncio.open_connection(*bind)
            for byte in ping:
                writer.write(bytes((byte,)))
                await writer.drain()
            assert open_stream(await reader.read(), Framing()) == Ack(9, None)
            writer.close()

    run(story())


def test_large_streams_are_opened_beside_the_loop_and_small_ones_on_it(
    run: Run, driver: MakeDriver, endpoint: MakeEndpoint
) -> None:
    threads: list[str] = []

    class Watched(SerfNode):
        def open_stream(self, data: bytes) -> OpenedStream:
            threads.append(threading.current_thread().name)
            return super().open_stream(data)

    async def story() -> None:
        bind = endpoint(0)
        node = Watched(
            name="n0", address=address_bytes(bind.host), port=bind.port, tags={}, swim=FAST, serf=SERF_FAST,
            framing=Framing(), dice=random.Random(1),
        )  # fmt: skip
        async with driver(0, bind, node=node):
            for message in (Ping(9, "n0"), User(bytes(OPENED_AT_ONCE_BYTES_MAX + 1))):
                await raw_stream(bind, seal_stream(encode_stream_message(message), Framing(compress=False)))
        assert threads == ["MainThread", "gossip stream_0"]

    run(story())


@pytest.mark.parametrize(
    "data",
    [b"\xff\x00", b"\x0a\x7f\xff\xff\xff", b"\x06\x81\xa5Nodes\xce\x7f\xff\xff\xff", b"\x0d\x80", b"\x06"],
    ids=["unknown type", "too large", "too many nodes", "not a request", "nothing more"],
)
def test_streams_that_make_no_sense_or_stall_are_closed_without_an_answer(
    run: Run, driver: MakeDriver, endpoint: MakeEndpoint, data: bytes
) -> None:
    async def story() -> None:
        bind = endpoint(0)
        async with driver(0, bind, stream_timeout_s=0.2) as one:
            assert await raw_stream(bind, data) == b""
            # The node is as well as before.
            assert await raw_stream(bind, seal_stream(encode_stream_message(Ping(9, "n0")), Framing())) != b""
            assert one.streams_refused == (0 if data == b"\x0d\x80" else 1)

    run(story())


def test_streams_beyond_the_limit_are_closed_at_once(
    run: Run, driver: MakeDriver, endpoint: MakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp_endpoint, "STREAMS_MAX", 2)

    async def story() -> None:
        bind = endpoint(0)
        async with driver(0, bind, stream_timeout_s=30.0) as one:
            idle = [await asyncio.open_connection(*bind) for _ in range(2)]
            await until(lambda: len(one._tcp._served) == 2)
            assert await raw_stream(bind, b"\x00") == b""
            assert one.streams_refused == 1
            for _, writer in idle:
                writer.close()
            await until(lambda: len(one._tcp._served) == 0)
            assert await raw_stream(bind, seal_stream(encode_stream_message(Ping(9, "n0")), Framing())) != b""

    run(story())


def test_stopping_does_not_wait_for_idle_peers(run: Run, driver: MakeDriver, endpoint: MakeEndpoint) -> None:
    async def story() -> None:
        bind = endpoint(0)
        async with asyncio.timeout(2.0):
            async with driver(0, bind, stream_timeout_s=60.0) as one:
                _, writer = await asyncio.open_connection(*bind)
                await until(lambda: len(one._tcp._served) == 1)
            writer.close()
        assert len(asyncio.all_tasks()) == 1

    run(story())


def test_packets_that_cannot_be_sent_are_dropped_and_counted(run: Run, endpoint: MakeEndpoint) -> None:
    async def story() -> None:
        received: list[tuple[bytes, Endpoint]] = []
        binds = [endpoint(0), endpoint(1)]
        first, second = [UdpEndpoint(lambda data, source: received.append((data, source))) for _ in binds]
        first.send(b"before it is open", binds[1])
        await first.open(binds[0])
        await second.open(binds[1])
        first.send(b"hello", binds[1])
        await until(lambda: bool(received))
        assert received == [(b"hello", binds[0])]
        first.send(b"x", Endpoint("::1", 1))
        first.send(b"x", Endpoint("127.0.0.11", 0))
        first.pause_writing()
        first.send(b"x", binds[1])
        first.resume_writing()
        assert first.packets_dropped == 4
        second.close()
        first.close()

    run(story())


def _event(name: str, change: MemberChange) -> MemberEvent:
    return MemberEvent(change, SerfMember(name, bytes(4), 1, {}, Status.ALIVE, 0, bytes(6), 1, 0.0))


def test_a_slow_reader_gets_the_latest_change_of_each_member(run: Run) -> None:
    async def story() -> None:
        feed = MemberFeed()
        for name, change in (("a", MemberChange.JOINED), ("b", MemberChange.JOINED), ("a", MemberChange.FAILED)):
            feed.push(_event(name, change))
        feed.close()
        seen: list[Any] = [(event.member.name, event.change) async for event in feed]
        assert seen == [("b", MemberChange.JOINED), ("a", MemberChange.FAILED)]

    run(story())


def test_a_released_feed_ends_its_reader_and_gets_nothing_more(
    run: Run, driver: MakeDriver, endpoint: MakeEndpoint
) -> None:
    async def story() -> None:
        async with driver(0, endpoint(0)) as one:
            feed = one.member_events()
            one.set_tags({"a": "b"})
            one.release(feed)
            one.set_tags({"a": "c"})
            assert [event.member.tags async for event in feed] == [{"a": "b"}]

    run(story())

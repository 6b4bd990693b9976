"""The real connection, against the real NATS server from its wheel."""

import asyncio
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from lictor_bus import BusDisconnectedError, BusTimeoutError, NoRespondersError, connect
from lictor_bus.connection import UNSENT_BYTES_MAX


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A NATS server that can be killed and started again on its port."""

    def __init__(self):
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self):
        binary = Path(sys.executable).parent / "nats-server"
        self.process = await asyncio.create_subprocess_exec(
            str(binary), "--addr", "127.0.0.1", "--port", str(self.port), stderr=asyncio.subprocess.DEVNULL
        )

    async def kill(self):
        assert self.process is not None
        self.process.kill()
        await self.process.wait()


def run(story):
    async def main():
        server = Server()
        try:
            await asyncio.wait_for(story(server), 20)
        finally:
            if server.process and server.process.returncode is None:
                await server.kill()

    asyncio.run(main())


async def until(condition):
    async with asyncio.timeout(8):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_publish_request_and_queue_groups_work_over_real_nats():
    async def story(server):
        await server.start()
        one, two = await connect(server.url, "one"), await connect(server.url, "two")
        heard, shared = [], []

        def share(number, _subject, _data, _reply):
            shared.append(number)

        await one.subscribe("a.*", lambda subject, data, _reply: heard.append((subject, data)))
        for number in range(3):
            await one.subscribe("q", partial(share, number), queue="group")

        async def echo(_subject, data, reply):
            await one.publish(reply, data + b"!")

        await one.subscribe("echo", echo)
        await one.request("echo", b"ready", 2.0)
        await two.publish("a.b", b"1")
        for _ in range(12):
            await two.publish("q", b"")
        assert await two.request("echo", b"hi", 2.0) == b"hi!"
        await until(lambda: heard and len(shared) == 12)
        assert heard == [("a.b", b"1")]
        await one.close()
        await two.close()

    run(story)


def test_a_request_nobody_answers_says_which_way():
    async def story(server):
        await server.start()
        bus = await connect(server.url, "one")
        with pytest.raises(NoRespondersError):
            await bus.request("nobody", b"", 2.0)
        await bus.subscribe("mute", lambda *_: None)
        with pytest.raises(BusTimeoutError):
            await bus.request("mute", b"", 0.1)
        await bus.close()

    run(story)


def test_a_process_may_start_before_its_server_and_survives_its_restart():
    async def story(server):
        connecting = asyncio.ensure_future(connect(server.url, "early"))
        await asyncio.sleep(0.2)
        assert not connecting.done()
        await server.start()
        bus = await connecting
        heard = []
        await bus.subscribe("a", lambda _s, data, _r: heard.append(data))
        await server.kill()
        await until(lambda: not bus.connected)
        await bus.publish("a", b"stale")  # dropped, not kept for later
        await server.start()
        await until(lambda: bus.connected)
        await bus.publish("a", b"fresh")
        await until(lambda: heard)
        assert heard == [b"fresh"]
        await bus.close()

    run(story)


def test_a_frozen_server_is_left_within_a_second_however_much_waits_for_it_and_nothing_stale_is_taken_along():
    async def story(server):
        other = Server()
        await server.start()
        await other.start()
        bus, watcher = await connect(f"{server.url},{other.url}", "one"), await connect(other.url, "two")
        heard = []
        await watcher.subscribe("a", lambda _s, data, _r: heard.append(data[:5]))
        await bus.subscribe("mute", lambda *_: None)
        asking = asyncio.ensure_future(bus.request("mute", b"", 20.0))
        await asyncio.sleep(0)
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        for _ in range(3 * UNSENT_BYTES_MAX // 500_000):
            await bus.publish("a", b"stale" + bytes(500_000))
            assert bus._client.pending_data_size <= UNSENT_BYTES_MAX + 1_000_000
        assert time.monotonic() - began < 0.5, "publish never waits"
        assert bus.dropped_publishes > 0
        with pytest.raises(BusDisconnectedError):
            await asking
        await until(lambda: bus.reconnects == 1 and bus.connected)
        assert time.monotonic() - began < 2.0
        await bus.publish("a", b"fresh")
        await until(lambda: heard)
        assert heard == [b"fresh"]
        await bus.close()
        await watcher.close()
        await other.kill()

    run(story)

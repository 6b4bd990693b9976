"""One real `serf` agent and one of ours on loopback: each sees the other join, leave and fail."""

import json
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lictor_swim import (
    FAST,
    SERF_FAST,
    Datagram,
    Endpoint,
    Framing,
    Keyring,
    LeaveCompleted,
    OpenStream,
    SerfNode,
    Status,
    StreamAssembler,
    UserEventReceived,
    address_bytes,
)

SERF = shutil.which("serf")
pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(SERF is None, reason="the serf binary is not installed"),
]

OURS, THEIRS = "127.0.0.31", "127.0.0.32"
KEY = bytes(range(32))
KEY_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def free_port(host: str) -> int:
    with closing(socket.socket()) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def receive_message(connection: socket.socket) -> bytes:
    assembler = StreamAssembler()
    while True:
        piece = connection.recv(65536)
        if not piece:
            raise OSError("closed before the message was whole")
        message = assembler.feed(piece)
        if message is not None:
            return message


class OurAgent:
    """A SerfNode on real sockets, one thread, run while a condition is awaited."""

    def __init__(self, name: str = "ours", *, framing: Framing | None = None, port: int = 0, seed: int = 1) -> None:
        self.endpoint = Endpoint(OURS, port or free_port(OURS))
        self._packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._packets.bind(self.endpoint)
        self._streams = socket.socket()
        self._streams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._streams.bind(self.endpoint)
        self._streams.listen()
        self.events: list[object] = []
        self.node = SerfNode(
            name=name,
            address=address_bytes(OURS),
            port=self.endpoint.port,
            tags={"role": "lictor"},
            swim=FAST,
            serf=SERF_FAST,
            framing=framing or Framing(),
            dice=random.Random(seed),
        )
        self.node.start(time.monotonic())

    def close(self) -> None:
        self._packets.close()
        self._streams.close()

    def run_until(self, condition: Callable[[], bool], limit_s: float = 10.0) -> bool:
        end = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end:
                return False
            self._step()
        return True

    def _step(self) -> None:
        self._carry_out()
        wait_s = min(max(self.node.next_deadline() - time.monotonic(), 0.0), 0.02)
        ready, _, _ = select.select([self._packets, self._streams], [], [], wait_s)
        if self._packets in ready:
            data, source = self._packets.recvfrom(65536)
            self.node.receive_datagram(data, Endpoint(*source), time.monotonic())
        if self._streams in ready:
            self._serve()
        self.node.handle_timer(time.monotonic())
        self._carry_out()
        self.events.extend(self.node.events())

    def _serve(self) -> None:
        connection, source = self._streams.accept()
        with connection, suppress(OSError):
            connection.settimeout(1.0)
            reply = self.node.receive_stream(receive_message(connection), Endpoint(*source), time.monotonic())
            if reply is not None:
                connection.sendall(reply)

    def _carry_out(self) -> None:
        for effect in self.node.outgoing():
            match effect:
                case Datagram(destination, data):
                    self._packets.sendto(data, destination)
                case OpenStream(stream_id, destination, data):
                    self._open(stream_id, destination, data)

    def _open(self, stream_id: int, destination: Endpoint, data: bytes) -> None:
        try:
            with socket.create_connection(destination, timeout=1.0) as connection:
                connection.sendall(data)
                reply = receive_message(connection)
        except OSError as error:
            self.node.stream_failed(stream_id, str(error), time.monotonic())
        else:
            self.node.stream_answered(stream_id, reply, time.monotonic())

    def sees(self, name: str, status: Status) -> Callable[[], bool]:
        return lambda: any(member.name == name and member.status == status for member in self.node.members)


class RealAgent:
    """A `serf agent` process and its command line."""

    def __init__(self, log: Path, *options: str) -> None:
        self.endpoint = Endpoint(THEIRS, free_port(THEIRS))
        self._rpc = f"{THEIRS}:{free_port(THEIRS)}"
        self._log = log
        assert SERF is not None
        arguments = [
            SERF, "agent", "-node=theirs", f"-bind={self.endpoint.host}:{self.endpoint.port}", f"-rpc-addr={self._rpc}",
            "-profile=local", "-log-level=debug", "-tag", "dc=dc1", *options,
        ]  # fmt: skip
        with log.open("w") as output:
            self.process = subprocess.Popen(arguments, stdout=output, stderr=output)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def log(self) -> str:
        return self._log.read_text()

    def is_up(self) -> bool:
        return "Serf agent starting" in self.log() and "agent: joining" not in self.log().splitlines()[-1]

    def complaints(self) -> list[str]:
        """Errors and warnings, besides the one that tells of the agent's own end."""
        lines = [line for line in self.log().splitlines() if re.search(r"\[(ERR|WARN)\]", line)]
        return [line for line in lines if "Serf shutdown detected" not in line]

    def command(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command; our agent must run while it does."""
        assert SERF is not None
        name, *rest = arguments
        return subprocess.Popen(
            [SERF, name, f"-rpc-addr={self._rpc}", *rest], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )


class Pair:
    """Both agents, and what theirs says."""

    def __init__(self, ours: OurAgent, theirs: RealAgent) -> None:
        self.ours = ours
        self.theirs = theirs

    def ask(self, *arguments: str) -> str:
        command = self.theirs.command(*arguments)
        finished = self.ours.run_until(lambda: command.poll() is not None, 10.0)
        if not finished:
            command.kill()
        output, _ = command.communicate()
        assert finished, f"serf {arguments} did not end: {output}"
        return output

    def member(self, name: str) -> dict[str, Any]:
        output = self.ask("members", "-format=json")
        members = json.loads(output)["members"] if output.startswith("{") else []
        found: list[dict[str, Any]] = [member for member in members if member["name"] == name]
        return found[0] if found else {"status": "absent"}

    def they_see(self, status: str, limit_s: float = 10.0) -> bool:
        end = time.monotonic() + limit_s
        while self.member("ours")["status"] != status:
            if time.monotonic() > end:
                return False
        return True

    def we_join(self) -> None:
        assert self.ours.run_until(self.theirs.is_up)
        self.ours.node.join(self.theirs.endpoint, time.monotonic())
        assert self.ours.run_until(self.ours.sees("theirs", Status.ALIVE))


@contextmanager
def pair(directory: Path, *options: str, framing: Framing | None = None, they_join: bool = False) -> Iterator[Pair]:
    ours = OurAgent(framing=framing)
    join = [f"-join={ours.endpoint.host}:{ours.endpoint.port}"] if they_join else []
    theirs = RealAgent(directory / "serf.log", *options, *join)
    try:
        yield Pair(ours, theirs)
    finally:
        theirs.stop()
        ours.close()


def test_we_join_them_exchange_tags_events_and_queries_and_leave(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.we_join()
        assert both.they_see("alive")
        shown = both.member("ours")
        assert shown["addr"] == f"{OURS}:{both.ours.endpoint.port}"
        assert shown["tags"] == {"role": "lictor"}
        assert {m.name: m.tags for m in both.ours.node.members}["theirs"] == {"dc": "dc1"}

        both.ask("tags", "-set", "dc=dc2")
        assert both.ours.run_until(lambda: {m.name: m.tags for m in both.ours.node.members}["theirs"] == {"dc": "dc2"})
        both.ours.node.set_tags({"role": "lictor", "v": "2"}, time.monotonic())
        assert both.ours.run_until(lambda: "EventMemberUpdate: ours" in both.theirs.log())
        assert both.member("ours")["tags"] == {"role": "lictor", "v": "2"}

        both.ask("event", "-coalesce=false", "deploy", "v1")
        assert both.ours.run_until(lambda: any(isinstance(event, UserEventReceived) for event in both.ours.events))
        both.ours.node.user_event("from-ours", b"x", coalesce=False, now=time.monotonic())
        assert both.ours.run_until(lambda: "user-event: from-ours" in both.theirs.log())
        answer = both.ask("query", "-format=json", "-timeout=500ms", "hello")
        assert sorted(json.loads(answer)["Acks"]) == ["ours", "theirs"]
        # They probe us and read the coordinate in our acks: enough for a distance.
        assert both.ours.run_until(lambda: "rtt:" in both.ask("rtt", "ours"))

        both.ours.node.leave(time.monotonic())
        assert both.ours.run_until(lambda: any(isinstance(event, LeaveCompleted) for event in both.ours.events))
        assert both.they_see("left")
        assert both.theirs.complaints() == []


def test_they_join_us_and_leave(tmp_path: Path) -> None:
    with pair(tmp_path, they_join=True) as both:
        assert both.ours.run_until(both.ours.sees("theirs", Status.ALIVE))
        assert both.they_see("alive")
        assert "Graceful leave complete" in both.ask("leave")
        assert both.ours.run_until(both.ours.sees("theirs", Status.LEFT))
        assert both.theirs.complaints() == []


def test_they_die_and_we_see_it(tmp_path: Path) -> None:
    with pair(tmp_path, they_join=True) as both:
        assert both.ours.run_until(both.ours.sees("theirs", Status.ALIVE))
        both.theirs.stop()
        killed = time.monotonic()
        assert both.ours.run_until(both.ours.sees("theirs", Status.FAILED))
        assert time.monotonic() - killed < 3.0


def test_we_die_and_they_see_it_and_we_return_under_the_same_name(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.we_join()
        assert both.they_see("alive")
        both.ours.close()
        end = time.monotonic() + 15.0
        while "EventMemberFailed: ours" not in both.theirs.log():
            assert time.monotonic() < end, both.theirs.log()
            select.select([], [], [], 0.05)
        both.ours = OurAgent(port=both.ours.endpoint.port, seed=2)
        both.we_join()
        assert both.they_see("alive")


def test_an_encrypted_pool_of_both(tmp_path: Path) -> None:
    with pair(tmp_path, f"-encrypt={KEY_TEXT}", framing=Framing(keyring=Keyring([KEY]))) as both:
        both.we_join()
        assert both.they_see("alive")
        # Longer than a suspicion: probes work both ways under encryption.
        settled = time.monotonic() + 4.0
        both.ours.run_until(lambda: time.monotonic() > settled)
        assert both.member("ours")["status"] == "alive"
        assert both.ours.sees("theirs", Status.ALIVE)()
        assert both.theirs.complaints() == []

"""Real `serf` agents and ours on loopback: each sees the other join, leave and fail, and does what the other asks.

Every test compares two makes of the same thing: what ours says about the pool with what `serf` prints about it.
"""

import base64
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
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lictor_swim import (
    FAST,
    LOCAL,
    SERF_FAST,
    Clocks,
    Coordinate,
    Datagram,
    Endpoint,
    Framing,
    Keyring,
    KeysDone,
    LeaveCompleted,
    MemberChange,
    MemberEvent,
    NameLost,
    OpenStream,
    QueryAck,
    QueryAnswer,
    QueryDone,
    QueryParams,
    QueryReceived,
    SerfNode,
    Snapshot,
    Status,
    StreamAssembler,
    SwimConfig,
    UserEventReceived,
    address_bytes,
    distance_s,
    replay,
)

SERF = shutil.which("serf")
pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(SERF is None, reason="the serf binary is not installed"),
]

OURS, OURS_TOO, THEIRS, THEIRS_TOO = "127.0.0.31", "127.0.0.33", "127.0.0.32", "127.0.0.34"
KEY, NEW_KEY, THIRD_KEY = bytes(range(32)), bytes(range(1, 33)), bytes(range(16))
KEY_TEXT, NEW_TEXT, THIRD_TEXT = (base64.b64encode(key).decode() for key in (KEY, NEW_KEY, THIRD_KEY))
OF_A_BUSY_MACHINE = "Serf shutdown detected|Refuting a suspect|Was able to connect|Suspect .* has failed"
"""What an agent also complains of: its own end, and answers that came late."""

EventT = TypeVar("EventT")


def free_port(host: str) -> int:
    """A port that is free for packets and streams, below those that the kernel gives to connections."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with closing(socket.socket()) as streams, closing(socket.socket(type=socket.SOCK_DGRAM)) as packets:
            try:
                streams.bind((host, port))
                packets.bind((host, port))
            except OSError:
                continue
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


def exchange(destination: Endpoint, data: bytes) -> bytes:
    with socket.create_connection(destination, timeout=1.0) as connection:
        connection.sendall(data)
        return receive_message(connection)


EXCHANGES = ThreadPoolExecutor(8)
"""Streams that our agents open: all agents share one thread, which must answer them meanwhile."""


class OurAgent:
    """A SerfNode on real sockets, one thread, run while a condition is awaited; it answers the query `hello`."""

    def __init__(
        self,
        name: str = "ours",
        *,
        framing: Framing | None = None,
        port: int = 0,
        seed: int = 1,
        host: str = OURS,
        clocks: Clocks | None = None,
        swim: SwimConfig = FAST,
    ) -> None:
        self.endpoint = Endpoint(host, port or free_port(host))
        self.beside: list[OurAgent] = []
        self._opened: dict[int, Future[bytes]] = {}
        self.coordinates: list[tuple[Coordinate, Coordinate | None]] = []
        self._packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._packets.bind(self.endpoint)
        self._streams = socket.socket()
        self._streams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._streams.bind(self.endpoint)
        self._streams.listen()
        self.events: list[object] = []
        self.node = SerfNode(
            name=name,
            address=address_bytes(host),
            port=self.endpoint.port,
            tags={"role": "lictor"},
            swim=swim,
            serf=SERF_FAST,
            framing=framing or Framing(),
            dice=random.Random(seed),
            clocks=clocks,
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
            for agent in (self, *self.beside):
                agent.step(0.02 / (1 + len(self.beside)))
        return True

    def run_for(self, seconds: float) -> None:
        self.run_until(lambda: False, seconds)

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]

    def join(self, seed: Endpoint, *, replay: bool = False) -> None:
        self.node.join(seed, time.monotonic(), replay=replay)

    def step(self, wait_s_max: float) -> None:
        self._carry_out()
        self._finish_streams()
        wait_s = min(max(self.node.next_deadline() - time.monotonic(), 0.0), wait_s_max)
        ready, _, _ = select.select([self._packets, self._streams], [], [], wait_s)
        if self._packets in ready:
            data, source = self._packets.recvfrom(65536)
            self.node.receive_datagram(data, Endpoint(*source), time.monotonic())
        if self._streams in ready:
            self._serve()
        self.node.handle_timer(time.monotonic())
        events = self.node.events()
        self.events.extend(events)
        for event in events:
            if isinstance(event, QueryReceived) and event.query.name == "hello":
                answer = b"hi from " + self.node.own.name.encode()
                self.node.respond(event.query, answer + b" to " + (event.query.payload or b""), time.monotonic())
        self._carry_out()
        self.coordinates.append((self.node.coordinate, self.node.coordinate_of("theirs")))

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
                    self._opened[stream_id] = EXCHANGES.submit(exchange, destination, data)

    def _finish_streams(self) -> None:
        for stream_id, answer in list(self._opened.items()):
            if not answer.done():
                continue
            del self._opened[stream_id]
            error = answer.exception()
            if error is not None:
                self.node.stream_failed(stream_id, str(error), time.monotonic())
            else:
                self.node.stream_answered(stream_id, answer.result(), time.monotonic())

    def sees(self, name: str, status: Status) -> Callable[[], bool]:
        return lambda: any(member.name == name and member.status == status for member in self.node.members)


class RealAgent:
    """A `serf agent` process and its command line."""

    def __init__(self, log: Path, *options: str, host: str = THEIRS, name: str = "theirs", port: int = 0) -> None:
        self.endpoint = Endpoint(host, port or free_port(host))
        self._rpc = f"{host}:{free_port(host)}"
        self._log = log
        assert SERF is not None
        arguments = [
            SERF, "agent", f"-node={name}", f"-bind={self.endpoint.host}:{self.endpoint.port}", f"-rpc-addr={self._rpc}",
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
        """Errors and warnings about what we sent."""
        lines = [line for line in self.log().splitlines() if re.search(r"\[(ERR|WARN)\]", line)]
        return [line for line in lines if not re.search(OF_A_BUSY_MACHINE, line)]

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
        self.ours.join(self.theirs.endpoint)
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
        answer = both.ask("query", "-format=json", "-timeout=1s", "hello")
        assert sorted(json.loads(answer)["Acks"]) == ["ours", "theirs"]
        # They probe us and read the coordinate in our acks: enough for a distance.
        assert both.ours.run_until(lambda: "rtt:" in both.ask("rtt", "ours"))

        both.ours.node.leave(time.monotonic())
        assert both.ours.run_until(lambda: any(isinstance(event, LeaveCompleted) for event in both.ours.events))
        assert both.they_see("left")
        assert both.theirs.complaints() == []


def test_they_join_us_and_leave(tmp_path: Path) -> None:
    with pair(tmp_path, they_join=True, framing=Framing(compress_to_bytes=0)) as both:
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
    # Exchanges go uncompressed here, as those of large pools do.
    framing = Framing(keyring=Keyring([KEY]), compress_to_bytes=0)
    with pair(tmp_path, f"-encrypt={KEY_TEXT}", framing=framing) as both:
        both.we_join()
        assert both.they_see("alive")
        # Longer than a suspicion: probes work both ways under encryption.
        settled = time.monotonic() + 4.0
        both.ours.run_until(lambda: time.monotonic() > settled)
        assert both.member("ours")["status"] == "alive"
        assert both.ours.sees("theirs", Status.ALIVE)()
        assert both.theirs.complaints() == []


def keys_done(ours: OurAgent, operation: str, key: bytes = b"") -> KeysDone:
    now = time.monotonic()
    rotation = ours.node.keys
    query = rotation.list_keys(now) if operation == "list" else getattr(rotation, operation)(key, now)
    assert ours.run_until(lambda: any(done.query == query for done in ours.of(KeysDone)))
    return ours.of(KeysDone)[-1]


def test_user_events_go_both_ways_with_their_payloads(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    with pair(tmp_path, f"-event-handler=user:from-ours=cat >> {heard}") as both:
        both.we_join()
        both.ask("event", "-coalesce=false", "deploy", "v1.2.3")
        both.ask("event", "restart")
        assert both.ours.run_until(lambda: len(both.ours.of(UserEventReceived)) == 2)
        deploy, restart = [received.event for received in both.ours.of(UserEventReceived)]
        assert (deploy.name, deploy.payload, deploy.coalesce) == ("deploy", b"v1.2.3", False)
        assert (restart.name, restart.payload or b"", restart.coalesce) == ("restart", b"", True)
        both.ours.node.user_event("from-ours", b"payload \xff\x00", coalesce=False, now=time.monotonic())
        # With nothing behind it a payload gets a newline from serf.
        assert both.ours.run_until(lambda: heard.exists() and heard.read_bytes() == b"payload \xff\x00\n")
        assert both.theirs.complaints() == []


def test_queries_go_both_ways_with_acks_answers_and_filters(tmp_path: Path) -> None:
    with pair(tmp_path, "-event-handler=query:hello=cat && echo from theirs") as both:
        both.we_join()
        assert both.they_see("alive")
        theirs = json.loads(both.ask("query", "-format=json", "-timeout=1s", "hello", "you"))
        assert sorted(theirs["Acks"]) == ["ours", "theirs"]
        assert theirs["Responses"] == {"ours": "hi from ours to you", "theirs": "you\nfrom theirs\n"}
        for options, who in (
            (("-node=ours",), ["ours"]),
            (("-tag", "role=^lic.*r$"), ["ours"]),
            (("-tag", "dc=dc[12]"), ["theirs"]),
            (("-tag", "role=nothing"), []),
        ):
            answer = json.loads(both.ask("query", "-format=json", "-timeout=1s", *options, "hello"))
            assert sorted(answer["Acks"] or []) == who, options
        query = both.ours.node.query(
            QueryParams(name="hello", payload=b"you", ack=True, timeout_s=1.5), time.monotonic()
        )
        assert both.ours.run_until(lambda: bool(both.ours.of(QueryDone)))
        assert both.ours.of(QueryDone) == [QueryDone(query, acks=2, answers=2)]
        assert sorted(ack.member for ack in both.ours.of(QueryAck)) == ["ours", "theirs"]
        ours = {answer.member: answer.payload for answer in both.ours.of(QueryAnswer)}
        assert ours == {"ours": b"hi from ours to you", "theirs": b"you\nfrom theirs\n"}
        both.ours.events.clear()
        only = QueryParams(name="hello", tags={"dc": "^dc1$"}, nodes=("theirs", "ours"), ack=True, timeout_s=1.0)
        both.ours.node.query(only, time.monotonic())
        assert both.ours.run_until(lambda: bool(both.ours.of(QueryDone)))
        assert [ack.member for ack in both.ours.of(QueryAck)] == ["theirs"]
        assert "Successfully contacted all live nodes" in both.ask("reachability")


def test_keys_are_rotated_from_our_side_and_from_theirs(tmp_path: Path) -> None:
    with pair(tmp_path, f"-encrypt={KEY_TEXT}", framing=Framing(keyring=Keyring([KEY]))) as both:
        both.we_join()
        assert both.they_see("alive")
        for operation, key in (("install", NEW_KEY), ("use", NEW_KEY), ("remove", KEY)):
            done = keys_done(both.ours, operation, key)
            assert (done.members, done.answered, done.error) == (2, 2, ""), operation
        listed = keys_done(both.ours, "list")
        assert listed.keys == {NEW_TEXT: 2}
        assert listed.primary_keys == {NEW_TEXT: 2}
        assert re.search(re.escape(NEW_TEXT) + r"\s+\[2/2\]", both.ask("keys", "-list"))

        assert "Successfully installed key!" in both.ask("keys", f"-install={THIRD_TEXT}")
        assert "Successfully changed primary key!" in both.ask("keys", f"-use={THIRD_TEXT}")
        assert "Successfully removed key!" in both.ask("keys", f"-remove={NEW_TEXT}")
        assert both.ours.node.keyring is not None
        assert both.ours.node.keyring.keys == (THIRD_KEY,)
        both.ours.run_for(2.0)
        assert both.member("ours")["status"] == "alive"
        assert both.ours.sees("theirs", Status.ALIVE)()


def test_both_refuse_the_same_key_operations_with_the_same_words(tmp_path: Path) -> None:
    with pair(tmp_path, f"-encrypt={KEY_TEXT}", framing=Framing(keyring=Keyring([KEY]))) as both:
        both.we_join()
        assert both.they_see("alive")
        for operation, key, text in (("remove", KEY, KEY_TEXT), ("use", NEW_KEY, NEW_TEXT)):
            done = keys_done(both.ours, operation, key)
            assert done.messages["ours"] == done.messages["theirs"]
            assert done.error == "2/2 nodes reported failure"
            shown = both.ask("keys", f"-{operation}={text}")
            assert "2/2 nodes reported failure" in shown
            assert re.search(rf"ours\s+{done.messages['ours']}", shown)


def test_a_pool_without_keys_answers_key_queries_alike(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.we_join()
        assert both.they_see("alive")
        done = keys_done(both.ours, "list")
        assert done.messages["ours"] == done.messages["theirs"]
        assert keys_done(both.ours, "install", KEY).messages["ours"] == done.messages["theirs"].replace(
            "Keyring is empty", "No keyring to modify"
        )


def test_serf_rtt_prints_the_distance_that_we_compute(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.we_join()
        both.ours.run_for(4.0)
        shown = re.search(r"rtt: ([\d.]+) ms", both.ask("rtt", "ours", "theirs"))
        assert shown
        both.ours.run_for(1.0)
        # They have our coordinate from one of our last acks, and their own is in one of theirs.
        mine = {own for own, _ in both.ours.coordinates}
        other = {their for _, their in both.ours.coordinates if their is not None}
        distances_ms = {round(distance_s(one, two) * 1000, 3) for one in mine for two in other}
        assert min(abs(distance - float(shown.group(1))) for distance in distances_ms) < 0.0015


def test_a_failed_member_is_pruned_from_either_side(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.we_join()
        second = OurAgent("second", host=OURS_TOO, seed=3)
        both.ours.beside = [second]
        second.join(both.ours.endpoint)
        assert both.ours.run_until(lambda: both.member("second")["status"] == "alive")
        both.ours.beside = []
        second.close()
        assert both.ours.run_until(lambda: both.member("second")["status"] == "failed", 15.0)
        assert both.ours.node.force_leave("second", time.monotonic(), prune=True)
        assert both.ours.run_until(lambda: both.member("second")["status"] == "absent")

        both.theirs.stop()
        assert both.ours.run_until(both.ours.sees("theirs", Status.FAILED))
        assert both.ours.node.force_leave("theirs", time.monotonic(), prune=True)
        assert [member.name for member in both.ours.node.members] == ["ours"]


def test_they_prune_a_member_of_ours(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.we_join()
        second = OurAgent("second", host=OURS_TOO, seed=3)
        both.ours.beside = [second]
        second.join(both.ours.endpoint)
        assert both.ours.run_until(lambda: both.member("second")["status"] == "alive")
        both.ours.beside = []
        second.close()
        assert both.ours.run_until(lambda: both.member("second")["status"] == "failed", 15.0)
        assert both.ours.run_until(both.ours.sees("second", Status.FAILED))
        both.ask("force-leave", "-prune", "second")
        assert both.ours.run_until(lambda: "second" not in [member.name for member in both.ours.node.members])


def test_their_agent_under_our_name_is_voted_out_by_ours(tmp_path: Path) -> None:
    ours, second = OurAgent(), OurAgent("second", host=OURS_TOO, seed=3)
    ours.beside = [second]
    second.join(ours.endpoint)
    assert ours.run_until(ours.sees("second", Status.ALIVE))
    intruder = RealAgent(tmp_path / "serf.log", f"-join={ours.endpoint.host}:{ours.endpoint.port}", name="ours")
    try:
        assert ours.run_until(lambda: intruder.process.poll() is not None, 20.0), intruder.log()
        assert "minority in name conflict resolution" in intruder.log()
        assert ours.of(NameLost) == []
        assert ours.node.own.status is Status.ALIVE
    finally:
        intruder.stop()
        ours.close()
        second.close()


def test_our_agent_under_their_name_learns_that_it_lost_the_vote(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        both.we_join()
        intruder = OurAgent("theirs", host=OURS_TOO, seed=3)
        both.ours.beside = [intruder]
        intruder.join(both.theirs.endpoint)
        assert both.ours.run_until(lambda: bool(intruder.of(NameLost)), 20.0)
        assert intruder.of(NameLost)[0].for_us == 0
        assert intruder.of(NameLost)[0].claimed == both.theirs.endpoint
        both.ours.beside = []
        intruder.close()
        assert both.they_see("alive")


def test_each_finds_its_pool_again_from_the_others_snapshot(tmp_path: Path) -> None:
    """Their agent starts from a file that we wrote; ours from one that they wrote."""
    file = tmp_path / "snapshot"
    ours = OurAgent()
    written = Snapshot("theirs")
    for event in ours.node.events():
        written.observe(event)
    file.write_bytes(written.drain(Clocks(3, 5, 2)))
    theirs = RealAgent(tmp_path / "serf.log", f"-snapshot={file}")
    try:
        assert ours.run_until(ours.sees("theirs", Status.ALIVE), 15.0), theirs.log()
        both = Pair(ours, theirs)
        both.ask("event", "deploy", "v1")
        assert ours.run_until(lambda: bool(ours.of(UserEventReceived)))
        # Their clock went on where the file said.
        assert ours.of(UserEventReceived)[0].event.ltime >= 5
        # It writes what waits when it ends.
        theirs.process.terminate()
        assert ours.run_until(lambda: theirs.process.poll() is not None)
        remembered = replay(file.read_bytes())
        assert remembered.members["ours"] == ours.endpoint
        assert remembered.clocks.events == ours.of(UserEventReceived)[0].event.ltime
        # Another agent of ours that takes over their file would look for the pool at `ours`.
        heir = OurAgent("heir", host=OURS_TOO, seed=4, clocks=remembered.clocks)
        ours.beside = [heir]
        for endpoint in remembered.members.values():
            heir.join(endpoint, replay=True)
        assert ours.run_until(heir.sees("ours", Status.ALIVE))
        ours.run_for(0.5)
        assert heir.of(UserEventReceived) == []  # it was seen before that file was written
        ours.beside = []
        heir.close()
    finally:
        theirs.stop()
        ours.close()


def test_answers_are_relayed_among_two_of_each(tmp_path: Path) -> None:
    hello = "-event-handler=query:hello=cat > /dev/null && echo "
    with pair(tmp_path, hello + "one") as both:
        both.we_join()
        second = OurAgent("second", host=OURS_TOO, seed=3)
        both.ours.beside = [second]
        second.join(both.theirs.endpoint)
        seed = f"-join={both.ours.endpoint.host}:{both.ours.endpoint.port}"
        more = RealAgent(tmp_path / "more.log", hello + "two", seed, host=THEIRS_TOO, name="theirs-too")
        try:
            for name in ("second", "theirs-too"):
                assert both.ours.run_until(lambda name=name: both.member(name)["status"] == "alive", 15.0)  # type: ignore[misc]
            assert both.ours.run_until(second.sees("theirs-too", Status.ALIVE))
            shown = json.loads(both.ask("query", "-format=json", "-relay-factor=2", "-timeout=2s", "hello"))
            assert sorted(shown["Responses"]) == ["ours", "second", "theirs", "theirs-too"]
            params = QueryParams(name="hello", relay_factor=2, timeout_s=1.5)
            both.ours.node.query(params, time.monotonic())
            assert both.ours.run_until(lambda: bool(both.ours.of(QueryDone)))
            assert sorted(answer.member for answer in both.ours.of(QueryAnswer)) == [
                "ours", "second", "theirs", "theirs-too",
            ]  # fmt: skip
            assert more.complaints() == []
        finally:
            more.stop()
            both.ours.beside = []
            second.close()


@pytest.mark.chaos
def test_twenty_of_each_live_through_a_storm_of_kills(tmp_path: Path) -> None:
    """Six of each are killed at once: exactly they are failed, for all; then they return under their names."""
    first = OurAgent("ours-0", host="127.0.1.1", swim=LOCAL)
    seed = f"-join={first.endpoint.host}:{first.endpoint.port}"

    def their(index: int, port: int = 0) -> RealAgent:
        host, name = f"127.0.2.{index + 1}", f"theirs-{index}"
        return RealAgent(tmp_path / f"{name}-{port}.log", seed, host=host, name=name, port=port)

    ours = [first, *[OurAgent(f"ours-{i}", host=f"127.0.1.{i + 1}", swim=LOCAL, seed=i + 1) for i in range(1, 20)]]
    first.beside = ours[1:]
    theirs = [their(index) for index in range(20)]
    names = {f"{make}-{index}" for make in ("ours", "theirs") for index in range(20)}

    def statuses(agent: OurAgent) -> dict[str, Status]:
        return {member.name: member.status for member in agent.node.members}

    def shown(agent: RealAgent) -> dict[str, str]:
        command = agent.command("members", "-format=json")
        first.run_until(lambda: command.poll() is not None)
        output, _ = command.communicate()
        return {member["name"]: member["status"] for member in json.loads(output)["members"]}

    def all_see(failed: set[str], limit_s: float) -> bool:
        expected = {name: Status.FAILED if name in failed else Status.ALIVE for name in names}
        living = [agent for agent in ours if agent.node.own.name not in failed]
        if not first.run_until(lambda: all(statuses(agent) == expected for agent in living), limit_s):
            return False
        words = {name: status.name.lower() for name, status in expected.items()}
        # One of theirs may need a moment longer than the last of ours.
        asked = [agent for agent in theirs if agent.process.poll() is None][::5]
        end = time.monotonic() + limit_s
        while not all(shown(agent) == words for agent in asked):
            if time.monotonic() > end:
                return False
        return True

    try:
        for agent in ours[1:]:
            agent.join(first.endpoint)
        assert all_see(set(), 60.0)
        killed = {f"{make}-{index}" for make in ("ours", "theirs") for index in range(7, 13)}
        for index in range(7, 13):
            theirs[index].stop()
            ours[index].close()
        first.beside = [agent for agent in ours[1:] if agent.node.own.name not in killed]
        assert all_see(killed, 60.0)
        for index in range(7, 13):
            theirs[index] = their(index, theirs[index].endpoint.port)
            ours[index] = OurAgent(
                f"ours-{index}",
                host=f"127.0.1.{index + 1}",
                swim=LOCAL,
                seed=100 + index,
                port=ours[index].endpoint.port,
            )
            ours[index].join(first.endpoint)
        first.beside = ours[1:]
        assert all_see(set(), 60.0)
        failed = {
            event.member.name
            for agent in ours
            for event in agent.of(MemberEvent)
            if event.change is MemberChange.FAILED
        }
        for log in tmp_path.glob("*.log"):
            failed.update(re.findall(r"EventMemberFailed: (\S+)", log.read_text()))
        assert failed == killed
    finally:
        for real in theirs:
            real.stop()
        for agent in ours:
            agent.close()

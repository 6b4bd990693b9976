"""A node as a member with its files: keys, memory of the last run, and what people must look at."""

import asyncio
import random
import socket
from contextlib import asynccontextmanager
from typing import Any

import pytest
from serf_agents import free_endpoint, until
from structlog.testing import capture_logs

from lictor_bus import FakeBus, Hub, frames
from lictor_gossip.keyring_file import KeyringError, text_of
from lictor_gossip.membership import Membership
from lictor_gossip.node_slot import claim
from lictor_gossip.pool_answers import PoolAnswers
from lictor_gossip.reporting import report
from lictor_gossip.settings import GossipSettings
from lictor_gossip.swim_driver import SwimDriver
from lictor_kit.settings import load
from lictor_swim import (
    FAST,
    SERF_FAST,
    Endpoint,
    Framing,
    KeyOperation,
    NameLost,
    SerfNode,
    Status,
    Versions,
    address_bytes,
)
from lictor_swim.wire import Alive, Suspect, encode_message

KEY, OTHER_KEY = text_of(bytes(range(16))), text_of(bytes(range(1, 17)))


class Node:
    """What a process would have: a data directory, settings, an address."""

    def __init__(self, folder, name, number, **settings):
        self.endpoint = free_endpoint(f"127.0.0.{40 + number}")
        given = {
            "LICTOR_BIND": self.endpoint.host,
            "LICTOR_GOSSIP_PORT": str(self.endpoint.port),
            "LICTOR_GOSSIP_PROFILE": "fast",
            "LICTOR_NODE": name,
        }
        given |= {f"LICTOR_GOSSIP_{key.upper()}": value for key, value in settings.items()}
        self.settings = load(GossipSettings, [], given)
        self.slot = claim(folder / f"{name}-{number}", 1, name)
        self.notes: dict[str, str] = {}

    def member(self):
        return Membership(self.slot, self.settings, self.endpoint.host, self.notes.__setitem__)


@asynccontextmanager
async def running(node):
    """The node's member in the pool; at its end it writes down what the next run should know."""
    member = node.member()
    async with member.driver:
        yield member
        member.close()


def sees(member: Any, name: str) -> bool:
    return any(one.name == name and one.status is Status.ALIVE for one in member.driver.members())


def run(story):
    asyncio.run(asyncio.wait_for(story, 30))


def test_the_next_run_knows_the_members_and_the_time_and_one_that_left_knows_none(tmp_path):
    async def story():
        a, b = Node(tmp_path, "a", 1), Node(tmp_path, "b", 2)
        async with running(b) as other:
            async with running(a) as member:
                assert member.remembered.members == {}
                assert await member.driver.join([b.endpoint]) == 1
                other.driver.user_event("deploy", b"v1", coalesce=False)
                heard: list[str] = []
                member.on_user_event.append(lambda event: heard.append(event.name))
                await until(lambda: heard == ["deploy"], "the event")
                assert member.others() == [b.endpoint]
            async with running(a) as member:
                assert member.remembered.members == {"b": b.endpoint}
                assert member.driver.clocks.events >= 1
                again: list[str] = []
                member.on_user_event.append(lambda event: again.append(event.name))
                assert await member.driver.join([b.endpoint]) == 1
                other.driver.user_event("second", b"", coalesce=False)
                await until(lambda: again, "the second event")
                assert again == ["second"], "what was heard before the restart is not heard again"
                assert await member.driver.leave(5)
            after = a.member()
            assert (after.remembered.members, after.remembered.left) == ({}, True)

    run(story())


def test_keys_that_others_install_are_on_disk_before_they_are_answered(tmp_path):
    async def story():
        a, b = Node(tmp_path, "a", 1, key=KEY), Node(tmp_path, "b", 2, key=KEY)
        async with running(a) as member, running(b) as other:
            assert await member.driver.join([b.endpoint]) == 1
            await until(lambda: sees(other, "a"), "both are in")
            done = await other.driver.rotate(KeyOperation.INSTALL, bytes(range(1, 17)))
            assert done.error == ""
            for node in (a, b):
                assert OTHER_KEY in (node.slot.folder / "keyring.json").read_text()
            (a.slot.folder / "keyring.json").unlink()
            (a.slot.folder / "keyring.json").mkdir()
            with capture_logs() as lines:
                assert (await other.driver.rotate(KeyOperation.USE, bytes(range(1, 17)))).error == ""
            assert "keys are in use and not on disk" in [line["event"] for line in lines]
            assert "keyring.json cannot be written" in a.notes["keyring"]
            assert not any(KEY in str(line) or OTHER_KEY in str(line) for line in lines)
        with pytest.raises(KeyringError, match=r"keyring\.json cannot be read"):
            a.member()

    run(story())


def test_a_wrong_key_is_told_at_both_ends(tmp_path):
    async def story():
        a, b = Node(tmp_path, "a", 1, key=KEY), Node(tmp_path, "b", 2, key=OTHER_KEY)
        with capture_logs() as lines:
            async with running(a) as member, running(b) as other:
                for _ in range(3):
                    assert await member.driver.join([b.endpoint]) == 0
                assert member.refusals.counts["key"] >= 1
                assert other.refusals.counts["key"] == 3
        told = [(line["kind"], line["source"]) for line in lines if line["event"] == "refused from the pool"]
        # who was asked sees where the stream came from, which on one machine is no address of a member
        assert [kind for kind, _ in told] == ["key", "key"]
        assert b.endpoint.host in {source for _, source in told}

    run(story())


def test_a_pool_in_the_clear_and_a_member_with_a_key_say_what_is_wrong(tmp_path):
    async def story():
        a, b = Node(tmp_path, "a", 1), Node(tmp_path, "b", 2, key=KEY)
        async with running(a) as member, running(b) as other:
            assert await other.driver.join([a.endpoint]) == 0
            assert (member.refusals.counts["clear"], other.refusals.counts["clear"]) == (1, 1)
        late = Node(tmp_path, "c", 3, key=KEY, verify_incoming="false", verify_outgoing="false")
        async with running(a) as member, running(late) as third:
            assert await third.driver.join([a.endpoint]) == 1
            await until(lambda: sees(member, "c"), "a member that does not verify yet is in")

    run(story())


def test_two_nodes_of_one_name_and_another_version_are_told(tmp_path):
    async def story():
        a, b, second_b = Node(tmp_path, "a", 1), Node(tmp_path, "b", 2), Node(tmp_path, "b", 3)
        with capture_logs() as lines:
            async with running(a) as member, running(b), running(second_b) as namesake:
                assert await member.driver.join([b.endpoint]) == 1
                await until(lambda: sees(member, "b"), "b is in")
                await namesake.driver.join([a.endpoint])
                await until(lambda: member.refusals.counts["name"], "the conflict")
                stranger = _stranger()
                async with stranger:
                    await stranger.join([a.endpoint])
                    await until(lambda: member.refusals.counts["version"], "the version")
                assert not sees(member, "stranger")
        told = [(line["kind"], line["source"]) for line in lines if line["event"] == "refused from the pool"]
        assert ("name", f"{second_b.endpoint.host}:{second_b.endpoint.port}") in told
        assert "version" in {kind for kind, _ in told}
        assert len(told) == len(set(told))

    run(story())


def test_the_pools_of_two_datacenters_stay_apart(tmp_path):
    async def story():
        a, b = Node(tmp_path, "a", 1), Node(tmp_path, "b", 2)
        b.settings = b.settings.model_copy(update={"datacenter": "dc2"})
        async with running(a) as member, running(b) as other:
            await other.driver.join([a.endpoint])
            await until(lambda: member.refusals.counts["stranger"] and other.refusals.counts["stranger"], "both say so")
            assert not sees(member, "b")
            assert not sees(other, "a")

    run(story())


def test_hostile_names_and_accusers_reach_neither_log_nor_bus_as_they_are(tmp_path):
    async def story():
        a, b = Node(tmp_path, "a", 1), Node(tmp_path, "b", 2)
        async with running(a) as member, running(b):
            assert await member.driver.join([b.endpoint]) == 1
            await until(lambda: sees(member, "b"), "b is in")
            versions = bytes((1, 5, 2, 2, 5, 4))
            tags = b"\xff\x82\xa6lictor\xa11\xa1x\xa2\xff\xfe"  # bytes that are no text in a tag of a Lictor member
            hostile: list[Any] = [
                Alive(incarnation=1, node=name, address=b"\x7f\0\0\x63", port=1, meta=meta, versions=versions)
                for name, meta in (("w\udcff", b"\xff\x80"), ("esc\x1b[2J\n", b"\xff\x80"), ("fine", tags))
            ]
            accusers: list[Any] = [Suspect(0, "b", "\udcff" * 5), Suspect(1, "b", "x\x1b[31m" * 80)]
            with capture_logs() as lines, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for message in (*hostile, *accusers):
                    sender.sendto(encode_message(message), a.endpoint)
                sender.sendto(b"\x08\x09" + b"\x82\xa8DestAddr\xa1\xff" * 3, a.endpoint)
                await until(lambda: sum(member.refusals.counts.values()) >= 4, "all were judged")
            assert {one.name for one in member.driver.members()} == {"a", "b"}
            for line in lines:
                assert all(str(value).isprintable() and len(str(value)) < 400 for value in line.values()), line
            bus, view = FakeBus(Hub()), Any
            answers = PoolAnswers(bus, view, member.driver, "a", "run", asyncio.get_running_loop().time)  # type: ignore[arg-type]
            told = [answers.members(), answers.story("b"), report("c", "a", "run", 0, member.driver.members())]
            assert all(frames.encode(one) for one in told)
            await bus.close()

    run(story())


def _stranger():
    """A member that speaks a version of Serf's that nobody here does."""

    endpoint = free_endpoint("127.0.0.49")
    node = SerfNode(
        name="stranger",
        address=address_bytes(endpoint.host),
        port=endpoint.port,
        tags={},
        swim=FAST,
        serf=SERF_FAST,
        framing=Framing(),
        dice=random.Random(1),
        versions=Versions(1, 5, 2, 9, 9, 9),
    )
    return SwimDriver(node, endpoint, stream_timeout_s=1.0)


def test_a_name_that_the_pool_gives_to_another_is_noted(tmp_path):
    async def story():
        node = Node(tmp_path, "a", 1)
        async with running(node) as member:
            member._on_event(NameLost(Endpoint("10.0.0.99", 8301), 5, 1))
        assert "10.0.0.99:8301" in node.notes["name"]

    run(story())

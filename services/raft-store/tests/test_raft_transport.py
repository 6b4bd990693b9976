"""Which run of a member is listened to: one at a time, and a restarted one soon."""

from typing import Any

import msgspec
import pytest

from lictor_bus import frames
from lictor_bus.frames import RaftFrame
from lictor_raft import LOCAL_APPEND, LOCAL_APPLY, Message, MessageKind
from lictor_raft_store.raft_transport import RaftTransport

HEARTBEAT_S = 0.1


class Receiver:
    """A transport that hears frames of member 7, whose runs announce themselves or not."""

    def __init__(self):
        self.now = 100.0
        self.announced = {}
        self.batches = 0
        lane: Any = None  # what comes in is handed over by the test
        self.transport = RaftTransport(lane, "c", 1, "own", self.count, lambda: self.now, self.silent_s, HEARTBEAT_S)

    def count(self, _messages):
        self.batches += 1

    def silent_s(self, run):
        return self.now - self.announced.get(run, float("-inf"))

    def hears(self, run):
        before = self.batches
        self.transport._on_frame(frames.encode(RaftFrame("c", 7, run, [])), "")
        return self.batches > before

    def first_heard_after_s(self, run):
        """How long a run that sends every 10 ms is refused."""
        began = self.now
        while not self.hears(run):
            self.now += 0.01
        return self.now - began


def test_a_second_run_is_refused_while_the_first_announces_itself_however_silent_their_link():
    receiver = Receiver()
    assert receiver.hears("first")
    for _ in range(100):
        receiver.now += 0.5
        receiver.announced["first"] = receiver.now
        assert not receiver.hears("copy")
    assert receiver.hears("first")


def test_a_second_run_is_refused_while_the_first_sends_though_no_presence_gets_through():
    receiver = Receiver()
    for _ in range(100):
        assert receiver.hears("first")
        receiver.now += HEARTBEAT_S
        assert not receiver.hears("copy")


def test_a_restarted_run_is_heard_within_three_heartbeats_of_a_goodbye():
    receiver = Receiver()
    receiver.announced["first"] = receiver.now
    receiver.hears("first")
    del receiver.announced["first"]
    assert receiver.first_heard_after_s("second") == pytest.approx(0.31, abs=0.02)
    assert not receiver.hears("first"), "and the one before is over"


def test_a_run_that_follows_a_killed_one_waits_for_two_announcements_at_most():
    receiver = Receiver()
    receiver.announced["first"] = receiver.now
    receiver.hears("first")
    assert receiver.first_heard_after_s("second") == pytest.approx(1.11, abs=0.02)


@pytest.mark.parametrize("claimed", [LOCAL_APPEND, LOCAL_APPLY])
def test_nobody_speaks_for_this_members_own_storage(claimed):
    receiver = Receiver()
    forged = Message(MessageKind.STORAGE_APPEND_RESPONSE, claimed, 1, 2, index=9, log_term=2)
    frame = RaftFrame("c", 7, "first", [msgspec.msgpack.encode(forged)])
    receiver.transport._on_frame(frames.encode(frame), "")
    assert receiver.batches == 0
    assert receiver.hears("first")

"""What is refused is counted by kind, and told once for each kind and source."""

import pytest
from structlog.testing import capture_logs

from lictor_gossip.refusals import HINTS, LINES_PER_MINUTE, SOURCES_MAX, Refusals, kind_of
from lictor_swim import (
    Endpoint,
    InputRefused,
    JoinFailed,
    Member,
    MemberState,
    NameConflict,
    NameLost,
    PacketsBlocked,
    address_bytes,
)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("No installed keys could decrypt the message", "key"),
        ("the peer refused: No installed keys could decrypt the message", "key"),
        ("Payload is too small to decrypt: 20", "key"),
        ("Unsupported encryption version 9", "key"),
        ("Remote state is encrypted and encryption is not configured", "clear"),
        ("Encryption is configured but remote state is not encrypted", "clear"),
        ("Node 'x' delegate protocol version (9) is incompatible: [2, 5]", "version"),
        ("Node 'x' has a version vector of 3 bytes, not 6", "version"),
        ("Node 'x' is of datacenter 'dc2', this pool is of 'dc1'", "stranger"),
        ("Node 'x' is of segment 'a', this pool is of the default one", "stranger"),
        ("Node 'x' has the node id 1-2 of 'y'", "identity"),
        ("packet carries the label of another pool", "label"),
        ("the member list is full at 16384", "full"),
        ("packet checksum does not match", "malformed"),
        ("anything else", "malformed"),
    ],
)
def test_texts_are_of_a_kind(reason, kind):
    assert kind_of(reason) == kind
    assert kind in HINTS


def test_a_wrong_key_is_told_once_for_each_host_with_what_to_look_at():
    refusals = Refusals(clock=lambda: 0.0)
    with capture_logs() as lines:
        for port in range(1000, 1100):
            refusals.refused(InputRefused(f"10.0.0.9:{port}", "No installed keys could decrypt the message"))
        refusals.refused(InputRefused("10.0.0.8:1", "No installed keys could decrypt the message"))
        refusals.refused(InputRefused("worker-3", "Node 'worker-3' protocol version (9) is incompatible: [1, 5]"))
    assert [(one["kind"], one["source"]) for one in lines] == [
        ("key", "10.0.0.9"),
        ("key", "10.0.0.8"),
        ("version", "worker-3"),
    ]
    assert "LICTOR_GOSSIP_KEY" in lines[0]["hint"]
    assert (refusals.counts["key"], refusals.counts["version"], refusals.counts["malformed"]) == (101, 1, 0)


def test_a_seed_that_is_down_is_no_refusal_and_one_with_another_key_is():
    refusals = Refusals(clock=lambda: 0.0)
    with capture_logs() as lines:
        refusals.join_failed(JoinFailed(Endpoint("10.0.0.2", 8301), 1, "connect: connection refused"))
        refusals.join_failed(
            JoinFailed(Endpoint("10.0.0.2", 8301), 1, "the peer refused: No installed keys could decrypt the message")
        )
    assert [one["source"] for one in lines] == ["10.0.0.2"]


def test_two_nodes_of_one_name_are_told_once_with_both_addresses():
    member = Member("web-7", address_bytes("10.0.0.7"), 8301, b"", bytes(6), 1, MemberState.ALIVE)
    refusals = Refusals(clock=lambda: 0.0)
    with capture_logs() as lines:
        for _ in range(5):
            refusals.conflict(NameConflict(member, Endpoint("10.0.0.99", 8301)))
    (line,) = lines
    assert (line["source"], line["reason"]) == ("10.0.0.99:8301", "web-7 is at 10.0.0.7:8301")
    assert refusals.counts["name"] == 5


def test_a_lost_vote_and_a_member_without_packets_are_told_with_what_to_look_at():
    member = Member("web-7", address_bytes("10.0.0.7"), 8301, b"", bytes(6), 1, MemberState.ALIVE)
    refusals = Refusals(clock=lambda: 0.0)
    with capture_logs() as lines:
        for _ in range(3):
            refusals.lost_name(NameLost(Endpoint("10.0.0.99", 8301), 5, 1))
            refusals.blocked(PacketsBlocked(member))
    assert [(one["kind"], one["source"]) for one in lines] == [
        ("name", "vote for 10.0.0.99:8301"),
        ("blocked", "web-7"),
    ]
    assert lines[0]["reason"].startswith("1 of 5 members")
    assert "LICTOR_NODE" in lines[0]["hint"]
    assert "UDP" in lines[1]["hint"]


def test_forged_sources_fill_neither_log_nor_memory():
    now = [0.0]
    refusals = Refusals(clock=lambda: now[0])
    with capture_logs() as lines:
        for number in range(10_000):
            refusals.refused(InputRefused(f"10.{number >> 8 & 255}.{number & 255}.1:5", "checksum"))
            now[0] += 0.01
    assert len(lines) <= LINES_PER_MINUTE * 2
    assert refusals.counts["malformed"] == 10_000
    assert len(refusals._told) <= SOURCES_MAX

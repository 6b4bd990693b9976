"""User events on the wire: what Consul 1.8.7's agents sent (captured), and what plain Serf agents send."""

from typing import Any

import pytest

from lictor_bus.pool_frames import EventNotice
from lictor_gossip import event_format
from lictor_gossip.event_format import to_pool
from lictor_state.commands import EventFire
from lictor_swim import UserEvent, WireError

FULL_ID, EMPTY_ID = "02eeabe5-60c5-8f66-9d34-afff786ecc58", "7c63d1af-5131-10c8-dfd9-cae2205861b8"
FULL = bytes.fromhex(
    "87a24944d92430326565616265352d363063352d386636362d396433342d616666663738366563633538a16ea66465706c6f79a26e66a173"
    "a170c40d7061796c6f61642d6279746573a27366a3776562a27466a178a17601"
)
EMPTY = bytes.fromhex(
    "83a24944d92437633633643161662d353133312d313063382d646664392d636165323230353836316238a16ea5656d707479a17601"
)


def from_pool(event) -> Any:
    """The command, or None; loosely typed for the tests."""
    return event_format.from_pool(event)


@pytest.mark.parametrize(
    ("notice", "name", "captured"),
    [
        (EventNotice(FULL_ID, "deploy", b"payload-bytes", "s", "web", "x"), "consul:event:deploy", FULL),
        (EventNotice(EMPTY_ID, "empty"), "consul:event:empty", EMPTY),
    ],
)
def test_events_are_those_of_consuls_agents_byte_for_byte_and_back(notice, name, captured):
    assert to_pool(notice) == (name, captured)
    command = from_pool(UserEvent(7, name, captured))
    assert command == EventFire(
        notice.event_id, notice.name, notice.payload, notice.node_filter, notice.service_filter, notice.tag_filter, 1, 7
    )


def test_a_plain_event_has_the_same_id_at_every_member_and_another_at_another_time():
    one = from_pool(UserEvent(5, "deploy", b"v1"))
    assert (one.name, one.payload, one.ltime) == ("deploy", b"v1", 5)
    assert one == from_pool(UserEvent(5, "deploy", b"v1", coalesce=True))
    others = [
        UserEvent(6, "deploy", b"v1"),
        UserEvent(5, "deploy", b"v2"),
        UserEvent(5, "deployv", b"1"),
        UserEvent(5, "x", b"v1"),
    ]
    assert len({one.event_id, *(from_pool(other).event_id for other in others)}) == 5
    assert from_pool(UserEvent(5, "deploy", None)).payload is None


@pytest.mark.parametrize("name", ["", "consul:new-leader", "consul:"])
def test_what_is_no_users_event_makes_no_row(name):
    assert from_pool(UserEvent(1, name, b"x")) is None


@pytest.mark.parametrize(
    "payload",
    [None, b"", b"\xc1", FULL[:-5], b"\x81\xa2ID\xa3abc", b"\x80", FULL.replace(b"02ee", b"zzzz"), b"\x92\x01\x02"],
)
def test_what_bears_consuls_name_and_is_no_event_of_its_is_refused(payload):
    with pytest.raises(WireError):
        from_pool(UserEvent(1, "consul:event:x", payload))


def test_texts_that_are_no_utf8_become_rows_that_json_can_hold():
    assert from_pool(UserEvent(1, b"d\xff".decode("utf-8", "surrogateescape"), b"")).name == "d\ufffd"
    wrong = EMPTY.replace(b"empty", b"emp\xff\xfe")
    from_pool(UserEvent(1, "consul:event:x", wrong)).name.encode()

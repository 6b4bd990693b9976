"""Design rule 3.7: a view takes a message if prev ≤ own index < last, skips what it has, and sees gaps."""

import pytest

from lictor_bus.feed_order import FeedOrder, Verdict
from lictor_bus.frames import Feed


def feed(prev, last, epoch=1, **more):
    return Feed("c", epoch, prev, last, more.pop("groups", [b"g"]), **more)


@pytest.mark.parametrize(
    ("own", "message", "verdict"),
    [
        (10, feed(10, 12), Verdict.TAKE),
        (11, feed(10, 12), Verdict.TAKE),  # a beacon had moved the own index past prev
        (12, feed(10, 12), Verdict.OLD),
        (20, feed(10, 12), Verdict.OLD),
        (9, feed(10, 12), Verdict.GAP),
        (10, feed(10, 12, epoch=2), Verdict.GAP),
        (10, feed(10, 12, epoch=0), Verdict.OLD),
        (10, feed(10, 12, resume=True), Verdict.GAP),
        (12, feed(10, 12, resume=True), Verdict.OLD),
    ],
)
def test_a_message_fits_only_between_prev_and_last(own, message, verdict):
    assert FeedOrder().judge(1, own, message)[0] is verdict


def test_parts_of_one_change_are_joined_and_applied_whole():
    order = FeedOrder()
    parts = [feed(10, 12, groups=[piece], part=at, parts=3) for at, piece in enumerate([b"a", b"b", b"c"])]
    assert [order.judge(1, 10, one)[0] for one in parts[:2]] == [Verdict.INCOMPLETE, Verdict.INCOMPLETE]
    assert order.judge(1, 10, parts[2]) == (Verdict.TAKE, [b"abc"])


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_part_is_a_gap(lost):
    order = FeedOrder()
    parts = [feed(10, 12, groups=[b"x"], part=at, parts=3) for at in range(3) if at != lost]
    assert [order.judge(1, 10, one)[0] for one in parts][-1] is Verdict.GAP

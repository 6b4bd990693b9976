"""Which instances DNS may hand out, and how many records an answer has."""

import pytest

from lictor_state.queries.answer import Instance
from lictor_state.queries.usable import TCP_ANSWERS_MAX, AnswerLimits, is_usable, kept_out_by, srv_weight
from lictor_state.rows import CheckRow, NodeRow, ServiceRow, Weights


def instance(*statuses):
    checks = tuple(CheckRow("n1", f"c{number}", "check", status=status) for number, status in enumerate(statuses))
    return Instance(NodeRow("n1", "", "10.0.0.1", "dc1"), ServiceRow("n1", "web-1", "web"), checks)


@pytest.mark.parametrize(
    ("statuses", "kept_out_by_default", "kept_out_when_only_passing"),
    [
        ((), None, None),
        (("passing", "passing"), None, None),
        (("passing", "warning"), None, "c1"),
        (("warning", "critical"), "c1", "c1"),
        (("critical", "warning"), "c0", "c0"),
    ],
)
def test_the_worst_check_keeps_an_instance_out(statuses, kept_out_by_default, kept_out_when_only_passing):
    one = instance(*statuses)
    for only_passing, expected in ((False, kept_out_by_default), (True, kept_out_when_only_passing)):
        check = kept_out_by(one, only_passing=only_passing)
        assert (check.check_id if check else None) == expected
        assert is_usable(one, only_passing=only_passing) == (expected is None)


@pytest.mark.parametrize(
    ("limits", "count", "addresses", "plain_udp", "expected"),
    [
        (AnswerLimits(), 10, True, True, 3),
        (AnswerLimits(), 10, False, True, 3),
        (AnswerLimits(), 10, True, False, 10),
        (AnswerLimits(), 2, True, True, 2),
        (AnswerLimits(addresses=4), 10, True, False, 4),
        (AnswerLimits(addresses=4), 10, True, True, 3),
        (AnswerLimits(addresses=1), 10, False, False, 10),
        (AnswerLimits(), 5000, False, False, TCP_ANSWERS_MAX),
    ],
)
def test_limits_cut_the_answer(limits, count, addresses, plain_udp, expected):
    assert limits.of(count, addresses=addresses, plain_udp=plain_udp) == expected


@pytest.mark.parametrize(
    ("statuses", "weight"),
    [((), 7), (("passing",), 7), (("passing", "warning"), 2), (("warning", "critical"), 0), (("odd",), 1)],
)
def test_an_instance_weighs_what_its_worst_check_leaves(statuses, weight):
    one = instance(*statuses)
    assert srv_weight(Instance(one.node, ServiceRow("n1", "web-1", "web", weights=Weights(7, 2)), one.checks)) == weight


def test_a_weight_fits_its_field():
    for given, said in ((-1, 0), (70_000, 65_535)):
        row = ServiceRow("n1", "web-1", "web", weights=Weights(given, given))
        assert srv_weight(Instance(instance().node, row, ())) == said

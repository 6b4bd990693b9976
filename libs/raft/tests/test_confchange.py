"""The next configuration, against tables and against a dumb model with random changes."""

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_raft import (
    ConfChange,
    ConfChangeKind,
    ConfChangeRefused,
    ConfChanges,
    ConfState,
    Transition,
    next_conf_state,
)
from lictor_raft.confchange import enter_joint, leave_joint, simple, voters_moved

C = ConfChangeKind
KINDS = {"v": C.ADD_VOTER, "l": C.ADD_LEARNER, "p": C.PROMOTE, "r": C.REMOVE}
LISTS = 1000


def changes(text: str) -> tuple[ConfChange, ...]:
    """`v2 r3` adds voter 2 and removes 3."""
    return tuple(ConfChange(KINDS[word[0]], int(word[1:])) for word in text.split())


@pytest.mark.parametrize(
    ("before", "steps", "after"),
    [
        (ConfState((1,)), "v2", ConfState((1, 2))),
        (ConfState((1,)), "v1", ConfState((1,))),
        (ConfState((1,)), "r9", ConfState((1,))),
        (ConfState((1,)), "l2 l2", ConfState((1,), (2,))),
        (ConfState((1,), (2,)), "p2", ConfState((1, 2))),
        (ConfState((1,), (2,)), "v2", ConfState((1, 2))),
        (ConfState((1, 2)), "p2", ConfState((1, 2))),
        (ConfState((1, 2)), "l2", ConfState((1,), (2,))),
        (ConfState((1, 2)), "l2 v2", ConfState((1, 2))),
        (ConfState((1, 2)), "r2 v2", ConfState((1, 2))),
        (ConfState((1,), (2, 3)), "r2 l4 r3", ConfState((1,), (4,))),
        (ConfState((1,)), "v0 l0 r0", ConfState((1,))),
    ],
)
def test_simple_changes_do_what_the_table_says(before: ConfState, steps: str, after: ConfState) -> None:
    assert simple(before, changes(steps)) == after


@pytest.mark.parametrize(
    ("before", "steps", "rule"),
    [
        (ConfState((1,)), "v2 v3", "more than one voter"),
        (ConfState((1, 2, 3)), "r1 r2", "more than one voter"),
        (ConfState((1, 2, 3)), "l2 v4", "more than one voter"),
        (ConfState((1, 2)), "r1 v3", "more than one voter"),
        (ConfState((1,)), "r1", "no voter would remain"),
        (ConfState((1,)), "l1", "no voter would remain"),
        (ConfState(), "l1", "no voter would remain"),
        (ConfState((1,)), "p2", "is no learner"),
        (ConfState((1, 2), (), (1,)), "v3", "is joint"),
    ],
)
def test_a_simple_change_that_is_not_safe_is_refused(before: ConfState, steps: str, rule: str) -> None:
    with pytest.raises(ConfChangeRefused, match=rule):
        simple(before, changes(steps))


@pytest.mark.parametrize("auto_leave", [False, True])
@pytest.mark.parametrize(
    ("before", "steps", "joint", "after"),
    [
        ((1,), "", ((1,), (), (1,), ()), ((1,), ())),
        ((1,), "v2 v3", ((1, 2, 3), (), (1,), ()), ((1, 2, 3), ())),
        ((1,), "v2 v2 v2", ((1, 2), (), (1,), ()), ((1, 2), ())),
        ((1, 2, 3), "r1 r2 v4", ((3, 4), (), (1, 2, 3), ()), ((3, 4), ())),
        ((1, 2), "l1", ((2,), (), (1, 2), (1,)), ((2,), (1,))),
        ((1, 2), "l1 r1", ((2,), (), (1, 2), ()), ((2,), ())),
        ((1, 2), "l1 v1", ((1, 2), (), (1, 2), ()), ((1, 2), ())),
        ((1, 2), "l1 p1", ((1, 2), (), (1, 2), ()), ((1, 2), ())),
        ((1, 2), "r1 l1 l1", ((2,), (), (1, 2), (1,)), ((2,), (1,))),
        ((1, 2), "v3 l3 r1 l1", ((2,), (3,), (1, 2), (1,)), ((2,), (1, 3))),
        ((1, 2), "v0 r0", ((1, 2), (), (1, 2), ()), ((1, 2), ())),
    ],
)
def test_a_joint_configuration_is_entered_and_left_as_the_table_says(
    before: tuple[int, ...],
    steps: str,
    joint: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    after: tuple[tuple[int, ...], tuple[int, ...]],
    auto_leave: bool,
) -> None:
    entered = enter_joint(ConfState(before), changes(steps), auto_leave=auto_leave)
    assert entered == ConfState(*joint, auto_leave)
    assert leave_joint(entered) == ConfState(*after)


def test_a_joint_configuration_is_entered_and_left_in_turn_and_never_empties() -> None:
    joint = enter_joint(ConfState((1, 2)), changes("v3"), auto_leave=False)
    with pytest.raises(ConfChangeRefused, match="joint already"):
        enter_joint(joint, changes("v4"), auto_leave=True)
    with pytest.raises(ConfChangeRefused, match="not joint"):
        leave_joint(leave_joint(joint))
    with pytest.raises(ConfChangeRefused, match="without voters"):
        enter_joint(ConfState(), changes("v1"), auto_leave=False)
    with pytest.raises(ConfChangeRefused, match="no voter would remain"):
        enter_joint(ConfState((1, 2)), changes("r1 r2"), auto_leave=False)
    with pytest.raises(ConfChangeRefused, match="is no learner"):
        enter_joint(ConfState((1, 2)), changes("r1 p1"), auto_leave=False)


@pytest.mark.parametrize(
    ("steps", "transition", "halves", "auto_leave"),
    [
        ("v4", Transition.AUTO, 1, False),
        ("v4 l5 l6", Transition.AUTO, 1, False),
        ("r2 v2 v4", Transition.AUTO, 1, False),
        ("v4 v5", Transition.AUTO, 2, True),
        ("v4 r1", Transition.AUTO, 2, True),
        ("v4", Transition.IMPLICIT, 2, True),
        ("v4 v5", Transition.IMPLICIT, 2, True),
        ("v4", Transition.EXPLICIT, 2, False),
        ("v4 v5", Transition.EXPLICIT, 2, False),
    ],
)
def test_the_transition_decides_whether_there_is_a_joint_phase_and_who_ends_it(
    steps: str, transition: Transition, halves: int, auto_leave: bool
) -> None:
    conf = next_conf_state(ConfState((1, 2, 3)), ConfChanges(changes(steps), transition))
    assert (1 + bool(conf.voters_outgoing), conf.auto_leave) == (halves, auto_leave)


@pytest.mark.parametrize("transition", list(Transition))
def test_no_changes_leave_the_joint_configuration_whatever_the_transition(transition: Transition) -> None:
    joint = enter_joint(ConfState((1, 2)), changes("l2"), auto_leave=True)
    assert next_conf_state(joint, ConfChanges((), transition, b"why")) == ConfState((1,), (2,))
    with pytest.raises(ConfChangeRefused, match="not joint"):
        next_conf_state(ConfState((1,)), ConfChanges((), transition))


def test_a_single_change_of_no_member_changes_nothing() -> None:
    for kind in C:
        assert next_conf_state(ConfState((1,), (2,)), ConfChange(kind, 0)) == ConfState((1,), (2,))


# --- against a dumb model -------------------------------------------------------------------------------------


def random_changes(rng: random.Random, count: int) -> list[ConfChange]:
    """Never about member 1, who stays a voter."""
    return [ConfChange(rng.choice(list(C)), rng.randint(2, 8)) for _ in range(count)]


def dumb(roles: dict[int, str], change: ConfChange) -> bool:
    """Change one member's role in a table; False if it cannot be done."""
    if change.kind is C.PROMOTE and change.member not in roles:
        return False
    if change.kind is C.REMOVE:
        roles.pop(change.member, None)
    else:
        roles[change.member] = "learner" if change.kind is C.ADD_LEARNER else "voter"
    return True


def test_random_changes_end_alike_by_simple_steps_by_a_joint_phase_and_in_a_table() -> None:
    rng = random.Random(7)
    joint_moves = 0
    for _ in range(LISTS):
        start = ConfState((1,))
        for change in random_changes(rng, rng.randint(0, 6)):
            if change.kind is not C.PROMOTE:
                start = simple(start, (change,))
        roles = dict.fromkeys(start.voters, "voter") | dict.fromkeys(start.learners, "learner")
        done = [change for change in random_changes(rng, rng.randint(1, 10)) if dumb(roles, change)]
        stepwise = start
        for change in done:
            stepwise = simple(stepwise, (change,))
        joint = enter_joint(start, done, auto_leave=rng.random() < 0.5)
        assert joint.voters_outgoing == start.voters
        assert joint.voters == stepwise.voters
        assert leave_joint(joint) == stepwise
        by_role = {
            role: tuple(sorted(member for member in roles if roles[member] == role)) for role in ("voter", "learner")
        }
        assert stepwise == ConfState(by_role["voter"], by_role["learner"])
        if all(change.kind is not C.PROMOTE for change in done):
            assert leave_joint(enter_joint(start, [*done, *done], auto_leave=False)) == stepwise, "twice is once"
        joint_moves += voters_moved(start, stepwise) > 1
    assert joint_moves > LISTS // 4


def test_automatic_changes_never_let_old_and_new_majorities_miss_each_other() -> None:
    rng = random.Random(11)
    for _ in range(200):
        before = ConfState(tuple(sorted({1, *rng.sample(range(2, 7), rng.randint(0, 4))})))
        try:
            after = next_conf_state(before, ConfChanges(tuple(random_changes(rng, rng.randint(1, 4)))))
        except ConfChangeRefused:
            continue
        for old in quorums(before):
            assert all(old & new for new in quorums(after)), f"{before} and {after} can decide apart"
        if after.voters_outgoing:
            left = leave_joint(after)
            for new in quorums(left):
                assert all(new & old for old in quorums(after)), f"{after} and {left} can decide apart"


def quorums(conf: ConfState) -> list[set[int]]:
    """Every set of members that may decide."""
    members = sorted({*conf.voters, *conf.voters_outgoing})
    halves = [half for half in (conf.voters, conf.voters_outgoing) if half]
    return [
        set(some)
        for size in range(1, len(members) + 1)
        for some in combinations(members, size)
        if all(2 * len(set(some) & set(half)) > len(half) for half in halves)
    ]


@given(st.lists(st.tuples(st.sampled_from(list(C)), st.integers(0, 5)), max_size=8), st.booleans())
def test_every_joint_configuration_that_can_be_entered_is_sane(steps: list[tuple[C, int]], auto_leave: bool) -> None:
    try:
        conf = enter_joint(ConfState((1, 2), (3,)), [ConfChange(*step) for step in steps], auto_leave=auto_leave)
    except ConfChangeRefused:
        return
    voters, outgoing = set(conf.voters), set(conf.voters_outgoing)
    learners, following = set(conf.learners), set(conf.learners_next)
    assert voters
    assert outgoing == {1, 2}
    assert not learners & (voters | outgoing)
    assert following <= outgoing - voters
    assert all(half == tuple(sorted(half)) for half in (conf.voters, conf.learners, conf.learners_next))

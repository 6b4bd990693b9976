"""Majorities: what a set of voters has reached, and how a vote stands; in one half or in both of a joint configuration.

Raft paper 5.2 (votes), 5.3/5.4 (commitment) and 6 (a joint decision needs a majority of each half). A majority of no
voters has reached everything and wins every vote: with that convention a half that is empty puts no condition on the
other.

This module counts; it knows neither terms nor logs.
"""

from collections.abc import Iterable, Mapping
from enum import Enum

EVERYTHING = 2**64 - 1
"""What an empty majority has reached: above every index and round."""


class VoteResult(Enum):
    """How a vote stands."""

    PENDING = "pending"
    WON = "won"
    LOST = "lost"


def majority_value(values: list[int]) -> int:
    """The largest value that a majority has reached, given one value per voter (sorted in place)."""
    if not values:
        return EVERYTHING
    values.sort()
    # Ascending: everyone from this position on has reached it, and they are len // 2 + 1 voters.
    return values[(len(values) - 1) // 2]


def joint_vote_result(voters: Iterable[int], outgoing: Iterable[int], votes: Mapping[int, bool]) -> VoteResult:
    """How the vote stands when both halves have to grant it: lost in one half, it is lost."""
    one, other = vote_result(voters, votes), vote_result(outgoing, votes)
    if one is other:
        return one
    return VoteResult.LOST if VoteResult.LOST in (one, other) else VoteResult.PENDING


def vote_result(voters: Iterable[int], votes: Mapping[int, bool]) -> VoteResult:
    """How the vote stands among `voters`, given the answers so far; answers of others do not count."""
    granted = missing = total = 0
    for voter in voters:
        total += 1
        answer = votes.get(voter)
        if answer is None:
            missing += 1
        elif answer:
            granted += 1
    needed = total // 2 + 1
    if total == 0 or granted >= needed:
        return VoteResult.WON
    if granted + missing >= needed:
        return VoteResult.PENDING
    return VoteResult.LOST

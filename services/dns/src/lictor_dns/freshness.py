"""Whether a dns may answer, and from what, by how old that is (design, "Fail static"; RFC 8767 in spirit). Pure.

A view that has been complete goes on answering when the store is silent; a process that has never had one may answer
from the view that was saved on disk. Both end at one age. An answer that nobody can vouch for any more is SERVFAIL,
and never an empty one.
"""

from dataclasses import dataclass
from typing import Final

STALE_AFTER_S: Final = 3.0
"""A leader not heard for twelve beacons: from then on answers count as stale."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a dns may do now.

    Attributes:
        answers: whether it answers from what it holds.
        stale: whether those answers may be behind the store.
        age_s: seconds since what it holds was known to be true; infinite for nothing.
        reason: why it does not answer, empty when it does.
        note: what an operator should know of where answers come from, empty for nothing.
    """

    answers: bool
    stale: bool
    age_s: float
    reason: str = ""
    note: str = ""


def judge(*, complete: bool, silence_s: float, saved_age_s: float | None, age_max_s: float) -> Standing:
    """What may be done.

    Args:
        complete: the view has been complete once.
        silence_s: seconds since the leader was last heard, infinite for never.
        saved_age_s: the age of the saved view that is held in place of a complete one, None if none is.
        age_max_s: the age up to which answers are given.
    """
    if complete:
        age_s, note = silence_s, ""
    elif saved_age_s is not None:
        age_s, note = saved_age_s, f"answers come from the view that was saved {saved_age_s:.0f} s ago"
    else:
        return Standing(answers=False, stale=False, age_s=float("inf"), reason="no complete view of the catalog yet")
    if age_s > age_max_s:
        reason = f"what is held is {age_s:.0f} s old, at most {age_max_s:.0f} s are answered from"
        return Standing(answers=False, stale=True, age_s=age_s, reason=reason)
    return Standing(answers=True, stale=not complete or age_s > STALE_AFTER_S, age_s=age_s, note=note)

"""Whether a dns may answer, and from what, by how old that is."""

import pytest

from lictor_dns.freshness import judge

NEVER = float("inf")


@pytest.mark.parametrize(
    ("complete", "silence_s", "saved_age_s", "answers", "stale"),
    [
        (False, NEVER, None, False, False),
        (False, 0.2, None, False, False),  # the leader is heard, and the view is not complete yet
        (True, 0.2, None, True, False),
        (True, 3.5, None, True, True),
        (True, 100, None, True, True),
        (True, 100.1, None, False, True),
        (False, NEVER, 5, True, True),
        (False, NEVER, 100.1, False, True),
        (False, 0.2, 50, True, True),
        (True, 0.2, 500, True, False),  # the saved view counts no longer
    ],
)
def test_answers_go_on_up_to_an_age(complete, silence_s, saved_age_s, answers, stale):
    found = judge(complete=complete, silence_s=silence_s, saved_age_s=saved_age_s, age_max_s=100)
    assert (found.answers, found.stale) == (answers, stale)
    assert bool(found.reason) != found.answers


def test_operators_are_told_how_old_a_saved_view_is_and_why_answers_have_ended():
    found = judge(complete=False, silence_s=NEVER, saved_age_s=61.4, age_max_s=100)
    assert found.note == "answers come from the view that was saved 61 s ago"
    found = judge(complete=False, silence_s=NEVER, saved_age_s=161.4, age_max_s=100)
    assert found.reason == "what is held is 161 s old, at most 100 s are answered from"
    assert judge(complete=True, silence_s=0.1, saved_age_s=None, age_max_s=100).note == ""

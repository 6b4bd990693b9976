from bisect import insort
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_state.late_sorted import LateSorted
from lictor_state.rows import Key

NAMES = st.sampled_from(["web", "api"])
KEYS = st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(NAMES, KEYS, st.booleans()), max_size=60))
def test_it_behaves_like_sorted_lists_whenever_it_is_looked_at(steps: Any) -> None:
    subject = LateSorted()
    model: dict[str, list[Key]] = {}
    for name, key, look in steps:
        if key in model.get(name, []):
            subject.leave(name, key)
            model[name].remove(key)
            if not model[name]:
                del model[name]
        else:
            subject.enter(name, key)
            insort(model.setdefault(name, []), key)
        assert (name in subject, len(subject), list(subject)) == (name in model, len(model), list(model))
        if look:
            assert subject.get(name) == model.get(name, ())
    assert subject == model
    assert all(subject[name] == keys for name, keys in model.items())


def test_a_name_that_has_no_keys() -> None:
    subject = LateSorted()
    assert subject.get("web") == ()
    with pytest.raises(KeyError):
        subject["web"]


def test_two_that_hold_the_same_are_equal() -> None:
    first, second = LateSorted(), LateSorted()
    for key in (("a", "1"), ("b", "1"), ("c", "1")):
        first.enter("web", key)
    for key in (("c", "1"), ("a", "1"), ("b", "1")):
        second.enter("web", key)
    assert first == second
    second.leave("web", ("b", "1"))
    assert first != second

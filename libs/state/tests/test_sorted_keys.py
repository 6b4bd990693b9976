from bisect import insort
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_state import sorted_keys
from lictor_state.sorted_keys import SortedKeys

keys = st.text(alphabet="ab/", max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), keys), max_size=120), keys)
def test_it_behaves_like_one_sorted_list(steps: Any, prefix: Any) -> None:
    whole = sorted_keys.BLOCK_KEYS_MAX
    sorted_keys.BLOCK_KEYS_MAX = 4  # so that small examples split blocks
    try:
        subject = SortedKeys()
        model: list[str] = []
        for add, key in steps:
            if add and key not in model:
                insort(model, key)
            if not add and key in model:
                model.remove(key)
            (subject.add if add else subject.discard)(key)
            assert (key in subject) is add
        assert list(subject) == model
        assert len(subject) == len(model)
        assert list(subject.below(prefix)) == [key for key in model if key.startswith(prefix)]
    finally:
        sorted_keys.BLOCK_KEYS_MAX = whole


def test_keys_sort_as_their_utf8_bytes() -> None:
    names = ["z", "é", "日本", "a\U0001f600", "\uffff", "\U00010000"]
    assert list(SortedKeys(names)) == sorted(names, key=str.encode)


def test_thousands_of_keys_stay_in_order_over_many_blocks() -> None:
    subject = SortedKeys()
    names = [f"k/{number * 7919 % 5000:05}" for number in range(5000)]
    for name in names:
        subject.add(name)
    assert list(subject.below("k/012")) == sorted(name for name in names if name.startswith("k/012"))

"""The index from an instance to its checks says what the table says, however little of it is written down."""

import random

import pytest

from lictor_state.rows import CheckRow, Key, Table
from lictor_state.store import Store


def check(check_id: str, service_id: str) -> CheckRow:
    return CheckRow("n", check_id, "c", "passing", service_id=service_id)


def in_table(store: Store, service_id: str) -> tuple[str, ...]:
    rows = store.unsorted_rows(Table.CHECKS)
    return tuple(sorted(row.check_id for _, row in rows if isinstance(row, CheckRow) and row.service_id == service_id))


def test_the_one_check_that_is_named_after_its_service_takes_no_room() -> None:
    store = Store("c")
    store.put(Table.CHECKS, ("n", "service:web"), check("service:web", "web"))
    assert store.by.checks_of_service.get(("n", "web")) == ("service:web",)
    assert store.by.checks_of_service.blocks() == [{}]


def test_a_check_with_the_name_of_another_service_does_not_count_for_it() -> None:
    store = Store("c")
    store.put(Table.CHECKS, ("n", "service:web"), check("service:web", "api"))
    assert store.by.checks_of_service.get(("n", "web")) == ()
    assert store.by.checks_of_service.get(("n", "api")) == ("service:web",)


@pytest.mark.parametrize("seed", range(30))
def test_after_any_sequence_of_writes_and_refusals_it_is_what_the_table_says(seed: int) -> None:
    dice = random.Random(seed)
    store = Store("c")
    services = ("", "web", "api")
    ids = ("service:web", "service:api", "service:", "a", "z")
    for index in range(1, 200):
        for _ in range(dice.randint(1, 3)):
            key: Key = ("n", dice.choice(ids))
            if dice.random() < 0.35:
                store.delete(Table.CHECKS, key)
            else:
                store.put(Table.CHECKS, key, check(key[1], dice.choice(services)))
        if dice.random() < 0.2:
            store.rollback()
        store.commit(index)
        for service_id in services:
            assert store.by.checks_of_service.get(("n", service_id)) == in_table(store, service_id)
    for check_id in ids:
        store.delete(Table.CHECKS, ("n", check_id))
    assert not store.by.checks_of_service
    assert store.by.checks_of_service.blocks() == [{}]

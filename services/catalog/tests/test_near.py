"""`?near=`: lists by distance, with the index that they have anyway."""

from typing import Any

import pytest
from api_fixture import Catalog, is_asleep, story, waiting

from lictor_state.commands import CoordinateSpec, CoordinatesUpdate

PLACES = {"n1": 0.03, "a": 0.045, "b": 0.0, "c": 0.02}  # d is nowhere


def place(catalog: Catalog, **where: float) -> None:
    specs = tuple(CoordinateSpec(node, "", (at, *[0.0] * 7), 1.0, 0.0, 1e-05) for node, at in where.items())
    catalog.result(CoordinatesUpdate(specs))


async def spread() -> Catalog:
    catalog = Catalog()
    for node in "abcd":
        body = {"Node": node, "Address": "1.1.1.1", "Service": {"Service": "web"}, "Check": {"Name": "c", "ServiceID": "web", "Status": "passing"}}  # fmt: skip
        await catalog.put("catalog/register", body)
    place(catalog, **PLACES)
    return catalog


def nodes(answer: Any) -> str:
    return "".join(one["Node"]["Node"] if isinstance(one["Node"], dict) else one["Node"] for one in answer.json())


LISTS = ["catalog/service/web", "health/service/web", "health/checks/web", "health/state/passing?filter=Node!=n1", "catalog/nodes?filter=Node!=n1"]  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_the_nearest_come_first_and_those_that_are_nowhere_last(path: str) -> None:
    @story
    async def asked() -> None:
        catalog = await spread()
        joint = "&" if "?" in path else "?"
        plain = await catalog.get(path)
        assert nodes(plain) == "abcd"
        orders = {"b": "bcad", "a": "acbd", "A": "acbd", "_agent": "cabd", "c": "cbad", "d": "abcd", "nobody": "abcd", "": "abcd"}  # fmt: skip
        for near, order in orders.items():
            answer = await catalog.get(f"{path}{joint}near={near}")
            assert nodes(answer) == order, near
            assert answer.headers["x-consul-index"] == plain.headers["x-consul-index"]

    asked()


@story
async def test_an_order_follows_the_coordinates_and_wakes_nobody_for_it() -> None:
    catalog = await spread()
    path = "health/service/web?near=b"
    assert nodes(await catalog.get(path)) == "bcad"
    index = await catalog.index(path)
    async with waiting(catalog, f"{path}&index={index}") as waiter:
        place(catalog, a=0.001, d=0.002)
        assert await is_asleep(waiter)
        assert nodes(await catalog.get(path)) == "badc"
        assert await catalog.index(path) == index
        await catalog.put("catalog/deregister", {"Node": "c"})
        assert nodes(await waiter) == "bad"


@story
async def test_a_filter_and_an_order_go_together() -> None:
    catalog = await spread()
    assert nodes(await catalog.get("catalog/service/web?near=b&filter=Node!=c")) == "bad"
    assert nodes(await catalog.get("catalog/service/web?near=a&filter=Node!=c")) == "abd"

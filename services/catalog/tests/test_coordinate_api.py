"""`/v1/coordinate`: bodies, batches, answers byte for byte."""

import pytest
from api_fixture import Catalog, is_asleep, story, waiting

from lictor_bus.proposer import Committed
from lictor_catalog import coordinate_updates
from lictor_catalog.coordinate_json import go_number
from lictor_catalog.coordinate_updates import BATCH_MAX, PENDING_MAX
from lictor_catalog.errors import ApiError
from lictor_state import Command
from lictor_state.commands import AgentJoin, CatalogRegister, CoordinatesUpdate

COORD = {"Vec": [0.5, 0, 0, 0, 0, 0, 0, 0], "Error": 1.5, "Adjustment": 0, "Height": 0.00001}
SHOWN = '{"Vec":[0.5,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":0.00001}'


async def updated(catalog: Catalog, node: str, **more: object) -> None:
    answer = await catalog.put("coordinate/update", json={"Node": node, "Coord": COORD} | more)
    assert (answer.status_code, answer.content) == (200, b"")


@story
async def test_an_update_is_answered_at_once_and_written_with_its_batch() -> None:
    catalog = Catalog()
    await updated(catalog, "N1")
    assert (await catalog.get("coordinate/nodes")).text == "[]"
    await catalog.api.coordinates.flush()
    for path in ("coordinate/nodes", "coordinate/node/N1", "coordinate/nodes?segment", "coordinate/node/n1?segment="):
        read = await catalog.get(path)
        assert read.text == f'[{{"Node":"n1","Segment":"","Coord":{SHOWN}}}]'
        assert read.headers["x-consul-index"] == "11"
        assert read.headers["x-consul-knownleader"] == "true"


@story
async def test_segments_are_shown_apart() -> None:
    catalog = Catalog()
    await updated(catalog, "n1", segment="b")
    await updated(catalog, "n1")
    await catalog.api.coordinates.flush()
    assert [one["Segment"] for one in (await catalog.get("coordinate/node/n1")).json()] == ["", "b"]
    assert [one["Segment"] for one in (await catalog.get("coordinate/nodes?segment=b")).json()] == ["b"]
    assert (await catalog.get("coordinate/nodes?segment=zz")).text == "[]"
    missing = await catalog.get("coordinate/node/n1?segment=zz")
    assert (missing.status_code, missing.content) == (404, b"")


@story
async def test_what_is_not_there_is_404_without_a_body() -> None:
    catalog = Catalog()
    for path in ("coordinate/node/none", "coordinate/node/n1", "coordinate/node/"):
        answer = await catalog.get(path)
        assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "Request decode failed: EOF"),
        (b'{"Node":"n1","Foo":1}', 400, 'Request decode failed: json: unknown field "Foo"'),
        (b'{"Node":"n1","Coord":{"Foo":1}}', 400, 'Request decode failed: json: unknown field "Foo"'),
        (b'{"Node":5}', 400, "Request decode failed: json: cannot unmarshal number"),
        (b'{"Node":"n1","Coord":{"Vec":["a"]}}', 400, "Request decode failed: json: cannot unmarshal"),
        (b'{"Node":"n1","Coord":{"Vec":[1e999]}}', 400, "Request decode failed: "),
        (b'{"Node":"n1"}', 500, "incompatible coordinate"),
        (b'{"Node":"n1","Coord":{"Vec":[1]}}', 500, "incompatible coordinate"),
        (b'{"Datacenter":"dc9"}', 500, "No path to datacenter"),
    ],
)
def test_bodies_that_are_refused(body: bytes, status: int, text: str) -> None:
    with pytest.raises(ApiError) as refused:
        coordinate_updates.update(body, "dc1")
    assert refused.value.status == status
    assert refused.value.text.startswith(text)


def test_names_match_in_any_case_and_whole_numbers_are_numbers() -> None:
    spec = coordinate_updates.update(b'{"node":"n","SEGMENT":"s","coord":{"vec":[1,2,3,4,5,6,7,8],"error":1}}', "dc1")
    assert (spec.node, spec.segment, spec.vec, spec.error, spec.height) == ("n", "s", (1, 2, 3, 4, 5, 6, 7, 8), 1, 0)


@story
async def test_a_batch_has_the_newest_of_each_node_and_a_bound() -> None:
    catalog = Catalog()
    batches: list[CoordinatesUpdate] = []
    propose = catalog.leader.propose

    async def seen(command: Command, timeout_s: float = 10.0) -> Committed:
        if isinstance(command, CoordinatesUpdate):
            batches.append(command)
        return await propose(command, timeout_s)

    catalog.leader.propose = seen  # type: ignore[method-assign]
    updates = catalog.api.coordinates
    for number in range(PENDING_MAX + 5):
        await updated(catalog, f"n{number}")
    await updated(catalog, "n1", Coord=COORD | {"Error": 0.25})
    assert len(updates) == PENDING_MAX
    await updates.flush()
    assert len(updates) == 0
    assert [len(one.updates) for one in batches] == [BATCH_MAX] * (PENDING_MAX // BATCH_MAX)
    (shown,) = (await catalog.get("coordinate/node/n1")).json()
    assert shown["Coord"]["Error"] == 0.25
    await updates.flush()
    assert len(batches) == PENDING_MAX // BATCH_MAX


@story
async def test_a_batch_that_cannot_be_written_is_dropped() -> None:
    catalog = Catalog()
    await updated(catalog, "n1")
    catalog.leader.away = True
    await catalog.api.coordinates.flush()
    catalog.leader.away = False
    await catalog.api.coordinates.flush()
    assert (await catalog.get("coordinate/nodes")).text == "[]"


@story
async def test_blocking_on_coordinates() -> None:
    catalog = Catalog()
    index = await catalog.index("coordinate/nodes")
    async with waiting(catalog, f"coordinate/nodes?index={index}") as read:
        catalog.result(CatalogRegister("n2", "10.0.0.2", "dc1"))
        assert await is_asleep(read)
        await updated(catalog, "n2")
        await catalog.api.coordinates.flush()
        assert [one["Node"] for one in (await read).json()] == ["n2"]


@story
async def test_the_servers_of_the_datacenter_and_where_they_begin() -> None:
    catalog = Catalog()
    for name in ("server-1", "server-2"):
        catalog.result(AgentJoin(name, f"id-{name}", "r", "10.0.0.9", 8301, "dc1", role="consul"))
    await updated(catalog, "server-2")
    await catalog.api.coordinates.flush()
    answer = await catalog.get("coordinate/datacenters")
    (area,) = answer.json()
    assert (area["Datacenter"], area["AreaID"]) == ("dc1", "wan")
    assert [(one["Node"], one["Coord"]["Vec"][0]) for one in area["Coordinates"]] == [
        ("server-1", 0),
        ("server-2", 0.5),
    ]
    assert area["Coordinates"][0]["Coord"] == {"Vec": [0] * 8, "Error": 1.5, "Adjustment": 0, "Height": 0.00001}
    assert "x-consul-index" not in answer.headers


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-12.5, "-12.5"),
        (100.0, "100"),
        (1e-05, "0.00001"),
        (1e-06, "0.000001"),
        (1.25e-07, "1.25e-7"),
        (-3e-12, "-3e-12"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.7e308, "1.7e+308"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_numbers_are_written_as_go_writes_them(number: float, text: str) -> None:
    assert bytes(go_number(number)).decode() == text

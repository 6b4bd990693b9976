"""Network coordinates: lists, one node, updates."""

import pytest

from tests.conformance.both_sides import get, post, put

pytestmark = pytest.mark.conformance

COORD = {"Vec": [0.1, 0, 0, 0, 0, 0, 0, 0], "Error": 1.5, "Adjustment": 0, "Height": 0.00001}
NODE = {"Node": "far", "Address": "10.0.0.1", "Service": {"Service": "co", "Port": 1}}

ROWS = [
    get("coordinate/datacenters", only_shape=True), get("coordinate/node/far"), get("coordinate/node/none"), put("catalog/register", NODE), put("catalog/register", {"Node": "near", "Address": "10.0.0.2", "Service": {"Service": "co", "Port": 1}}), put("coordinate/update", {"Node": "far", "Coord": COORD}), put("coordinate/update", {"Node": "near", "Segment": "", "Coord": {**COORD, "Vec": [0] * 8}}),
    get("coordinate/node/far", settles=200), get("coordinate/node/near", settles=200), get("coordinate/node/FAR"), get("coordinate/nodes?segment=alpha", settles=True), get("catalog/service/co?near=far"), get("catalog/service/co?near=near"), get("health/service/co?near=far"), get("health/service/co?near=none", unordered=True), get("catalog/nodes?near=near", only_shape=True),
    put("coordinate/update", {"Node": "nobody", "Coord": COORD}), put("coordinate/update", {"Node": "far", "Coord": {**COORD, "Vec": [0.1]}}), put("coordinate/update", {"Node": "far", "Coord": COORD, "Datacenter": "dc9"}), put("coordinate/update", b""), put("coordinate/update", {"Node": "far", "Foo": 1, "Coord": COORD}), put("coordinate/update", {"Coord": COORD}),
    get("coordinate/node/"), get("coordinate/nodes?dc=dc9"), get("coordinate/update"), put("coordinate/nodes"), post("coordinate/update", {}), put("coordinate/node/far"), put("coordinate/datacenters"), put("catalog/deregister", {"Node": "far"}), get("coordinate/node/far", settles=404),
]  # fmt: skip


def test_coordinates_are_those_of_consul(pair):
    pair.run("coordinate", ROWS)

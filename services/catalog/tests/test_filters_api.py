"""`?filter=` at every list: what is kept, what it leaves alone, and what is refused before anything is read."""

from typing import Any

import pytest
from api_fixture import Catalog, is_asleep, story, waiting

from lictor_catalog.filtering import BAD_FILTER
from lictor_state.commands import ConfigEntrySet, CoordinateSpec, CoordinatesUpdate


async def filled() -> Catalog:
    catalog = Catalog()
    await catalog.put(
        "agent/service/register",
        {
            "Name": "web",
            "ID": "web-1",
            "Port": 80,
            "Tags": ["v1"],
            "Check": {"CheckID": "w1", "TTL": "1h", "Status": "passing"},
        },
    )
    await catalog.put(
        "agent/service/register", {"Name": "web", "ID": "web-2", "Port": 81, "Check": {"CheckID": "w2", "TTL": "1h"}}
    )
    await catalog.put(
        "agent/service/register",
        {"Name": "px", "Kind": "connect-proxy", "Port": 7, "Proxy": {"DestinationServiceName": "web"}},
    )
    await catalog.put(
        "catalog/register",
        {
            "Node": "ext",
            "Address": "1.2.3.4",
            "NodeMeta": {"m": "1"},
            "Service": {"Service": "api", "Tags": ["a"]},
            "Check": {"CheckID": "c1", "Name": "c1", "ServiceID": "api", "Status": "warning"},
        },
    )
    await catalog.put(
        "catalog/register", {"Node": "ext2", "Address": "1.2.3.5", "Service": {"Service": "api", "Tags": ["b"]}}
    )
    await catalog.http.post(
        "connect/intentions", json={"SourceName": "web", "DestinationName": "db", "Action": "allow"}
    )
    await catalog.http.post("connect/intentions", json={"SourceName": "*", "DestinationName": "db", "Action": "deny"})
    return catalog  # fmt: skip


KEPT: list[tuple[str, str, Any]] = [
    ("catalog/nodes", "Meta.m == 1", ["ext"]),
    ("catalog/services", "Node == ext2", {"api": ["b"]}),
    ("catalog/services", "NodeMeta.m == 1", {"api": ["a"]}),
    ("catalog/services", "ServicePort == 80", {"web": ["v1"]}),
    ("catalog/service/web", "ServicePort != 80", ["web-2"]),
    ("catalog/connect/web", "ServiceKind == `connect-proxy`", ["px"]),
    ("catalog/connect/web", "ServiceProxy.DestinationServiceName == api", []),
    ("catalog/node/n1", "Tags contains v1", ["web-1"]),
    ("catalog/node-services/n1", "Port == 81", ["web-2"]),
    ("health/service/web", "Checks.Status == critical", ["web-2"]),
    ("health/service/web?passing", "Service.Port == 81", []),
    ("health/connect/web", "Service.Kind == `connect-proxy`", ["px"]),
    ("health/checks/web", "Status == passing", ["w1"]),
    ("health/node/ext", "ServiceName == api", ["c1"]),
    ("health/state/any", "Node == ext", ["c1"]),
    ("agent/services", "Kind == `connect-proxy`", ["px"]),
    ("agent/checks", "ServiceID == `web-1`", ["w1"]),
    ("agent/members", "Tags.role == node and Status == 1", ["n1"]),
    ("agent/members", "Name == other", []),
    ("connect/intentions", "Action == deny", ["*"]),
]


@pytest.mark.parametrize(("path", "text", "kept"), KEPT)
def test_what_a_filter_keeps(path: str, text: str, kept: Any) -> None:
    @story
    async def asked() -> None:
        catalog = await filled()
        answer = await catalog.get(path + ("&" if "?" in path else "?"), params=None)
        query = {"filter": text} | ({"passing": ""} if "?passing" in path else {})
        filtered = await catalog.get(path.partition("?")[0], params=query)
        assert filtered.status_code == 200, filtered.text
        assert names(filtered.json()) == kept
        assert filtered.headers.get("x-consul-index") == answer.headers.get("x-consul-index")

    asked()


def names(value: Any) -> Any:
    """What an entry of each list is known by."""
    if isinstance(value, dict) and "Services" in value:
        value = value["Services"]
    if isinstance(value, dict):
        return value if all(isinstance(one, list) for one in value.values()) and value else sorted(value)
    return [
        one["Service"]["ID"] if isinstance(one.get("Service"), dict)
        else one.get("ServiceID") if "ServiceAddress" in one
        else one.get("CheckID") or one.get("SourceName") or (one["Service"] and one["ID"] if "Service" in one else one.get("Node") or one["Name"])
        for one in value
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted({path.partition("?")[0] for path, _, _ in KEPT}))
def test_a_bad_filter_is_refused_even_where_there_is_nothing(path: str) -> None:
    @story
    async def asked() -> None:
        for text in ("Bogus == 1", "Node ==", "Name matches `(`", " "):
            answer = await Catalog().get(path, params={"filter": text})
            assert (answer.status_code, answer.text[: len(BAD_FILTER)]) == (500, BAD_FILTER), (path, text)
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert (await Catalog().get(path, params={"filter": ""})).status_code == 200

    asked()


@pytest.mark.parametrize(
    "path", ["kv/?keys", "session/list", "session/node/n1", "status/leader", "catalog/datacenters"]
)
def test_reads_without_filters_ignore_them(path: str) -> None:
    @story
    async def asked() -> None:
        catalog = await filled()
        joint = "&" if "?" in path else "?"
        assert (await catalog.get(f"{path}{joint}filter=Bogus")).content == (await catalog.get(path)).content

    asked()


@story
async def test_a_filtered_query_sleeps_and_wakes_as_the_whole_list() -> None:
    catalog = await filled()
    path = "health/service/web?filter=Service.Port==80"
    index = await catalog.index(path)
    async with waiting(catalog, f"{path}&index={index}") as waiter:
        await catalog.put("catalog/register", {"Node": "ext3", "Address": "1.1.1.1", "Service": {"Service": "other"}})
        assert await is_asleep(waiter)
        await catalog.put("agent/service/deregister/web-2")  # not kept by the filter, and yet the list has changed
        answer = await waiter
    assert int(answer.headers["x-consul-index"]) > index
    assert [one["Service"]["ID"] for one in answer.json()] == ["web-1"]


@story
async def test_equal_questions_share_an_answer_and_different_filters_do_not() -> None:
    catalog = await filled()
    first = await catalog.get("catalog/nodes?filter=Node==ext")
    computed = catalog.api.queries.computed
    assert (await catalog.get("catalog/nodes?filter=Node==ext")).content == first.content
    assert catalog.api.queries.computed == computed
    assert (await catalog.get("catalog/nodes?filter=Node==ext2")).content != first.content


@story
async def test_a_filtered_list_of_services_follows_what_it_filters_by() -> None:
    catalog = await filled()
    path = "catalog/services?filter=Address==`1.2.3.9`"
    assert (await catalog.get(path)).json() == {}
    await catalog.put("catalog/register", {"Node": "ext", "Address": "1.2.3.9"})
    assert (await catalog.get(path)).json() == {"api": ["a"]}


@story
async def test_coordinates_and_service_defaults_are_filtered_and_other_entries_refuse_it() -> None:
    catalog = await filled()
    specs = [CoordinateSpec(node, "", (at, *[0.0] * 7), 1.5, 0.0, 1e-05) for node, at in (("ext", 0.25), ("ext2", 0.5))]
    catalog.result(CoordinatesUpdate(tuple(specs)))
    found = (
        await catalog.get("coordinate/nodes", params={"filter": "0.25 in Coord.Vec and Coord.Error == 1.5"})
    ).json()
    assert [one["Node"] for one in found] == ["ext"]
    for name, protocol in (("a", "http"), ("b", "tcp")):
        catalog.result(
            ConfigEntrySet("service-defaults", name, {"Protocol": protocol, "MeshGateway": {"Mode": "local"}})
        )
    query = {"filter": "Protocol == http and MeshGateway.Mode == local and MaxInboundConnections == 0"}
    assert [one["Name"] for one in (await catalog.get("config/service-defaults", params=query)).json()] == ["a"]
    for path in ("config/service-defaults", "coordinate/nodes", "config/proxy-defaults"):
        assert (await catalog.get(path, params={"filter": "Bogus == 1"})).status_code == 500, path

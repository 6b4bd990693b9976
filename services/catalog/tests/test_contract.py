"""What clients of Consul rely on and no family's tests say in one place: writes that change nothing, shapes, filters."""

import pytest
from api_fixture import Catalog, is_asleep, story, waiting


@story
async def test_setting_a_key_to_what_it_is_changes_no_index_and_wakes_nobody() -> None:
    catalog = Catalog()
    await catalog.put("kv/a?flags=3", content=b"1")
    before = (await catalog.get("kv/a")).json()
    index = await catalog.index("kv/a")
    async with waiting(catalog, f"kv/a?index={index}") as waiter:
        assert (await catalog.put("kv/a?flags=3", content=b"1")).text == "true"
        assert await is_asleep(waiter)
        assert (await catalog.get("kv/a")).json() == before
        await catalog.put("kv/a?flags=4", content=b"1")
        assert (await waiter).json()[0]["Flags"] == 4


@story
async def test_check_and_set_of_what_is_there_is_false_and_deleting_what_is_not_is_true() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"1")
    answer = await catalog.put("kv/a?cas=0", content=b"2")
    assert (answer.status_code, answer.text) == (200, "false")
    answer = await catalog.http.delete("kv/none?cas=7")
    assert (answer.status_code, answer.text) == (200, "true")


@story
async def test_what_clients_iterate_over_is_never_null() -> None:
    catalog = Catalog()
    await catalog.put("agent/service/register", {"Name": "web"})
    (entry,) = (await catalog.get("health/service/web?filter=Service.Port==0")).json()
    assert (entry["Service"]["Tags"], entry["Checks"][0]["ServiceTags"]) == ([], [])
    (row,) = (await catalog.get("catalog/service/web")).json()
    assert row["ServiceTags"] == []
    agent = (await catalog.get("agent/services")).json()["web"]
    assert (agent["Tags"], agent["Meta"]) == ([], {})
    assert (await catalog.get("health/service/web?filter=Service.Port==1")).json() == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Checks.Status == critical", True), ("Checks.Status != critical", True), ("Checks.Status == warning", False), ("not Checks.Status == critical", False),
        ("Service.Meta.none == x", False), ("Service.Meta.none != x", True), ("Service.Meta.none matches x", True), ("Service.Meta.none contains x", False),
    ],
)  # fmt: skip
def test_filters_hold_for_any_check_and_know_what_a_missing_key_means(text: str, kept: bool) -> None:
    @story
    async def asked() -> None:
        catalog = Catalog()
        await catalog.put("agent/service/register", {"Name": "web", "Check": {"TTL": "1h"}})
        answer = await catalog.get("health/service/web", params={"filter": text})
        assert (answer.status_code, bool(answer.json())) == (200, kept)

    asked()

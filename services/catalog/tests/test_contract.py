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


@story
async def test_a_service_without_instances_is_an_empty_list_with_an_index_to_wait_from() -> None:
    catalog = Catalog()
    answer = await catalog.get("health/service/none")
    assert (answer.status_code, answer.text) == (200, "[]")
    index = int(answer.headers["x-consul-index"])
    assert index >= 1
    async with waiting(catalog, f"health/service/none?index={index}") as waiter:
        await catalog.put("agent/service/register", {"Name": "other"})
        await catalog.put("kv/a", content=b"1")
        assert await is_asleep(waiter)
        await catalog.put("agent/service/register", {"Name": "none"})
        assert int((await waiter).headers["x-consul-index"]) > index


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("agent/service/register", {"Name": "web", "Prot": 80}),
        ("agent/service/register", {"Name": "web", "Check": {"TTL": "1h", "Intervall": "1s"}}),
        ("agent/check/register", {"Name": "c", "TTL": "1h", "Intervall": "1s"}),
        ("catalog/register", {"Node": "a", "Address": "1.1.1.1", "Sevice": {}}),
    ],
)
def test_a_misspelled_field_is_refused_by_its_name_and_nothing_is_written(path: str, body: dict[str, object]) -> None:
    @story
    async def asked() -> None:
        catalog = Catalog()
        before = catalog.view.store.index
        answer = await catalog.put(path, body)
        assert answer.status_code == 400
        assert "unknown field" in answer.text
        assert any(f'"{name}"' in answer.text for name in ("Prot", "Intervall", "Sevice"))
        assert catalog.view.store.index == before

    asked()


@story
async def test_sessions_are_made_from_lower_case_names_and_too_short_a_ttl_is_told_as_clients_expect() -> None:
    catalog = Catalog()
    body = {"name": "n", "lockdelay": "1s", "behavior": "delete", "ttl": "10s", "checks": []}
    session = (await catalog.put("session/create", body)).json()["ID"]
    (shown,) = (await catalog.get(f"session/info/{session}")).json()
    wanted = {"Name": "n", "LockDelay": 10**9, "Behavior": "delete", "TTL": "10s", "NodeChecks": []}
    assert {name: shown[name] for name in wanted} == wanted
    answer = await catalog.put("session/create", {"ttl": "9s"})
    assert (answer.status_code, "must be between [10s=24h0m0s]" in answer.text) == (500, True)
    answer = await catalog.put("session/renew/00000000-0000-4000-8000-00000000dead")
    assert answer.status_code == 404


@story
async def test_a_lock_of_an_unknown_session_is_an_error_and_one_in_its_delay_is_refused() -> None:
    catalog = Catalog()
    first = (await catalog.put("session/create", {"LockDelay": "15s"})).json()["ID"]
    second = (await catalog.put("session/create")).json()["ID"]
    answer = await catalog.put("kv/l?acquire=00000000-0000-4000-8000-00000000dead", content=b"1")
    assert (answer.status_code, "invalid session" in answer.text) == (500, True)
    assert (await catalog.put(f"kv/l?acquire={first}", content=b"1")).text == "true"
    await catalog.put(f"session/destroy/{first}")
    answer = await catalog.put(f"kv/l?acquire={second}", content=b"2")
    assert (answer.status_code, answer.text) == (200, "false")


@story
async def test_whatever_token_comes_in_whatever_place_is_taken_and_acl_endpoints_say_that_there_are_none() -> None:
    catalog = Catalog()
    everywhere = {"X-Consul-Token": "unknown-1", "Authorization": "Bearer unknown-2"}
    assert (await catalog.put("kv/a?token=unknown-3", content=b"1", headers=everywhere)).text == "true"
    assert (await catalog.get("kv/a?token=unknown-3&raw", headers=everywhere)).text == "1"
    for path in ("acl/tokens", "acl/policies", "acl/token/self"):
        answer = await catalog.get(path, headers=everywhere)
        assert (answer.status_code, answer.text) == (401, "ACL support disabled")


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

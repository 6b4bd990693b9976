"""The key-value store over HTTP."""

from typing import Any

import pytest
from api_fixture import Catalog, is_asleep, story, waiting


@story
async def test_a_missing_key_is_404_without_body_and_with_an_index() -> None:
    catalog = Catalog()
    answer = await catalog.get("kv/nope")
    assert (answer.status_code, answer.content) == (404, b"")
    assert int(answer.headers["x-consul-index"]) >= 1


@story
async def test_an_entry_has_consuls_shape() -> None:
    catalog = Catalog()
    assert (await catalog.put("kv/app/x?flags=18446744073709551615", content=b"test")).text == "true"
    index = await catalog.index("kv/app/x")
    answer = await catalog.get("kv/app/x")
    assert answer.text == (
        f'[{{"LockIndex":0,"Key":"app/x","Flags":18446744073709551615,"Value":"dGVzdA==",'
        f'"CreateIndex":{index},"ModifyIndex":{index}}}]'
    )
    await catalog.put("kv/empty", content=b"")
    assert '"Value":null' in (await catalog.get("kv/empty")).text


@story
async def test_raw_is_plain_text_in_a_sandbox() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"<v>")
    answer = await catalog.get("kv/a?raw")
    assert answer.content == b"<v>"
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert (await catalog.get("kv/b?raw")).status_code == 404


@story
async def test_keys_are_cut_at_the_separator_and_win_over_recurse() -> None:
    catalog = Catalog()
    for key in ("app/x", "app/sub/y", "app/sub/z", "other"):
        await catalog.put(f"kv/{key}", content=b"v")
    assert (await catalog.get("kv/app/?keys&separator=/&recurse")).json() == ["app/sub/", "app/x"]
    assert [one["Key"] for one in (await catalog.get("kv/app/?recurse=1")).json()] == [
        "app/sub/y",
        "app/sub/z",
        "app/x",
    ]
    assert (await catalog.get("kv/nope?keys")).status_code == 404
    assert (await Catalog().get("kv/?keys")).json() == []


@story
async def test_check_and_set_follow_the_modify_index() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"1")
    index = await catalog.index("kv/a")
    assert (await catalog.put("kv/a?cas=0", content=b"2")).text == "false"
    assert (await catalog.put(f"kv/a?cas={index}", content=b"2")).text == "true"
    assert (await catalog.http.delete("kv/missing?cas=7")).text == "true"
    assert (await catalog.http.delete("kv/a?cas=0")).text == "false"
    assert (await catalog.http.delete("kv/a")).text == "true"


@story
async def test_refusals() -> None:
    catalog = Catalog()
    table = [
        ("PUT", "kv/", 400, "Missing key name"),
        ("GET", "kv/", 400, "Missing key name"),
        ("DELETE", "kv/", 400, "Missing key name"),
        ("PUT", "kv/a?flags=x", 500, 'strconv.ParseUint: parsing "x": invalid syntax'),
        ("PUT", "kv/a?cas=1&acquire=z", 400, "Conflicting flags: acquire=z&cas=1"),
        ("PUT", "kv/a?acquire=z&release=y", 400, "Conflicting flags: acquire=z&release=y"),
        ("PUT", "kv/a?acquire=z", 500, 'invalid session "z"'),
        ("PUT", "kv/a?acquire", 500, "missing session"),
        ("PUT", "kv/a?release=", 500, "missing session"),
        ("DELETE", "kv/a?cas=1&recurse", 400, "Conflicting flags: cas=1&recurse="),
    ]
    for method, path, status, text in table:
        answer = await catalog.http.request(method, path)
        assert (answer.status_code, text in answer.text) == (status, True), (method, path, answer.text)


@story
async def test_a_value_above_the_limit_is_413() -> None:
    catalog = Catalog()
    assert (await catalog.put("kv/a", content=b"x" * 524_288)).text == "true"
    answer = await catalog.put("kv/a", content=b"x" * 524_289)
    assert answer.status_code == 413
    assert answer.text.startswith("Request body(524289 bytes) too large, max size: 524288 bytes.")


@story
async def test_blocking_on_a_key_wakes_for_that_key_only() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"1")
    index = await catalog.index("kv/a")
    async with waiting(catalog, f"kv/a?index={index}") as waiter:
        await catalog.put("kv/b", content=b"1")
        await catalog.put("kv/a", content=b"1")
        assert await is_asleep(waiter), "another key and an identical write change nothing here"
        await catalog.put("kv/a", content=b"2")
        answer = await waiter
    assert answer.headers["x-consul-index"] == str(answer.json()[0]["ModifyIndex"])


@story
async def test_blocking_on_a_missing_key_sleeps_while_others_change_and_wakes_when_it_appears() -> None:
    catalog = Catalog()
    await catalog.put("kv/other", content=b"1")
    index = await catalog.index("kv/a")
    async with waiting(catalog, f"kv/a?index={index}") as waiter:
        await catalog.put("kv/other", content=b"2")
        assert await is_asleep(waiter)
        await catalog.put("kv/a", content=b"1")
        assert (await waiter).status_code == 200


@story
async def test_a_deleted_key_ends_the_wait_with_404_and_a_higher_index() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"1")
    index = await catalog.index("kv/a")
    async with waiting(catalog, f"kv/a?index={index}") as waiter:
        await catalog.http.delete("kv/a")
        answer = await waiter
    assert answer.status_code == 404
    assert int(answer.headers["x-consul-index"]) > index


@story
async def test_a_list_notices_deletes() -> None:
    catalog = Catalog()
    for key in ("p/a", "p/b"):
        await catalog.put(f"kv/{key}", content=b"1")
    index = await catalog.index("kv/p/?recurse")
    async with waiting(catalog, f"kv/p/?recurse&index={index}") as waiter:
        await catalog.put("kv/q", content=b"1")
        assert await is_asleep(waiter)
        await catalog.http.delete("kv/p/a")
        answer = await waiter
    assert [one["Key"] for one in answer.json()] == ["p/b"]
    assert int(answer.headers["x-consul-index"]) > index


@story
async def test_a_percent_encoded_slash_is_the_same_key() -> None:
    catalog = Catalog()
    await catalog.put("kv/a%2Fb", content=b"1")
    assert (await catalog.get("kv/a/b")).json()[0]["Key"] == "a/b"


@pytest.mark.parametrize("path", ["kv//a", "kv/a/../b", "kv/./a"])
def test_unclean_paths_are_redirected(path: Any) -> None:
    @story
    async def redirected() -> None:
        catalog = Catalog()
        answer = await catalog.http.request(
            "GET", "http://catalog/v1/" + path.replace("..", "%2E%2E").replace("./", "%2E/")
        )
        assert answer.status_code == 301
        assert answer.headers["location"] in {"/v1/kv/a", "/v1/kv/b"}

    redirected()

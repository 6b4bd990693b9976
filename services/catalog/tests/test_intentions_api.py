"""Intentions over HTTP, by names and by legacy id."""

from api_fixture import Catalog, is_asleep, story, waiting

EXACT = "connect/intentions/exact?source=web&destination=db"


@story
async def test_an_intention_is_written_read_and_deleted_by_names() -> None:
    catalog = Catalog()
    assert (await catalog.get(EXACT)).status_code == 404
    assert (await catalog.put(EXACT, {"action": "allow", "Description": "d"})).text == "true"
    index = await catalog.index("connect/intentions")
    assert (await catalog.get(EXACT)).text == (
        '{"Description":"d","SourceNS":"default","SourceName":"web","DestinationNS":"default","DestinationName":"db",'
        '"SourceType":"consul","Action":"allow","Precedence":9,"CreatedAt":"0001-01-01T00:00:00Z",'
        f'"UpdatedAt":"0001-01-01T00:00:00Z","CreateIndex":{index},"ModifyIndex":{index}}}'
    )
    assert (await catalog.http.delete(EXACT)).text == "true"
    assert (await catalog.http.delete(EXACT)).text == "true"
    assert (await catalog.get("connect/intentions")).text == "[]"


@story
async def test_check_takes_the_first_that_applies_and_allows_by_default() -> None:
    catalog = Catalog()
    await catalog.put("connect/intentions/exact?source=*&destination=db", {"Action": "deny"})
    await catalog.put(EXACT, {"Action": "allow"})
    permission = {"action": "allow", "http": {"path_prefix": "/x"}}
    await catalog.put("connect/intentions/exact?source=l7&destination=db", {"Permissions": [permission]})
    table = [("web", "db", "true"), ("other", "db", "false"), ("l7", "db", "false"), ("web", "free", "true")]
    for source, destination, allowed in table:
        answer = await catalog.get(f"connect/intentions/check?source={source}&destination={destination}")
        assert answer.text == f'{{"Allowed":{allowed}}}', (source, destination)


@story
async def test_match_lists_by_precedence_and_is_null_for_none() -> None:
    catalog = Catalog()
    await catalog.put("connect/intentions/exact?source=*&destination=db", {"Action": "deny"})
    await catalog.put(EXACT, {"Action": "allow"})
    found = (await catalog.get("connect/intentions/match?by=destination&name=db&name=none")).json()
    assert [one["SourceName"] for one in found["db"]] == ["web", "*"]
    assert found["none"] is None


@story
async def test_refusals() -> None:
    catalog = Catalog()
    table = [
        ("GET", "exact", None, 500, "required query parameter 'source' not set"),
        ("GET", "exact?source=a", None, 500, "required query parameter 'destination' not set"),
        ("GET", "match", None, 500, "required query parameter 'by' not set"),
        ("GET", "match?by=x", None, 500, "'by' parameter must be one of 'source' or 'destination'"),
        ("GET", "match?by=source", None, 500, "required query parameter 'name' not set"),
        ("GET", "foo", None, 400, "UUID must be 36 characters"),
        ("GET", "11111111-1111-1111-1111-111111111111", None, 404, "Intention not found"),
        ("PUT", "exact?source=a&destination=b", {"Action": "allow", "Bogus": 1}, 400, 'unknown field "Bogus"'),
        ("PUT", "exact?source=a&destination=b", {"Action": "bogus"}, 500, "Action must be set to 'allow' or 'deny'"),
        (
            "PUT",
            "exact?source=a&destination=b",
            {"Action": "allow", "Meta": {"a": "b"}},
            500,
            "Meta must not be specified",
        ),
        (
            "PUT",
            "exact?source=ns/a&destination=b",
            {"Action": "allow"},
            400,
            "Namespaces are a Consul Enterprise feature",
        ),
        (
            "PUT",
            "11111111-1111-1111-1111-111111111111",
            {"SourceName": "x", "DestinationName": "y", "Action": "deny"},
            500,
            "Cannot modify non-existent",
        ),
        ("DELETE", "11111111-1111-1111-1111-111111111111", None, 500, "Cannot delete non-existent"),
    ]
    for method, path, body, status, text in table:
        answer = await catalog.http.request(method, f"connect/intentions/{path}", json=body)
        assert (answer.status_code, text in answer.text) == (status, True), (method, path, answer.text)


@story
async def test_the_legacy_form_works_by_id() -> None:
    catalog = Catalog()
    body = {"SourceName": "x", "DestinationName": "y", "Action": "deny", "Meta": {"k": "v"}}
    made = (await catalog.http.post("connect/intentions", json=body)).json()["ID"]
    shown = (await catalog.get(f"connect/intentions/{made}")).json()
    assert (shown["ID"], shown["Meta"], shown["CreatedAt"]) == (made, {"k": "v"}, "2027-01-15T08:00:00Z")
    assert (await catalog.put(f"connect/intentions/{made}", body | {"Action": "allow"})).json() == {"ID": made}
    assert (await catalog.http.post("connect/intentions", json=body)).status_code == 500
    assert (await catalog.http.delete(f"connect/intentions/{made}")).text == "true"


@story
async def test_a_match_sleeps_while_its_result_stays_the_same() -> None:
    catalog = Catalog()
    await catalog.put(EXACT, {"Action": "allow"})
    path = "connect/intentions/match?by=source&name=web"
    index = await catalog.index(path)
    async with waiting(catalog, f"{path}&index={index}") as waiter:
        await catalog.put("connect/intentions/exact?source=other&destination=x", {"Action": "deny"})
        assert await is_asleep(waiter)
        await catalog.put("connect/intentions/exact?source=web&destination=x", {"Action": "deny"})
        assert len((await waiter).json()["web"]) == 2


@story
async def test_a_new_intention_is_refused_with_everything_that_is_wrong() -> None:
    catalog = Catalog()
    answer = await catalog.http.post("connect/intentions", json={})
    assert answer.status_code == 500
    assert answer.text == (
        "3 errors occurred:\n\t* SourceName must be set\n\t* DestinationName must be set\n"
        "\t* Action must be set to 'allow' or 'deny'\n\n"
    )
    answer = await catalog.http.post("connect/intentions", json={"SourceName": "a", "DestinationName": "b"})
    assert answer.text == "1 error occurred:\n\t* Action must be set to 'allow' or 'deny'\n\n"
    answer = await catalog.http.post("connect/intentions", content=b"{")
    assert (answer.status_code, answer.text) == (500, "Failed to decode request body: unexpected EOF")

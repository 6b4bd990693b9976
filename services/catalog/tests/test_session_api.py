"""`/v1/session` and locks: bodies, answers byte for byte, blocking, renewing."""

import pytest
from api_fixture import Catalog, is_asleep, story, waiting

from lictor_catalog import session_request
from lictor_catalog.errors import ApiError
from lictor_state.commands import SessionDestroy

NODE_CHECKS = ("serfHealth",)


async def created(catalog: Catalog, body: object = None) -> str:
    answer = await catalog.put("session/create", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ID"])


@story
async def test_a_session_is_shown_byte_for_byte() -> None:
    catalog = Catalog()
    answer = await catalog.put("session/create")
    session = answer.json()["ID"]
    assert answer.text == f'{{"ID":"{session}"}}'
    shown = (
        f'[{{"ID":"{session}","Name":"","Node":"n1","LockDelay":15000000000,"Behavior":"release","TTL":"",'
        '"NodeChecks":["serfHealth"],"ServiceChecks":null,"CreateIndex":11,"ModifyIndex":11}]'
    )
    for path in (f"session/info/{session}", "session/list", "session/node/N1"):
        read = await catalog.get(path)
        assert (read.text, read.headers["x-consul-index"]) == (shown, "11")


@story
async def test_what_the_body_says_is_shown_as_given() -> None:
    catalog = Catalog()
    body = {
        "name": "lock",
        "lockdelay": "2m",
        "behavior": "delete",
        "ttl": "90000ms",
        "Checks": ["serfHealth", "serfHealth"],
        "ServiceChecks": [{"id": "serfHealth", "Namespace": "x", "More": 1}],
        "Unknown": 1,
    }
    session = await created(catalog, body)
    (shown,) = (await catalog.get(f"session/info/{session}")).json()
    assert shown["LockDelay"] == 120_000_000_000
    assert (shown["Name"], shown["Behavior"], shown["TTL"]) == ("lock", "delete", "90000ms")
    assert shown["ServiceChecks"] == [{"ID": "serfHealth", "Namespace": "x"}]
    assert shown["Checks"] == ["serfHealth", "serfHealth"]


@pytest.mark.parametrize(
    ("body", "delay"),
    [
        (b'{"LockDelay":20}', 20 * 10**9),
        (b'{"LockDelay":999}', 999 * 10**9),
        (b'{"LockDelay":1000}', 1000),
        (b'{"LockDelay":0.5}', 0),
        (b'{"LockDelay":-5}', -5 * 10**9),
        (b'{"LockDelay":"-5s"}', -5 * 10**18),
        (b'{"LockDelay":"0.001s"}', 10**6),
        (b'{"LockDelay":true}', 0),
        (b'{"LockDelay":null}', 15 * 10**9),
        (b"null", 15 * 10**9),
        (b"", 15 * 10**9),
    ],
)
def test_lock_delays_are_read_as_consul_reads_them(body: bytes, delay: int) -> None:
    assert session_request.create(body, "n1", "id").lock_delay_ns == delay


@pytest.mark.parametrize(
    ("body", "node_checks", "checks"),
    [
        (b"{}", NODE_CHECKS, ()),
        (b'{"Checks":[]}', (), ()),
        (b'{"Checks":null}', (), ()),
        (b'{"Checks":[],"NodeChecks":["a"]}', (), ()),
        (b'{"Checks":["serfHealth"],"NodeChecks":[]}', (), ()),
        (b'{"NodeChecks":[]}', (), ()),
        (b'{"NodeChecks":null}', None, ()),
        (b'{"NodeChecks":["a"]}', ("a",), ()),
        (b'{"Checks":["a"]}', NODE_CHECKS, ("a",)),
        (b'{"Checks":["a"],"NodeChecks":["b"]}', ("b",), ("a",)),
        (b'{"Checks":["a"],"NodeChecks":[]}', (), ()),
    ],
)
def test_the_checks_of_a_session_follow_from_three_fields(
    body: bytes, node_checks: tuple[str, ...] | None, checks: tuple[str, ...]
) -> None:
    command = session_request.create(body, "n1", "id")
    assert (command.node_checks, command.checks) == (node_checks, checks)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b'{"TTL":"1s"}', 500, "Invalid Session TTL '1000000000', must be between [10s=24h0m0s]"),
        (b'{"TTL":"25h"}', 500, "Invalid Session TTL '90000000000000', must be between [10s=24h0m0s]"),
        (b'{"TTL":"-5s"}', 500, "Invalid Session TTL '-5000000000', must be between [10s=24h0m0s]"),
        (b'{"TTL":"xx"}', 500, "Session TTL 'xx' invalid: time: invalid duration \"xx\""),
        (b'{"TTL":10}', 400, "Request decode failed: json: cannot unmarshal number"),
        (b'{"Behavior":"foo"}', 500, "Invalid Behavior setting 'foo'"),
        (b'{"Node":""}', 500, "Must provide Node"),
        (b'{"LockDelay":"20"}', 400, 'Request decode failed: time: missing unit in duration "20"'),
        (b"[]", 400, "Request decode failed: json: cannot unmarshal array"),
        (b"nojson", 400, "Request decode failed: "),
    ],
)
def test_bodies_that_are_refused(body: bytes, status: int, text: str) -> None:
    with pytest.raises(ApiError) as refused:
        session_request.create(body, "n1", "id")
    assert refused.value.status == status
    assert refused.value.text.startswith(text)


@pytest.mark.parametrize("ttl", ["0", "0s", "10s", "24h", ""])
def test_ttls_that_are_taken(ttl: str) -> None:
    assert session_request.create(f'{{"TTL":"{ttl}"}}'.encode(), "n1", "id").ttl == ttl


@story
async def test_refusals() -> None:
    catalog = Catalog()
    table = [
        ("PUT", "session/create", {"Node": "nope"}, 500, "Missing node registration"),
        ("PUT", "session/create", {"Checks": ["nope"]}, 500, "Missing check 'nope' registration"),
        ("PUT", "session/destroy/", None, 400, "Missing session"),
        ("PUT", "session/renew/", None, 400, "Missing session"),
        ("PUT", "session/renew/nope", None, 404, "Session id 'nope' not found"),
        ("GET", "session/info/", None, 400, "Missing session"),
        ("GET", "session/node/", None, 400, "Missing node name"),
        ("GET", "session/create", None, 405, "method GET not allowed"),
        ("PUT", "session/list", None, 405, "method PUT not allowed"),
    ]
    for method, path, body, status, text in table:
        answer = await catalog.http.request(method, path, json=body)
        assert (answer.status_code, answer.text) == (status, text), (method, path)


@story
async def test_what_is_unknown_is_empty_or_gone_already() -> None:
    catalog = Catalog()
    for path in ("session/info/none", "session/node/none", "session/list"):
        assert (await catalog.get(path)).text == "[]"
    assert (await catalog.put("session/destroy/none")).text == "true"


@story
async def test_a_lock_is_taken_kept_given_back_and_lost_with_its_session() -> None:
    catalog = Catalog()
    first, second = await created(catalog), await created(catalog, {"Behavior": "delete"})
    assert (await catalog.put(f"kv/l?acquire={first}", content=b"1")).text == "true"
    assert (await catalog.put(f"kv/l?acquire={second}", content=b"2")).text == "false"
    (entry,) = (await catalog.get("kv/l")).json()
    assert (entry["Session"], entry["LockIndex"], entry["Value"]) == (first, 1, "MQ==")
    assert (await catalog.put(f"kv/l?release={second}", content=b"")).text == "false"
    assert (await catalog.put(f"kv/l?release={first}", content=b"3")).text == "true"
    (entry,) = (await catalog.get("kv/l")).json()
    assert "Session" not in entry
    assert (await catalog.put(f"kv/l?acquire={second}", content=b"2")).text == "true"
    assert (await catalog.put(f"session/destroy/{second}")).text == "true"
    assert (await catalog.get("kv/l")).status_code == 404
    assert (await catalog.put(f"kv/l?acquire={first}", content=b"4")).text == "false", "the lock delay runs"


@story
async def test_renewing_asks_the_leader_and_shows_the_session() -> None:
    catalog = Catalog()
    session = await created(catalog, {"TTL": "10s"})
    answer = await catalog.put(f"session/renew/{session}")
    assert answer.status_code == 200
    assert [one["ID"] for one in answer.json()] == [session]
    assert catalog.leader.renewed == [session]
    catalog.leader.away = True
    assert (await catalog.put(f"session/renew/{session}")).status_code == 500


@story
async def test_blocking_on_sessions() -> None:
    catalog = Catalog()
    session = await created(catalog)
    index = await catalog.index(f"session/info/{session}")
    async with (
        waiting(catalog, f"session/info/{session}?index={index}") as info,
        waiting(catalog, f"session/list?index={index}") as listed,
        waiting(catalog, f"session/info/unknown?index={index}") as missing,
    ):
        await catalog.put("kv/x", content=b"1")
        assert await is_asleep(listed)
        await created(catalog)
        assert len((await listed).json()) == 2
        assert await is_asleep(info), "another session is none of its business"
        catalog.result(SessionDestroy(session))
        assert (await info).json() == []
        assert await is_asleep(missing)

"""`/v1/event`: firing, refusals, the list and its index that is none."""

import pytest
from api_fixture import Catalog, is_asleep, story, waiting

from lictor_state.commands import AgentServiceRegister, EventFire, ServiceSpec
from lictor_state.event_rows import EVENTS_MAX
from lictor_state.queries.events import index_of


@story
async def test_an_event_is_answered_and_listed_byte_for_byte() -> None:
    catalog = Catalog()
    fired = await catalog.put("event/fire/deploy?node=n.*&service=&tag=", content=b"xyz")
    event_id = fired.json()["ID"]
    rest = '"Name":"deploy","Payload":"eHl6","NodeFilter":"n.*","ServiceFilter":"","TagFilter":"","Version":1,"LTime":'
    assert fired.text == f'{{"ID":"{event_id}",{rest}0}}'
    listed = await catalog.get("event/list")
    assert listed.text == f'[{{"ID":"{event_id}",{rest}1}}]'
    assert int(listed.headers["x-consul-index"]) == index_of(event_id)
    assert "x-consul-knownleader" not in listed.headers


@story
async def test_without_a_payload_it_is_null_and_names_may_have_slashes() -> None:
    catalog = Catalog()
    for name in ("a", "b/c"):
        assert (await catalog.put(f"event/fire/{name}")).json()["Payload"] is None
    listed = await catalog.get("event/list")
    assert [(one["Name"], one["LTime"]) for one in listed.json()] == [("a", 1), ("b/c", 2)]
    assert [one["Name"] for one in (await catalog.get("event/list?name=a")).json()] == ["a"]
    empty = await catalog.get("event/list?name=zz")
    assert (empty.text, empty.headers["x-consul-index"]) == ("[]", "1")


@story
async def test_refusals() -> None:
    catalog = Catalog()
    too_long = '1 error occurred:\n\t* error broadcasting event to segment "": {}\n\n'
    before = too_long.format("user event exceeds configured limit of 512 bytes before encoding")
    after = too_long.format("encoded user event exceeds configured limit of 512 bytes after encoding")
    table = [
        ("PUT", "event/fire/", b"", 400, "Missing name"),
        ("PUT", "event/fire/a?tag=x", b"", 500, "Cannot provide tag filter without service filter"),
        ("PUT", "event/fire/a?node=(", b"", 500, "Invalid node filter: error parsing regexp: missing closing ): `(`"),
        (
            "PUT",
            "event/fire/a?service=(",
            b"",
            500,
            "Invalid service filter: error parsing regexp: missing closing ): `(`",
        ),
        (
            "PUT",
            "event/fire/a?service=a&tag=(",
            b"",
            500,
            "Invalid tag filter: error parsing regexp: missing closing ): `(`",
        ),
        ("PUT", "event/fire/e", b"x" * 415, 500, after),
        ("PUT", "event/fire/e?node=abcdef", b"x" * 405, 500, after),
        ("PUT", "event/fire/e", b"x" * 445, 500, before),
        ("PUT", "event/fire/e", b"x" * 9000, 500, before),
        ("PUT", "event/fire/e?dc=dc9", b"", 500, "No path to datacenter"),
        ("POST", "event/fire/a", b"", 405, "method POST not allowed"),
        ("GET", "event/list?index=-1", b"", 400, "Invalid index"),
    ]
    for method, path, body, status, text in table:
        answer = await catalog.http.request(method, path, content=body)
        assert (answer.status_code, answer.text) == (status, text), (method, path)
    assert (await catalog.get("event/list")).text == "[]"


@pytest.mark.parametrize(("path", "size"), [("event/fire/e", 414), ("event/fire/e?node=abcdef", 404)])
def test_the_largest_payloads_are_those_of_consul(path: str, size: int) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        assert (await catalog.put(path, content=b"x" * size)).status_code == 200
        assert (await catalog.put(path, content=b"x" * (size + 1))).status_code == 500

    told()


@story
async def test_a_waiter_is_released_by_another_index_also_by_a_lower_one() -> None:
    catalog = Catalog()
    low, high = "00000000-0000-4000-0000-000000000001", "ffffffff-0000-4000-0000-000000000001"
    async with waiting(catalog, "event/list?index=1") as read:
        catalog.result(EventFire(high, "a"))
        assert len((await read).json()) == 1
    index = await catalog.index("event/list")
    async with waiting(catalog, f"event/list?index={index}") as read:
        catalog.result(EventFire(low, "b", node_filter="^other$"))
        assert await is_asleep(read), "an event for somebody else"
        catalog.result(EventFire(low.replace("1", "2"), "b"))
        assert (await read).headers["x-consul-index"] == str(index_of(low.replace("1", "2")))
        assert index_of(low.replace("1", "2")) < index
    assert len((await catalog.get("event/list?index=99999999")).json()) == 2, "any other index is old"


@story
async def test_service_and_tag_filters_ask_for_the_services_of_this_agent() -> None:
    catalog = Catalog()
    catalog.result(EventFire("00000000-0000-4000-8000-000000000001", "s", service_filter="^we"))
    catalog.result(EventFire("00000000-0000-4000-8000-000000000002", "t", service_filter="^we", tag_filter="^v1$"))
    assert (await catalog.get("event/list")).text == "[]"
    async with waiting(catalog, "event/list?index=1") as read:
        catalog.result(AgentServiceRegister("n1", "10.0.0.5", "dc1", ServiceSpec("w", "web", tags=("v2",))))
        assert [one["Name"] for one in (await read).json()] == ["s"]
    catalog.result(AgentServiceRegister("n1", "10.0.0.5", "dc1", ServiceSpec("w", "web", tags=("v2", "v1"))))
    assert [one["Name"] for one in (await catalog.get("event/list")).json()] == ["s", "t"]


@story
async def test_the_newest_are_kept() -> None:
    catalog = Catalog()
    for number in range(EVENTS_MAX + 3):
        await catalog.put(f"event/fire/e{number}")
    listed = (await catalog.get("event/list")).json()
    assert [one["Name"] for one in listed] == [f"e{number}" for number in range(3, EVENTS_MAX + 3)]

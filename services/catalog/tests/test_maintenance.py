"""Maintenance of the node and of services, and health by id and name: what clients look for, and its effect."""

import random
from collections.abc import Iterable

import pytest
from api_fixture import Catalog, story

from lictor_state import Result, Store
from lictor_state.commands import AgentCheckRegister, CheckSpec
from lictor_state.levels import KEPT_CHECKS_LEVEL

UNKNOWN = 'Unknown service ID "nope". Ensure that the service ID is passed, not the service name.'
NODE_DEFAULT = "Maintenance mode is enabled for this node, but no reason was provided. This is a default message."
SERVICE_DEFAULT = "Maintenance mode is enabled for this service, but no reason was provided. This is a default message."


async def with_services() -> Catalog:
    catalog = Catalog()
    await catalog.put(
        "agent/service/register", {"Name": "web", "ID": "w1", "Check": {"TTL": "1h", "Status": "passing"}}
    )
    await catalog.put("agent/service/register", {"Name": "web", "ID": "w2"})
    await catalog.put("agent/service/register", {"Name": "db", "ID": "a/b"})
    return catalog


@story
async def test_a_node_in_maintenance_has_the_check_that_clients_look_for() -> None:
    catalog = await with_services()
    assert (await catalog.put("agent/maintenance?enable=true")).status_code == 200
    shown = (await catalog.get("agent/checks")).json()["_node_maintenance"]
    assert (shown["CheckID"], shown["Name"], shown["Status"], shown["Type"], shown["Notes"], shown["ServiceID"]) == (
        "_node_maintenance",
        "Node Maintenance Mode",
        "critical",
        "maintenance",
        NODE_DEFAULT,
        "",
    )
    assert (await catalog.get("health/service/web?passing")).json() == []
    await catalog.put("agent/maintenance?enable=false")
    assert len((await catalog.get("health/service/web?passing")).json()) == 2


@story
async def test_a_service_in_maintenance_is_out_and_its_sibling_is_not() -> None:
    catalog = await with_services()
    assert (await catalog.put("agent/service/maintenance/w1?enable=true&reason=new%20disk")).status_code == 200
    shown = (await catalog.get("agent/checks")).json()["_service_maintenance:w1"]
    assert (
        shown["Name"],
        shown["Status"],
        shown["Type"],
        shown["Notes"],
        shown["ServiceID"],
        shown["ServiceName"],
    ) == (
        "Service Maintenance Mode",
        "critical",
        "maintenance",
        "new disk",
        "w1",
        "web",
    )
    (left,) = (await catalog.get("health/service/web?passing")).json()
    assert left["Service"]["ID"] == "w2"
    await catalog.put("agent/service/maintenance/w1?enable=false")
    assert len((await catalog.get("health/service/web?passing")).json()) == 2


@story
async def test_a_replica_whose_view_is_behind_does_not_replace_the_reason_either() -> None:
    catalog = await with_services()
    await catalog.put("agent/maintenance?enable=true&reason=first")
    check = CheckSpec("_node_maintenance", "Node Maintenance Mode", notes="second", type="maintenance")
    behind = AgentCheckRegister("n1", "10.0.0.1", "dc1", check, keep=True)
    assert catalog.result(behind) == Result(value=False)
    assert (await catalog.get("agent/checks")).json()["_node_maintenance"]["Notes"] == "first"


@story
async def test_before_every_store_knows_how_to_keep_a_check_the_view_judges() -> None:
    catalog = await with_services()
    old = Store("c")
    old.raise_level(KEPT_CHECKS_LEVEL - 1)
    catalog.view.store = old
    await catalog.put("agent/service/register", {"Name": "web", "ID": "w1"})
    for _ in range(2):
        assert (await catalog.put("agent/service/maintenance/w1?enable=true&reason=first")).status_code == 200
    assert (await catalog.get("agent/checks")).json()["_service_maintenance:w1"]["Notes"] == "first"


@story
async def test_repeating_changes_nothing_and_keeps_the_first_reason() -> None:
    catalog = await with_services()
    for path in ("agent/maintenance", "agent/service/maintenance/w1"):
        await catalog.put(f"{path}?enable=true&reason=first")
        index = await catalog.index("health/state/any")
        assert (await catalog.put(f"{path}?enable=true&reason=second")).status_code == 200
        assert await catalog.index("health/state/any") == index
        notes = [one["Notes"] for one in (await catalog.get("agent/checks")).json().values() if one["Notes"]]
        assert notes == ["first"]
        for _ in range(2):
            assert (await catalog.put(f"{path}?enable=false")).status_code == 200
    assert set((await catalog.get("agent/checks")).json()) == {"service:w1"}


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("agent/maintenance", 400, "Missing value for enable"),
        ("agent/maintenance?enable", 400, 'Invalid value for enable: ""'),
        ("agent/maintenance?enable=maybe", 400, 'Invalid value for enable: "maybe"'),
        ("agent/service/maintenance/", 400, "Missing service ID"),
        ("agent/service/maintenance/w1", 400, "Missing value for enable"),
        ("agent/service/maintenance/w1?enable=2", 400, 'Invalid value for enable: "2"'),
        ("agent/service/maintenance/nope?enable=true", 404, UNKNOWN),
        ("agent/service/maintenance/nope?enable=false", 404, UNKNOWN),
    ],
)
def test_what_maintenance_refuses(path: str, status: int, text: str) -> None:
    @story
    async def told() -> None:
        answer = await (await with_services()).put(path)
        assert (answer.status_code, answer.text) == (status, text)

    told()


@story
async def test_a_service_of_the_catalog_is_not_the_agents_to_maintain() -> None:
    catalog = Catalog()
    await catalog.put("catalog/register", {"Node": "n1", "Address": "10.0.0.5", "Service": {"Service": "nope"}})
    assert (await catalog.put("agent/service/maintenance/nope?enable=true")).text == UNKNOWN


@story
async def test_an_id_with_a_slash_can_be_maintained() -> None:
    catalog = await with_services()
    assert (await catalog.put("agent/service/maintenance/a%2Fb?enable=1")).status_code == 200
    assert "_service_maintenance:a/b" in (await catalog.get("agent/checks")).json()


@story
async def test_maintenance_goes_with_its_service_and_with_checks_that_are_replaced() -> None:
    catalog = await with_services()
    await catalog.put("agent/service/maintenance/w1?enable=1")
    await catalog.put("agent/service/register", {"Name": "web", "ID": "w1", "Check": {"TTL": "1h"}})
    assert "_service_maintenance:w1" in (await catalog.get("agent/checks")).json()
    await catalog.put("agent/service/register?replace-existing-checks", {"Name": "web", "ID": "w1"})
    assert "_service_maintenance:w1" not in (await catalog.get("agent/checks")).json()
    await catalog.put("agent/service/maintenance/w1?enable=1")
    await catalog.put("agent/service/deregister/w1")
    assert (await catalog.get("agent/checks")).json() == {}


@story
async def test_a_check_of_maintenance_takes_no_updates() -> None:
    catalog = await with_services()
    await catalog.put("agent/maintenance?enable=1")
    answer = await catalog.put("agent/check/pass/_node_maintenance")
    assert (answer.status_code, answer.text) == (500, 'CheckID "_node_maintenance" does not have associated TTL')


@story
async def test_without_a_leader_maintenance_is_refused() -> None:
    catalog = await with_services()
    catalog.leader.away = True
    assert (await catalog.put("agent/maintenance?enable=1")).status_code == 500


HEALTH = [
    ({"status": "passing"}, 200, "passing"),
    ({"status": "warning"}, 429, "warning"),
    ({"status": "critical"}, 503, "critical"),
    ({"maintain": "agent/service/maintenance/w?enable=1"}, 503, "maintenance"),
    ({"maintain": "agent/maintenance?enable=1"}, 503, "maintenance"),
    ({"status": "critical", "maintain": "agent/maintenance?enable=1"}, 503, "maintenance"),
    ({"node": "warning"}, 429, "warning"),
    ({"node": "critical"}, 503, "critical"),
    ({"status": "warning", "node": "critical"}, 503, "critical"),
]


@pytest.mark.parametrize("by", ["id/w", "name/web"])
@pytest.mark.parametrize(("given", "status", "word"), HEALTH)
def test_health_is_told_by_the_status(by: str, given: dict[str, str], status: int, word: str) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        check = {"TTL": "1h", "Status": given.get("status", "passing")}
        await catalog.put("agent/service/register", {"Name": "web", "ID": "w", "Check": check})
        if "node" in given:
            await catalog.put("agent/check/register", {"Name": "disk", "TTL": "1h", "Status": given["node"]})
        if "maintain" in given:
            await catalog.put(given["maintain"])
        answer = await catalog.get(f"agent/health/service/{by}")
        assert (answer.status_code, answer.headers["x-consul-reason"]) == (status, word)
        shown = answer.json()
        first = shown if isinstance(shown, dict) else shown[0]
        assert (first["AggregatedStatus"], first["Service"]["ID"]) == (word, "w")
        assert {one["Node"] for one in first["Checks"]} == {"n1"}
        assert "serfHealth" not in {one["CheckID"] for one in first["Checks"]}
        for asked in ({"params": {"format": "text"}}, {"headers": {"Accept": "text/plain; charset=utf-8"}}):
            plain = await catalog.get(f"agent/health/service/{by}", **asked)
            assert (plain.status_code, plain.text, plain.headers["content-type"]) == (status, word, "text/plain")

    told()


@story
async def test_the_worst_instance_decides_by_name() -> None:
    catalog = await with_services()
    await catalog.put(
        "agent/service/register", {"Name": "web", "ID": "w3", "Check": {"TTL": "1h", "Status": "warning"}}
    )
    answer = await catalog.get("agent/health/service/name/web")
    assert (answer.status_code, answer.headers["x-consul-reason"]) == (429, "warning")
    assert [one["AggregatedStatus"] for one in answer.json()] == ["passing", "passing", "warning"]
    assert [len(one["Checks"]) for one in answer.json()] == [1, 0, 1]


@pytest.mark.parametrize(
    ("path", "status", "body", "reason"),
    [
        ("id/nope", 404, '{"AggregatedStatus":"critical","Service":null,"Checks":null}', "ServiceId nope not found"),
        ("id/nope?format=text", 404, "ServiceId nope not found", "ServiceId nope not found"),
        ("name/nope", 404, "[]", "ServiceName nope Not Found"),
        ("name/nope?format=text", 404, "ServiceName nope Not Found", "ServiceName nope Not Found"),
        ("id/", 500, "Missing serviceID", None),
        ("name/", 500, "Missing service Name", None),
    ],
)
def test_health_of_what_is_unknown(path: str, status: int, body: str, reason: str | None) -> None:
    @story
    async def told() -> None:
        answer = await (await with_services()).get(f"agent/health/service/{path}")
        assert (answer.status_code, answer.text, answer.headers.get("x-consul-reason")) == (status, body, reason)

    told()


@story
async def test_health_goes_on_without_a_leader() -> None:
    catalog = await with_services()
    catalog.leader.away = True
    assert (await catalog.get("agent/health/service/id/w1")).status_code == 200


@pytest.mark.parametrize("seed", range(12))
def test_health_and_passing_agree_with_a_naive_model_after_any_sequence(seed: int) -> None:
    @story
    async def told() -> None:
        dice = random.Random(seed)
        catalog = Catalog()
        services: dict[str, dict[str, str]] = {}  # the statuses of each service's checks, by check id
        node: dict[str, str] = {}

        async def step() -> None:
            service = f"s{dice.randrange(3)}"
            match dice.randrange(6):
                case 0:
                    status = dice.choice(["passing", "warning", "critical"])
                    check = {"CheckID": f"c-{service}", "TTL": "1h", "Status": status}
                    await catalog.put("agent/service/register", {"Name": "web", "ID": service, "Check": check})
                    services.setdefault(service, {}).setdefault(f"c-{service}", status)
                case 1:
                    known = services.pop(service, None) is not None
                    answer = await catalog.put(f"agent/service/deregister/{service}")
                    assert answer.status_code == (200 if known else 404)
                case 2 | 3:
                    enable = dice.random() < 0.6
                    answer = await catalog.put(f"agent/service/maintenance/{service}?enable={enable}")
                    assert answer.status_code == (200 if service in services else 404)
                    if service in services:
                        _turn(services[service], "maintenance", enable=enable)
                case 4:
                    enable = dice.random() < 0.4
                    assert (await catalog.put(f"agent/maintenance?enable={enable}")).status_code == 200
                    _turn(node, "maintenance", enable=enable)
                case _:
                    status = dice.choice(["passing", "warning", "critical"])
                    await catalog.put("agent/check/register", {"Name": "disk", "TTL": "1h", "Status": status})
                    node.setdefault("disk", status)

        for _ in range(40):
            await step()
            wanted = {name: _worst([*checks.values(), *node.values()]) for name, checks in services.items()}
            shown = await catalog.get("agent/health/service/name/web")
            by_name = {one["Service"]["ID"]: one["AggregatedStatus"] for one in shown.json()}
            assert by_name == wanted
            assert shown.headers["x-consul-reason"] == (
                _worst(wanted.values()) if wanted else "ServiceName web Not Found"
            )
            for name in ("s0", "s1", "s2"):
                one = await catalog.get(f"agent/health/service/id/{name}?format=text")
                assert one.text == wanted.get(name, f"ServiceId {name} not found")
            passing = {one["Service"]["ID"] for one in (await catalog.get("health/service/web?passing")).json()}
            assert passing == {name for name, status in wanted.items() if status == "passing"}

    told()


def _turn(checks: dict[str, str], name: str, *, enable: bool) -> None:
    if enable:
        checks[name] = "maintenance"
    else:
        checks.pop(name, None)


def _worst(statuses: Iterable[str]) -> str:
    order = ["passing", "warning", "critical", "maintenance"]
    return max(statuses, key=order.index, default="passing")

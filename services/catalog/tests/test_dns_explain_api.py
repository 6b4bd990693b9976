"""`/v1/internal/dns/explain`: from catalog's view, with the parameters of every read."""

from typing import Any

import pytest
from api_fixture import Catalog, is_asleep, story, waiting

from lictor_state.commands import CatalogRegister, CheckSpec, ServiceSpec

EXPLAIN = "internal/dns/explain?name="


def register(catalog: Catalog, number: int, status: str = "passing", **more: Any) -> None:
    service = ServiceSpec(f"web-{number}", "web", address=f"10.0.0.{number}", port=80, **more)
    check = CheckSpec("c", "the check", status, output=f"says {status}", service_id=f"web-{number}")
    catalog.result(CatalogRegister(f"n{number}", f"10.1.0.{number}", "dc1", service=service, checks=(check,)))


@story
async def test_each_instance_is_in_or_out_with_its_reason_and_its_check() -> None:
    catalog = Catalog()
    register(catalog, 1)
    register(catalog, 2, "critical", tags=("v2",))
    register(catalog, 3, "warning")
    found = (await catalog.get(EXPLAIN + "Web.Service.Consul.")).json()
    assert (found["Name"], found["Type"], found["Rcode"], found["Answers"]) == ("web.service.consul", "A", "NOERROR", 1)
    assert [(one["ServiceID"], one["Status"], one["Reason"]) for one in found["Instances"]] == [
        ("web-1", "in", ""),
        ("web-2", "out", "check-critical"),
        ("web-3", "out", "check-not-passing"),
    ]
    assert found["Instances"][1]["Check"] == {
        "CheckID": "c", "Name": "the check", "Status": "critical", "Output": "says critical"
    }  # fmt: skip
    assert found["Instances"][1]["ServiceTags"] == ["v2"]
    assert found["Rules"]["OnlyPassing"]
    lenient = (await catalog.get(EXPLAIN + "web.service.consul&only-passing=false&type=srv&a-record-limit=1")).json()
    assert (lenient["Answers"], lenient["Type"], lenient["Rules"]["OnlyPassing"]) == (2, "SRV", False)
    limited = (await catalog.get(EXPLAIN + "web.service.consul&only-passing=0&a-record-limit=1")).json()
    assert limited["Answers"] == 1
    assert limited["Notes"]


@story
async def test_a_node_has_no_instance_and_another_domain_may_be_named() -> None:
    catalog = Catalog()
    register(catalog, 1)
    (node,) = (await catalog.get(EXPLAIN + "n1.node.consul")).json()["Instances"]
    assert "ServiceID" not in node
    assert node["Record"] == "10.1.0.1"
    assert (await catalog.get(EXPLAIN + "web.service.corp.example")).json()["Rcode"] == "REFUSED"
    other = await catalog.get(EXPLAIN + "web.service.corp.example&domain=Corp.Example")
    assert other.json()["Answers"] == 1


@story
async def test_an_explanation_is_a_blocking_read() -> None:
    catalog = Catalog()
    register(catalog, 1)
    index = (await catalog.get(EXPLAIN + "web.service.consul")).headers["x-consul-index"]
    async with waiting(catalog, f"{EXPLAIN}web.service.consul&index={index}") as read:
        assert await is_asleep(read)
        register(catalog, 1, "critical")
        assert (await read).json()["Rcode"] == "NXDOMAIN"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "Invalid or missing name"),
        ("a..consul", "Invalid or missing name"),
        ("x" * 64 + ".consul", "Invalid or missing name"),
        ("web.service.consul&type=AXFR", "Invalid type 'AXFR'"),
        ("web.service.consul&only-passing=maybe", "Invalid value for ?only-passing"),
        ("web.service.consul&a-record-limit=-1", "Invalid value for ?a-record-limit"),
        ("web.service.consul&udp-answer-limit=99999999", "Invalid value for ?udp-answer-limit"),
        ("web.service.consul&domain=a..b", "Invalid or missing domain"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(query: str, text: str) -> None:
    @story
    async def refused() -> None:
        answer = await Catalog().get(EXPLAIN + query)
        assert answer.status_code == 400
        assert answer.text.startswith(text)

    refused()

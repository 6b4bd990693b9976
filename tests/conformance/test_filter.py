"""Filters: what they keep, on every list that takes them, and how a wrong one is refused."""

import pytest

from tests.conformance.both_sides import get, put

pytestmark = pytest.mark.conformance


def registered(node, rack, service, port, status, tags):
    """An instance with one check."""
    return put(
        "catalog/register",
        {
            "Node": node, "Address": "10.0.0.1", "NodeMeta": {"rack": rack}, "Service": {"ID": f"{service}-{node}", "Service": service, "Port": port, "Tags": tags, "Meta": {"v": rack, "a-b": "c"}},
            "Check": {"CheckID": "ok", "Name": "ok", "Status": status, "ServiceID": f"{service}-{node}"},
        },
    )  # fmt: skip


SETS = [
    registered("f1", "1", "web", 80, "passing", ["v1", "blue"]),
    registered("f2", "2", "web", 8080, "critical", ["v2"]),
    registered("f3", "2", "web", 80, "warning", []),
]
KEPT = [
    *[
        get(f"health/service/web?filter={text}")
        for text in (
            "Service.Port==80",
            "Service.Port!=80",
            "Service.Meta.v==1",
            "Service.Meta.v!=1",
            "Service.Meta.none==x",
            "Service.Meta.none!=x",
            'Service.Meta["a-b"]==c',
            "v1+in+Service.Tags",
            "Service.Tags+contains+v2",
            "v1+not+in+Service.Tags",
            "Service.Tags+is+empty",
            "Service.Tags+is+not+empty",
            "Checks.Status==critical",
            "not+Checks.Status==critical",
            "Checks.Status==passing+or+Service.Port==8080",
            "Node.Node==f1+and+Service.Port==80",
            "Node.Meta.rack==2",
            "(Node.Meta.rack==2+or+Service.Port==80)+and+not+Checks.Status==warning",
            'Service.ID+matches+"^web-f[12]$"',
            'Node.Node+not+matches+"f[12]"',
            "rack+in+Node.Meta",
        )
    ],
    *[
        get(f"catalog/service/web?filter={text}")
        for text in ("ServicePort==80", "NodeMeta.rack==2", "v1+in+ServiceTags", "ServiceMeta.v==2", "Node==f3")
    ],
    *[get(f"catalog/nodes?filter={text}") for text in ("Meta.rack==1", "Address==`10.0.0.1`+and+Node!=f1")],
    get("catalog/node/f1?filter=Port==80"),
    get("catalog/node/f1?filter=Port==81"),
    get("health/state/any?filter=ServiceName==web", unordered=True),
    get("health/checks/web?filter=Status!=passing"),
    get("health/node/f2?filter=Status==critical"),
]
ROWS = [
    *SETS, *KEPT,
    get("catalog/nodes?filter=Node==bad%20syntax("), get("catalog/nodes?filter=Odd==x"), get('catalog/nodes?filter=Node=="node-1"', only_shape=True), get('catalog/nodes?filter=Node=="none"'), get("catalog/nodes?filter="),
    get('agent/services?filter=Service=="none"'), get('agent/checks?filter=Status=="none"'), get('health/state/any?filter=CheckID=="none"'), get("health/service/web?filter=Service.Port==x"), get('health/service/none?filter=Checks.Status=="passing"'), get('agent/services?filter=Port=="x"'), get("catalog/service/none?filter=ServiceTags+matches"),
]  # fmt: skip


def test_filters_keep_what_consuls_keep(pair):
    pair.run("filter", ROWS)

"""Filters: what they keep, on every list that takes them, and how a wrong one is refused."""

import pytest

from tests.conformance.both_sides import get

pytestmark = pytest.mark.conformance

ROWS = [
    get("catalog/nodes?filter=Node==bad%20syntax("), get("catalog/nodes?filter=Odd==x"), get('catalog/nodes?filter=Node=="node-1"', only_shape=True), get('catalog/nodes?filter=Node=="none"'), get("catalog/nodes?filter="),
    get('agent/services?filter=Service=="none"'), get('agent/checks?filter=Status=="none"'), get('health/state/any?filter=CheckID=="none"'), get("health/service/web?filter=Service.Port==x"), get('health/service/none?filter=Checks.Status=="passing"'), get('agent/services?filter=Port=="x"'), get("catalog/service/none?filter=ServiceTags+matches"),
]  # fmt: skip


def test_filters_keep_what_consuls_keep(pair):
    pair.run("filter", ROWS)

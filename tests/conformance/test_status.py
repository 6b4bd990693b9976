"""Status: who leads, and who are the peers."""

import pytest

from tests.conformance.both_sides import delete, get, post, put

pytestmark = pytest.mark.conformance

ROWS = [
    get("status/leader", only_shape=True), get("status/peers", only_shape=True), get("status/leader?dc=dc1", only_shape=True), get("status/peers?dc=dc1", only_shape=True), get("status/leader?dc=dc9"), get("status/peers?dc=dc9"), get("status/leader?pretty", only_shape=True),
    put("status/leader"), post("status/peers"), delete("status/leader"), get("status/"), get("status/nothing"), get("status/leader/"), get("status/leader?stale", only_shape=True),
]  # fmt: skip


def test_status_is_told_as_consul_does(pair):
    pair.run("status", ROWS)

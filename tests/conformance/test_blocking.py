"""Blocking queries: what wakes a read, what leaves it asleep, and how its index stands to the write.

Every row is a read, what was written before, a write, and what is expected of both sides: `WAKES` or `SLEEPS`; `None` where a
spurious wake is a matter of taste. A read that must sleep ends by its own time with the
index that it had; one that must wake ends long before, with a higher one.
"""

import json
import threading
import time

import pytest

from tests.conformance.both_sides import delete, get, post, put

pytestmark = pytest.mark.conformance

LONG_S = 20
SHORT = "400ms"
"""Until a read that sleeps ends; both add up to a sixteenth."""

WAKES, SLEEPS = "wakes", "sleeps"
WAKES_NOW, SLEEPS_NOW = "wakes now", "sleeps now"
"""The same of 1.21, where 1.8.7 does otherwise: asked of ours alone."""


def instance(node, service, status="passing", port=80):
    return put(
        "catalog/register",
        {
            "Node": node, "Address": "10.0.0.1", "Service": {"ID": service, "Service": service, "Port": port},
            "Checks": [{"CheckID": f"{service}-ok", "Name": "ok", "Status": status, "ServiceID": service}],
        },
    )  # fmt: skip


def node_check(node, status):
    return put(
        "catalog/register",
        {"Node": node, "Address": "10.0.0.1", "Check": {"CheckID": "alive", "Name": "alive", "Status": status}},
    )


DEFAULTS = put("config", {"Kind": "service-defaults", "Name": "web", "Protocol": "tcp"})
WEB, API = instance("b1", "web"), instance("b2", "api")
TABLE = [
    # the key-value store
    ("kv/k", [put("kv/k", b"1")], put("kv/k", b"2"), WAKES), ("kv/k", [put("kv/k", b"1")], put("kv/k", b"1"), SLEEPS), ("kv/k", [put("kv/k", b"1")], put("kv/other", b"2"), SLEEPS),
    ("kv/k", [put("kv/k", b"1")], delete("kv/k"), WAKES), ("kv/k", [], put("kv/k", b"1"), WAKES), ("kv/k", [], put("kv/kk", b"1"), None), ("kv/k", [put("kv/k", b"1")], put("kv/k?flags=1", b"1"), WAKES),
    ("kv/k", [put("kv/k", b"1")], put("kv/k?cas=0", b"2"), SLEEPS), ("kv/k?raw", [put("kv/k", b"1")], put("kv/k", b"2"), WAKES),
    ("kv/p/?recurse", [put("kv/p/a", b"1")], put("kv/p/b", b"1"), WAKES), ("kv/p/?recurse", [put("kv/p/a", b"1")], put("kv/q/b", b"1"), SLEEPS), ("kv/p/?recurse", [put("kv/p/a", b"1"), put("kv/p/b", b"1")], delete("kv/p/b"), WAKES),
    ("kv/p/?recurse", [put("kv/p/a", b"1")], delete("kv/p/?recurse"), WAKES), ("kv/p/?keys", [put("kv/p/a", b"1")], put("kv/p/b", b"1"), WAKES), ("kv/p/?keys", [put("kv/p/a", b"1")], put("kv/q/b", b"1"), SLEEPS),
    ("kv/p/?keys&separator=/", [put("kv/p/a", b"1")], put("kv/p/b/c", b"1"), WAKES), ("kv/?recurse", [put("kv/p/a", b"1")], put("kv/zz", b"1"), WAKES), ("kv/p/?recurse", [], put("kv/p/a", b"1"), WAKES), ("kv/k", [put("kv/k", b"1"), put("session/create", keep="bs")], put("kv/k?acquire={bs}", b"1"), WAKES),
    # services
    ("health/service/web", [WEB, API], instance("b1", "web", "critical"), WAKES), ("health/service/web", [WEB, API], WEB, SLEEPS), ("health/service/web", [WEB, API], instance("b2", "api", "critical"), SLEEPS), ("health/service/web", [WEB, API], instance("b2", "api", port=81), SLEEPS),
    ("health/service/web", [WEB, API], node_check("b1", "critical"), WAKES), ("health/service/web", [WEB, API], node_check("b2", "critical"), SLEEPS), ("health/service/web", [WEB, API], instance("b3", "web"), WAKES), ("health/service/web", [WEB, API], put("kv/k", b"1"), SLEEPS),
    ("health/service/web", [WEB, API], put("catalog/deregister", {"Node": "b1"}), WAKES), ("health/service/none", [API], instance("b1", "none"), WAKES), ("health/service/web?passing", [WEB, API], instance("b1", "web", "critical"), WAKES),
    ("catalog/service/web", [WEB, API], instance("b1", "web", port=81), WAKES), ("catalog/service/web", [WEB, API], instance("b2", "api", port=81), SLEEPS), ("catalog/services", [WEB], API, WAKES), ("catalog/services", [WEB, API], put("kv/k", b"1"), SLEEPS), ("catalog/services", [WEB, API], put("catalog/deregister", {"Node": "b2", "ServiceID": "api"}), WAKES),
    ("catalog/nodes", [WEB], put("catalog/register", {"Node": "b9", "Address": "1.1.1.1"}), WAKES), ("catalog/nodes", [WEB], put("catalog/register", {"Node": "b1", "Address": "10.0.0.9", "NodeMeta": {"a": "b"}}), WAKES), ("catalog/nodes", [WEB, API], put("kv/k", b"1"), SLEEPS),
    ("catalog/node/b1", [WEB, API], instance("b1", "web", port=81), WAKES), ("catalog/node/b1", [WEB, API], instance("b2", "api", port=81), None), ("catalog/node/b1", [WEB], put("catalog/deregister", {"Node": "b1"}), WAKES_NOW),
    ("health/node/b1", [WEB], instance("b1", "web", "warning"), WAKES), ("health/node/b1", [WEB], WEB, SLEEPS_NOW), ("health/state/any", [WEB], instance("b1", "web", "warning"), WAKES), ("health/state/critical", [WEB], put("kv/k", b"1"), SLEEPS), ("health/checks/web", [WEB], instance("b1", "web", "warning"), WAKES),
    ("catalog/connect/web", [WEB], put("catalog/register", {"Node": "b1", "Address": "10.0.0.1", "Service": {"Service": "side", "Kind": "connect-proxy", "Port": 1, "Proxy": {"DestinationServiceName": "web"}}}), WAKES),
    # sessions
    ("session/list", [], put("session/create"), WAKES), ("session/list", [], put("kv/k", b"1"), SLEEPS), ("session/info/{bs}", [put("session/create", keep="bs")], put("session/destroy/{bs}"), WAKES), ("session/node/node-1", [], put("session/create"), WAKES), ("session/list", [put("session/create", keep="bs")], put("session/renew/{bs}"), SLEEPS),
    # config entries and prepared queries
    ("config/service-defaults/web", [DEFAULTS], put("config", {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}), WAKES), ("config/service-defaults/web", [DEFAULTS], put("kv/k", b"1"), SLEEPS), ("config/service-defaults/web", [DEFAULTS], delete("config/service-defaults/web"), WAKES_NOW),
    ("config/service-defaults", [], DEFAULTS, WAKES), ("config/service-defaults", [DEFAULTS], DEFAULTS, SLEEPS_NOW), ("config/service-defaults", [DEFAULTS], put("kv/k", b"1"), SLEEPS), ("config/service-defaults", [DEFAULTS], delete("config/service-defaults/web"), WAKES),
    ("query", [], post("query", {"Name": "b", "Service": {"Service": "web"}}), WAKES), ("query", [], put("kv/k", b"1"), SLEEPS), ("query", [post("query", {"Name": "b", "Service": {"Service": "web"}}, keep="bq")], delete("query/{bq}"), WAKES),
    # intentions
    ("connect/intentions", [], put("kv/k", b"1"), SLEEPS),
]  # fmt: skip


def asleep_or_awake(side, path, before, write, wait):
    """What happened: "wakes" or "sleeps", and whether the index went as it must."""
    for ask in before:
        assert side.send(ask).status_code == 200, ask.name
    first = side.send(get(path))
    index = int(first.headers["x-consul-index"])
    assert index >= 1
    answers = []
    joiner = "&" if "?" in path else "?"
    began = time.monotonic()
    waiter = threading.Thread(
        target=lambda: answers.append(side.send(get(f"{path}{joiner}index={index}&wait={wait}"))), daemon=True
    )
    waiter.start()
    assert side.send(write).status_code == 200, write.name
    waiter.join(LONG_S)
    assert answers, f"{side.name}: {path} did not end"
    took = time.monotonic() - began
    after = int(answers[0].headers["x-consul-index"])
    if after == index:
        return SLEEPS, took, answers[0]
    assert after > index, f"{side.name}: {path}: {after} after {index}"
    return WAKES, took, answers[0]


@pytest.mark.parametrize(
    ("path", "before", "write", "expected"), TABLE, ids=[f"{path} and {write.name}" for path, _, write, _ in TABLE]
)
def test_a_blocking_read_wakes_when_consuls_does(pair, path, before, write, expected):
    facts = []
    for side in (pair.ours,) if expected in {WAKES_NOW, SLEEPS_NOW} else (pair.theirs, pair.ours):
        wanted = expected and expected.removesuffix(" now")
        wait = f"{LONG_S - 2}s" if wanted == WAKES else SHORT
        what, took, answer = asleep_or_awake(side, path, before, write, wait)
        assert what == (wanted or what), f"{side.name}: {path} after {write.name} {what}"
        if wanted == WAKES:
            assert took < LONG_S - 5
        fresh = side.send(get(path))
        facts.append((what, answer.status_code, answer.content == fresh.content))
        if path == "kv/k" and answer.status_code == 200:
            assert answer.headers["x-consul-index"] == str(json.loads(answer.content)[0]["ModifyIndex"])
    if expected:
        assert facts[0] == facts[-1]


@pytest.mark.parametrize(
    "path",
    [
        "kv/none",
        "kv/none?recurse",
        "health/service/none",
        "catalog/nodes",
        "catalog/services",
        "session/list",
        "health/state/any",
    ],
)
def test_a_wait_that_ends_by_its_time_answers_as_a_plain_read(pair, path):
    joiner = "&" if "?" in path else "?"
    for side in (pair.theirs, pair.ours):
        plain = side.send(get(path))
        index = plain.headers["x-consul-index"]
        began = time.monotonic()
        ended = side.send(get(f"{path}{joiner}index={index}&wait={SHORT}"))
        assert time.monotonic() - began >= 0.4, side.name
        assert (ended.status_code, ended.content) == (plain.status_code, plain.content), side.name
        assert ended.headers["x-consul-index"] == index, side.name


@pytest.mark.parametrize("path", ["kv/none", "catalog/nodes", "health/service/none"])
def test_an_index_of_zero_or_below_the_present_one_is_answered_at_once(pair, path):
    for side in (pair.theirs, pair.ours):
        side.send(put("kv/none", b"1"))
        side.send(put("catalog/register", {"Node": "b1", "Address": "1.1.1.1", "Service": {"Service": "none"}}))
        for index in (0, 1):
            began = time.monotonic()
            assert side.send(get(f"{path}?index={index}&wait=10s")).status_code == 200
            assert time.monotonic() - began < 5, side.name

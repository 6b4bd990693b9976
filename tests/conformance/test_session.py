"""Sessions, and the locks that hang on them."""

import pytest

from tests.conformance.both_sides import get, post, put

pytestmark = pytest.mark.conformance

NOBODY = "00000000-0000-4000-8000-00000000abcd"
CHECKS = [{"CheckID": "c", "Name": "c", "Status": "passing"}, {"CheckID": "bad", "Name": "b", "Status": "critical"}]
REFUSED = [
    {"TTL": "1s"}, {"TTL": "xx"}, {"TTL": 10}, {"TTL": "25h"}, {"TTL": "-5s"}, {"LockDelay": "zz"}, {"LockDelay": "20"}, {"Behavior": "foo"}, {"Node": "nope"},
    {"Node": ""}, {"Checks": ["nope"]}, {"NodeChecks": ["nope"]}, {"ServiceChecks": [{"ID": "nope"}]}, {"Name": 5}, b"{", b"[]", b'"x"', {"Checks": "x"},
]  # fmt: skip
TAKEN = [
    {"TTL": "0"}, {"TTL": "0s"}, {"TTL": "90000ms"}, {"LockDelay": 20}, {"LockDelay": 1000}, {"LockDelay": 0.5}, {"LockDelay": -5}, {"LockDelay": "-5s"},
    {"LockDelay": True}, {"LockDelay": None}, {"Behavior": ""}, {"ID": "abc"}, {"Checks": ["serfHealth", "serfHealth"]}, {"Checks": None}, {"NodeChecks": None},
    {"Checks": ["serfHealth"], "NodeChecks": []}, {"ServiceChecks": [{"id": "serfHealth", "Namespace": "x"}]}, {"ServiceChecks": []}, {"Unknown": 1}, b"null",
]  # fmt: skip

ROWS = [
    get("session/list"), put("session/create", keep="one"), put("session/create", {"LockDelay": 0, "Behavior": "delete", "TTL": "10s"}, keep="two"),
    put("session/create", {"LockDelay": "0s", "name": "x", "Checks": []}, keep="three"),
    get("session/info/{one}"), get("session/info/{two}"), get("session/info/{three}"), get("session/list", unordered=True), get("session/node/node-1", unordered=True),
    get("session/node/NODE-1", unordered=True), get("session/node/none"), get(f"session/info/{NOBODY}"), get("session/info/no-uuid"),
    # locks
    put("kv/l/a?acquire={one}", b"1"), get("kv/l/a"), put("kv/l/a?acquire={one}", b"1"), put("kv/l/a?acquire={one}", b"2"), get("kv/l/a"),
    put("kv/l/a?acquire={two}", b"3"), put("kv/l/a?release={two}", b"3"), get("kv/l/a"), put("kv/l/a?release={one}&flags=7", b"4"), get("kv/l/a"),
    put("kv/l/a?release={one}", b"4"), put("kv/l/none?release={one}", b"4"), put(f"kv/l/a?acquire={NOBODY}", b"1"), put(f"kv/l/a?release={NOBODY}", b"1"),
    put("kv/l/a?acquire={one}&release={one}", b"1"), put("kv/l/a?acquire={one}&cas=1", b"1"),
    put("kv/l/a?acquire={one}", b"5"), put("kv/l/d?acquire={two}", b"5"), put("kv/l/e?acquire={three}", b"5"), get("kv/l/?recurse"),
    put("session/renew/{two}"), put("session/renew/{one}"), put(f"session/renew/{NOBODY}"),
    put("session/destroy/{one}"), put("session/destroy/{two}"), put(f"session/destroy/{NOBODY}"), get("kv/l/a"), get("kv/l/d"), get("kv/l/?recurse"), get("session/info/{one}"),
    # one is in its lock delay, two had none
    put("kv/l/a?acquire={three}", b"6"), put(f"kv/l/a?acquire={NOBODY}", b"6"), put("kv/l/d?acquire={three}", b"6"), put("kv/l/a", b"7"), get("kv/l/a"),
    # checks of another node hold it
    put("catalog/register", {"Node": "locker", "Address": "1.1.1.1", "Checks": CHECKS}), put("session/create", {"Node": "locker", "NodeChecks": ["c"]}, keep="four"),
    put("session/create", {"Node": "LOCKER", "Checks": ["c"], "NodeChecks": []}, keep="five"), put("session/create", {"Node": "locker", "NodeChecks": ["bad"]}),
    put("session/create", {"Node": "locker"}), put("kv/l/f?acquire={four}", b"1"), put("kv/l/g?acquire={five}", b"1"), get("session/node/locker", unordered=True),
    put("catalog/register", {"Node": "locker", "Address": "1.1.1.1", "Check": {"CheckID": "c", "Name": "c", "Status": "critical"}}),
    get("session/node/locker"), get("kv/l/f"), get("kv/l/g"), put("catalog/deregister", {"Node": "locker"}), get("session/list", unordered=True), get("kv/l/?recurse"),
    # bodies
    *[put("session/create", body) for body in REFUSED],
    *[row for number, body in enumerate(TAKEN) for row in (put("session/create", body, keep=f"t{number}"), get(f"session/info/{{t{number}}}"))],
    # paths and methods
    put("session/destroy/"), put("session/renew/"), get("session/info/"), get("session/node/"), get("session/create"), put("session/list"),
    get("session/destroy/x"), post("session/create"), get("session/renew/x"), put("session/create?dc=dc1", keep="six"), put("session/create?dc=dc9"), get("session/list?dc=dc9"),
]  # fmt: skip


def test_sessions_and_locks_are_those_of_consul(pair):
    pair.run("session", ROWS)

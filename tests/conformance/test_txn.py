"""Transactions: every verb, what rolls back and with which words, and what is refused before it is tried."""

import pytest

from tests.conformance.both_sides import delete, get, post, put

pytestmark = pytest.mark.conformance

NOBODY = "00000000-0000-4000-8000-00000000abcd"
ONE = "MQ=="


def kv(verb, key, **more):
    return {"KV": {"Verb": verb, "Key": key, **more}}


def node(verb, name, **more):
    return {"Node": {"Verb": verb, "Node": {"Node": name, **more}}}


def service(verb, name, **more):
    return {"Service": {"Verb": verb, "Node": name, "Service": more}}


def check(verb, **more):
    return {"Check": {"Verb": verb, "Check": more}}


def txn(*operations):
    return put("txn", list(operations))


ROWS = [
    txn(), txn(kv("set", "t/a", Value=ONE, Flags=7)), get("kv/t/a"), txn(kv("get", "t/a")), txn(kv("get", "t/none")), txn(kv("set", "t/b"), kv("get", "t/b"), kv("set", "t/c", Value="Mg==")), txn(kv("get-tree", "t/")), txn(kv("get-tree", "zzz")),
    txn(kv("set", "t/lost", Value=ONE), kv("get", "t/none")), get("kv/t/lost"), txn(kv("cas", "t/a", Index=1, Value=ONE)), txn(kv("cas", "t/new", Index=0, Value=ONE)), txn(kv("cas", "t/new", Index=0, Value=ONE)), txn(kv("check-index", "t/a", Index=1)), txn(kv("check-index", "t/none", Index=1)),
    txn(kv("check-not-exists", "t/none")), txn(kv("check-not-exists", "t/a")), txn(kv("check-session", "t/a", Session=NOBODY)), txn(kv("check-session", "t/none", Session=NOBODY)), txn(kv("delete", "t/none")), txn(kv("delete-cas", "t/a", Index=1)), txn(kv("delete-cas", "t/none", Index=1)),
    txn(kv("lock", "t/a", Session=NOBODY)), txn(kv("lock", "t/a")), txn(kv("unlock", "t/a", Session=NOBODY)),
    put("session/create", {"LockDelay": "0s"}, keep="s1"), put("session/create", {"LockDelay": "10s"}, keep="s2"), txn(kv("lock", "t/l", Session="{s1}", Value=ONE)), txn(kv("lock", "t/l", Session="{s2}", Value=ONE)), txn(kv("check-session", "t/l", Session="{s1}")), txn(kv("check-session", "t/l", Session="{s2}")),
    txn(kv("unlock", "t/l", Session="{s2}")), txn(kv("unlock", "t/l", Session="{s1}")), txn(kv("lock", "t/l", Session="{s2}")), put("session/destroy/{s2}"), txn(kv("lock", "t/l", Session="{s1}")), get("kv/t/l"),
    txn(*[kv("get", "t/a")] * 64), txn(*[kv("get", "t/none")] * 128), txn(*[kv("get", "t/a")] * 129), txn(kv("odd", "t/a")), txn(kv("", "t/a")), txn(kv("set", "")), txn(kv("get-tree", "")), txn({}), put("txn", b""), put("txn", b"{}"), put("txn", b"["), put("txn", b"null"), txn({"Odd": {}}), txn({"KV": {"Verb": "set", "Key": "x", "Value": "not base64!"}}), txn({"KV": {"Verb": "set", "Key": "x", "Foo": 1}}),
    txn({"kv": {"verb": "set", "key": "t/low", "value": ONE}}), txn(kv("set", "t/big", Value="A" * 699060)), txn(kv("delete", "t/a"), kv("get", "t/a")), get("kv/t/a"), txn(kv("delete", "t/a"), kv("delete-tree", "t/")), get("kv/t/?keys"),
    put("txn?dc=dc9", [kv("get", "t/a")]), put("txn?stale", [kv("get", "t/a")]), put("txn?consistent", [kv("get-tree", "t/")]), put("txn?stale&consistent", [kv("get-tree", "t/")]), get("txn"), post("txn", []), delete("txn"),
    # nodes, services, checks
    txn(node("set", "tn", Address="1.1.1.1", Meta={"a": "b"})), txn(node("get", "tn")), txn(node("get", "none")), txn(node("cas", "tn", Address="1.1.1.2")), txn(node("delete-cas", "tn", ModifyIndex=1)), txn(node("set", "")), txn(node("odd", "tn")), txn(node("set", "noaddr")), get("catalog/node/noaddr"),
    txn(service("set", "tn", ID="ts", Service="ts", Port=80, Tags=["x"])), txn(service("get", "tn", ID="ts")), txn(service("get", "tn", ID="none")), txn(service("get", "none", ID="ts")), txn(service("cas", "tn", ID="ts", Service="ts")), txn(service("delete-cas", "tn", ID="ts", ModifyIndex=1)), txn(service("set", "none", ID="x", Service="x")), txn(service("set", "tn", ID="", Service="")), txn(service("odd", "tn", ID="ts")), txn(service("set", "tn", ID="ts", Service="ts", Meta={"a b": "c"})),
    txn(check("set", Node="tn", CheckID="tc", Name="tc", Status="passing", ServiceID="ts")), txn(check("get", Node="tn", CheckID="tc")), txn(check("get", Node="tn", CheckID="none")), txn(check("cas", Node="tn", CheckID="tc", Name="tc", Status="critical")), txn(check("delete-cas", Node="tn", CheckID="tc", ModifyIndex=1)), txn(check("set", Node="none", CheckID="c", Name="c")), txn(check("set", Node="tn", CheckID="c", Name="c", ServiceID="none")), txn(check("odd", Node="tn", CheckID="tc")),
    get("health/service/ts"), txn(check("delete", Node="tn", CheckID="tc"), service("delete", "tn", ID="ts")), txn(check("delete", Node="tn", CheckID="none")), txn(service("delete", "tn", ID="none")), txn(node("delete", "none")), txn(node("delete", "tn")), get("catalog/node/tn"),
    txn(node("set", "tn2", Address="1.1.1.1"), service("set", "tn2", ID="s", Service="s"), check("set", Node="tn2", CheckID="c", Name="c", ServiceID="s"), kv("set", "t/with", Value=ONE)), get("health/service/s"), get("kv/t/with"),
    txn(node("set", "tn3", Address="1.1.1.1"), kv("get", "t/none"), kv("get", "t/none2")), get("catalog/node/tn3"), txn(*[kv("set", f"t/many/{number}", Value=ONE) for number in range(64)]), get("kv/t/many/?keys"), txn({"Session": {"Verb": "delete", "Session": {"ID": NOBODY}}}),
]  # fmt: skip


def test_transactions_are_those_of_consul(pair):
    pair.run("txn", ROWS)

"""Transactions over HTTP."""

import base64
import json
from typing import Any

import httpx
import pytest
from api_fixture import Catalog, story

from lictor_catalog import txn_request
from lictor_catalog.errors import BodyError
from lictor_state.commands import KVSet, SessionCreate, SessionDestroy
from lictor_state.txn_outcome import RESULTS_BYTES_MAX


def kv(verb: str, key: str = "a", value: bytes | None = None, **more: Any) -> dict[str, Any]:
    encoded = {} if value is None else {"Value": base64.b64encode(value).decode()}
    return {"KV": {"Verb": verb, "Key": key} | encoded | more}


async def errors(catalog: Catalog, *ops: Any) -> list[tuple[int, str]]:
    answer = await catalog.put("txn", list(ops))
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["Results"] is None
    return [(one["OpIndex"], one["What"]) for one in answer.json()["Errors"]]


@story
async def test_a_write_answers_what_it_wrote_without_values_and_without_headers_of_a_read() -> None:
    catalog = Catalog()
    answer = await catalog.put("txn", [kv("set", "a", b"test", Flags=3), kv("delete", "b")])
    index = await catalog.index("kv/a")
    assert answer.status_code == 200
    assert answer.text == (
        f'{{"Results":[{{"KV":{{"LockIndex":0,"Key":"a","Flags":3,"Value":null,"CreateIndex":{index},'
        f'"ModifyIndex":{index}}}}}],"Errors":null}}'
    )
    assert not {"x-consul-index", "x-consul-knownleader", "x-consul-lastcontact"} & set(answer.headers)


@story
async def test_a_read_is_answered_from_the_view_with_its_freshness_and_no_index() -> None:
    catalog = Catalog()
    catalog.result(KVSet("a", b"test"))
    before, asks = catalog.view.store.index, len(catalog.leader.asks)
    answer = await catalog.put("txn", [kv("get"), kv("get-or-empty", "no"), kv("check-not-exists", "no")])
    assert answer.text == (
        f'{{"Results":[{{"KV":{{"LockIndex":0,"Key":"a","Flags":0,"Value":"dGVzdA==","CreateIndex":{before},'
        f'"ModifyIndex":{before}}}}},{{"KV":{{"LockIndex":0,"Key":"no","Flags":0,"Value":null,"CreateIndex":0,'
        '"ModifyIndex":0}}],"Errors":null,"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":"",'
        '"NotModified":false,"Backend":0,"ResultsFilteredByACLs":false}'
    )
    assert "x-consul-index" not in answer.headers
    assert (answer.headers["x-consul-knownleader"], answer.headers["x-consul-lastcontact"]) == ("true", "0")
    assert catalog.view.store.index == before, "no entry of the log"
    assert catalog.leader.asks[asks:] == [False]
    await catalog.put("txn?consistent", [kv("get")])
    assert catalog.leader.asks[-1] is True


@story
async def test_a_stale_read_needs_no_leader_and_a_strong_one_does() -> None:
    catalog = Catalog()
    catalog.leader.away = True
    catalog.view.silence_s = 5.0
    answer = await catalog.put("txn?stale", [kv("get-tree", "a")])
    assert (answer.json()["LastContact"], answer.json()["KnownLeader"]) == (5_000_000_000, False)
    assert answer.headers["x-consul-lastcontact"] == "5000"
    for ops in ([kv("get-tree")], [kv("set")]):
        answer = await catalog.put("txn", ops)
        assert (answer.status_code, answer.text) == (500, "No cluster leader")
    assert (await catalog.put("txn?stale&consistent", [kv("get")])).status_code == 400


@story
async def test_one_failure_undoes_everything_and_is_409_with_its_number() -> None:
    catalog = Catalog()
    assert await errors(catalog, kv("set", "x", b"1"), kv("get", "nope"), kv("cas", "x", Index=7)) == [
        (1, 'key "nope" doesn\'t exist'),
        (2, 'failed to set key "x", index is stale'),
    ]
    assert (await catalog.get("kv/x")).status_code == 404
    assert await errors(catalog, kv("get", "nope")) == [(0, 'key "nope" doesn\'t exist')]


@story
async def test_vaults_first_transaction_of_128_missing_keys_succeeds_and_129_are_too_many() -> None:
    catalog = Catalog()
    answer = await catalog.put("txn", [kv("get-or-empty", "probe")] * 128)
    assert (answer.status_code, len(answer.json()["Results"]), answer.json()["Errors"]) == (200, 128, None)
    answer = await catalog.put("txn", [kv("get-or-empty", "probe")] * 129)
    assert (answer.status_code, answer.text) == (413, "Transaction contains too many operations (129 > 128)")


@story
async def test_a_lost_lock_is_told_as_operation_0() -> None:
    catalog = Catalog()
    catalog.result(SessionCreate("s-1", "n1"))
    await catalog.put("txn", [kv("lock", "core/lock", Session="s-1")])
    held = [kv("check-session", "core/lock", Session="s-1"), kv("set", "core/x", b"1")]
    assert (await catalog.put("txn", held)).status_code == 200
    catalog.result(SessionDestroy("s-1"))
    assert await errors(catalog, *held) == [
        (0, 'failed session check for key "core/lock", current session "" != "s-1"')
    ]
    catalog.result(SessionCreate("s-2", "n1"))
    assert await errors(catalog, kv("lock", "core/lock", Session="s-2")) == [
        (0, 'failed to lock key "core/lock" due to lock delay')
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "EOF"),
        (b"{}", "json: cannot unmarshal object into Go value of type api.TxnOps"),
        (b'"x"', "json: cannot unmarshal string into Go value of type api.TxnOps"),
        (b"true", "json: cannot unmarshal bool into Go value of type api.TxnOps"),
        (b"5", "json: cannot unmarshal number into Go value of type api.TxnOps"),
        (b"[5]", "json: cannot unmarshal number into Go value of type api.TxnOp"),
        (b"[null]", "json: cannot unmarshal null into Go value of type api.TxnOp"),
        (b'[{"Foo":1}]', 'json: unknown field "Foo"'),
        (b'[{"KV":{"Verb":"get","Key":"a","Foo":1}}]', 'json: unknown field "Foo"'),
        (b'[{"KV":{"Namespace":"x"}}]', 'json: unknown field "Namespace" - Namespaces are a Consul Enterprise feature'),
        (b'[{"KV":{"Value":"$$"}}]', "illegal base64 data at input byte 0"),
        (b'[{"KV":{"Value":"QUJ"}}]', "illegal base64 data at input byte 0"),
        (b'[{"KV":{"Verb":1}}]', "json: cannot unmarshal number into Go struct field KVTxnOp.KV.Verb of type string"),
        (b'[{"Node":{"Node":{"Foo":1}}}]', 'json: unknown field "Foo"'),
        (b'[{"Session":{"Verb":"delete"}}]', 'json: unknown field "Session"'),
    ],
)
def test_a_body_that_cannot_be_read_is_400(body: bytes, said: str) -> None:
    @story
    async def told() -> None:
        answer = await Catalog().put("txn", content=body)
        assert (answer.status_code, answer.text) == (400, f"Failed to parse body: {said}")

    told()


@story
async def test_a_body_above_512_kib_is_413_with_consuls_words() -> None:
    body = json.dumps([kv("set", "a", b"x" * 400_000)]).encode()
    assert len(body) > 524_288
    answer = await Catalog().put("txn", content=body)
    assert answer.status_code == 413
    assert answer.text.startswith(f"Request body({len(body)} bytes) too large, max size: 524288 bytes. See ")
    assert "txn_max_req_len" in answer.text


@story
async def test_null_and_objects_without_an_operation_do_not_count() -> None:
    catalog = Catalog()
    for body in (b"null", b"[]", b"[{}]", b'[{"KV":null}]'):
        answer = await catalog.put("txn", content=body)
        assert (answer.status_code, answer.json()["Results"]) == (200, [])
    assert await errors(catalog, {}, kv("get", "nope")) == [(0, 'key "nope" doesn\'t exist')]
    both = kv("check-not-exists", "b") | {"Node": {"Verb": "get", "Node": {"Node": "nope"}}}
    assert (await catalog.put("txn", [both])).status_code == 200


@pytest.mark.parametrize(
    ("op", "what"),
    [
        (kv("get", ""), "Must provide key"),
        (kv("set", ""), "Must provide key"),
        ({"Node": {"Verb": "set", "Node": {"Address": "x"}}}, "Must provide node"),
        ({"Node": {"Verb": "set", "Node": {"Node": "x", "ID": "zz"}}}, "Bad node ID: uuid string is wrong length"),
        ({"Node": {"Verb": "get"}}, 'node "" doesn\'t exist'),
        ({"Service": {"Verb": "set", "Node": "n1", "Service": {"ID": "s"}}}, "Must provide service name (Service.Service) when service ID is provided"),
        ({"Service": {"Verb": "set", "Node": "n1", "Service": {"ID": "s", "Service": "w", "Address": "0.0.0.0"}}}, "Invalid service address"),
        ({"Service": {"Verb": "set", "Node": "n1", "Service": {"ID": "s", "Service": "w", "Meta": {"": "c"}}}}, "Invalid Service Meta for node n1 and serviceID s: Couldn't load metadata pair ('', 'c'): Key cannot be blank"),
        ({"Service": {"Verb": "set", "Node": "n1"}}, "failed inserting service: object missing primary index"),
        ({"Check": {"Verb": "set", "Check": {"Node": "n1"}}}, "failed inserting check: object missing primary index"),
    ],
)  # fmt: skip
def test_what_an_operation_alone_shows_to_be_wrong_is_its_error_and_nothing_is_tried(op: Any, what: str) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        assert ("Index" in (await catalog.put("txn", [op])).json()) is ("get" in str(op)), "a read says how fresh it is"
        found = await errors(catalog, kv("set", "x"), op, kv("get", "nope"))
        assert found[0] == (1, what)
        assert len(found) == (2 if "exist" in what else 1)
        assert (await catalog.get("kv/x")).status_code == 404

    told()


@story
async def test_nodes_services_and_checks_have_their_catalog_shapes() -> None:
    catalog = Catalog()
    ops = [
        {"Node": {"Verb": "set", "Node": {"Node": "ext", "Address": "1.2.3.4", "Meta": {"m": "1"}}}},
        {"service": {"verb": "set", "node": "ext", "service": {"Service": "api", "Tags": ["t"], "ContentHash": "x"}}},
        {"Check": {"Verb": "set", "Check": {"Node": "ext", "Name": "c", "ServiceID": "api", "Status": "passing"}}},
    ]
    answer = await catalog.put("txn", ops)
    node, service, check = answer.json()["Results"]
    assert node["Node"] == (await catalog.get("catalog/node/ext")).json()["Node"]
    assert node["Node"]["Datacenter"] == "dc1"
    assert service["Service"] == (await catalog.get("catalog/node/ext")).json()["Services"]["api"]
    assert [check["Check"]] == (await catalog.get("health/checks/api")).json()
    gets = [
        {"Node": {"Verb": "get", "Node": {"Node": "EXT"}}},
        {"Service": {"Verb": "get", "Node": "ext", "Service": {"ID": "api"}}},
        {"Check": {"Verb": "get", "Check": {"Node": "ext", "CheckID": "c"}}},
    ]
    assert (await catalog.put("txn", gets)).json()["Results"] == [node, service, check]
    stale = {"Service": {"Verb": "cas", "Node": "ext", "Service": {"Service": "api", "ModifyIndex": 1}}}
    assert await errors(catalog, stale) == [(0, 'failed to set service "api" on node "ext", index is stale')]


@story
async def test_more_than_a_message_holds_can_be_read_but_not_beside_a_write() -> None:
    catalog = Catalog()
    catalog.result(KVSet("t/1", b"x" * 400_000))
    catalog.result(KVSet("t/2", b"x" * 400_000))
    assert len((await catalog.put("txn", [kv("get-tree", "t/")])).json()["Results"]) == 2
    ((number, what),) = await errors(catalog, kv("set"), kv("get", "t/1"), kv("get", "t/2"))
    assert (number, str(RESULTS_BYTES_MAX) in what) == (2, True)


@story
async def test_only_put_is_allowed() -> None:
    answer: httpx.Response = await Catalog().get("txn")
    assert (answer.status_code, answer.text, answer.headers["allow"]) == (405, "method GET not allowed", "OPTIONS,PUT")


FLAWS = {
    "x": 0, "QUJ": 0, "QUJDx": 4, "QUJDQQ": 4, "QUJD=": 4, "QU=D": 2, "QUI=x": 4, "QU==x": 4, "Q=": 1, "=": 0,
    "QUI==": 4, "QUJDQQ=": 7, "QUJDQUJDQUJDQUJDQ": 16, "QUJ$": 3, "QU\nJ": 1, "QU=": 3,
}  # fmt: skip
"""Where a real Consul finds them (asked)."""


@pytest.mark.parametrize("given", FLAWS)
def test_a_flaw_in_base64_is_found_where_go_finds_it(given: str) -> None:
    with pytest.raises(BodyError, match=f"illegal base64 data at input byte {FLAWS[given]}$"):
        txn_request.base64_value(given, "")


LINES = {"": b"", "QUI=": b"AB", "QQ==": b"A", "QUJD": b"ABC", "QU\nI=": b"AB", "QUI=\r\n": b"AB", "QQ=\n=": b"A"}


@pytest.mark.parametrize("given", LINES)
def test_base64_may_have_line_ends_anywhere(given: str) -> None:
    assert txn_request.base64_value(given, "") == LINES[given]

"""Without ACLs: the whole family answers 401, any token is taken, and none is ever written down."""

import io
import json
from typing import Any, NoReturn

import pytest
import structlog
from api_fixture import Catalog, story

from lictor_catalog import routes
from lictor_kit import logs

TOKEN = "2fb0d9f6-5a9e-4b4b-a2f5-3c1d7f0e9b11"


@story
async def test_every_acl_endpoint_answers_401_for_its_own_methods_and_405_for_others() -> None:
    catalog = Catalog()
    family = {route: methods for route, methods in routes.ROUTES.items() if route.startswith("/v1/acl/")}
    assert len(family) > 30
    for route, methods in family.items():
        for method in ("GET", "PUT", "POST", "DELETE"):
            url = f"http://catalog{route}{'x' if route.endswith('/') else ''}"
            answer = await catalog.http.request(method, url, content=b"not json")
            if method in methods:
                assert (answer.status_code, answer.text) == (401, "ACL support disabled"), (method, route)
            else:
                assert (answer.status_code, answer.text) == (405, f"method {method} not allowed"), (method, route)


@pytest.mark.parametrize(
    "path",
    ["token/abc/clone", "policy/name/x", "role/name/x", "templated-policy/name/builtin%2Fservice", "token/self"],
)
def test_paths_below_a_route_are_found(path: str) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        method = "PUT" if path.endswith("clone") else "GET"
        assert (await catalog.http.request(method, f"acl/{path}")).status_code == 401

    told()


@story
async def test_what_is_no_acl_endpoint_is_unknown() -> None:
    catalog = Catalog()
    for path in ("acl/nope", "acl/authorize", "acl/templated-policy/x"):
        assert (await catalog.get(path)).status_code == 404, path


@pytest.mark.parametrize("kind", ["default", "agent", "agent_recovery", "replication", "dns", "acl_token", "nope", ""])
def test_a_token_for_the_agent_is_refused_unread(kind: str) -> None:
    @story
    async def told() -> None:
        answer = await Catalog().put(f"agent/token/{kind}", {"Token": TOKEN})
        assert (answer.status_code, answer.text) == (401, "ACL support disabled")

    told()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_token_is_ever_logged_however_it_comes_and_whatever_goes_wrong(log_format: str) -> None:
    written = io.StringIO()

    @story
    async def told() -> None:
        logs.configure("catalog", "n1", "debug", log_format, stream=written)
        catalog = Catalog()
        ways: tuple[dict[str, Any], ...] = (
            {"params": {"token": TOKEN}},
            {"headers": {"X-Consul-Token": TOKEN}},
            {"headers": {"Authorization": f"Bearer {TOKEN}"}},
            {"headers": {"Authorization": f"bearer {TOKEN}"}},
        )
        service = {"Name": "web", "Token": TOKEN, "Check": {"TTL": "1h", "Token": TOKEN}}
        for way in ways:
            for path in ("agent/self", "agent/services", "kv/a", "health/service/web", "acl/token/self", "nope"):
                answer = await catalog.get(path, **way)
                assert answer.status_code in {200, 401, 404}, path
                assert TOKEN not in answer.text
            assert (await catalog.put("agent/service/register", service, **way)).status_code == 200
            assert (await catalog.put("acl/logout", **way)).status_code == 405
            assert (await catalog.http.post("acl/login", json={"BearerToken": TOKEN}, **way)).status_code == 401
            assert (await catalog.put("agent/token/default", {"Token": TOKEN}, **way)).status_code == 401
        assert TOKEN not in (await catalog.get("agent/services")).text

        def fail(*_given: object, **_more: object) -> NoReturn:
            raise RuntimeError("a fault of ours")

        catalog.leader.join = catalog.leader.propose = fail  # type: ignore[method-assign]
        for way in ways:
            for path in ("agent/self", "catalog/nodes"):
                assert (await catalog.get(path, **way)).text == "internal error"
            assert (await catalog.put("agent/service/register", service, **way)).status_code == 500
            check = {"Name": "c", "TTL": "1h", "Token": TOKEN}
            assert (await catalog.put("agent/check/register", check, **way)).status_code == 500

    try:
        told()
    finally:
        structlog.reset_defaults()
    assert "a fault of ours" in written.getvalue()
    assert TOKEN not in written.getvalue()


@story
async def test_authorize_judges_by_intentions_and_then_by_the_default() -> None:
    catalog = Catalog()
    for source, action in (("web", "deny"), ("api", "allow")):
        await catalog.put(f"connect/intentions/exact?source={source}&destination=db", {"Action": action})
    uri = "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/"
    table = {
        "web": (False, "Matched intention: DENY default/web => default/db (Precedence: 9)"),
        "api": (True, "Matched intention: ALLOW default/api => default/db (Precedence: 9)"),
        "other": (True, "ACLs disabled, access is allowed by default"),
    }
    for source, (allowed, reason) in table.items():
        body = {"Target": "db", "ClientCertURI": uri + source, "ClientCertSerial": "01"}
        answer = await catalog.http.post("agent/connect/authorize", json=body)
        assert (answer.status_code, answer.json()) == (200, {"Authorized": allowed, "Reason": reason})
    permissions = {"Permissions": [{"Action": "allow", "HTTP": {"PathPrefix": "/"}}]}
    await catalog.put("connect/intentions/exact?source=l7&destination=db", permissions)
    answer = await catalog.http.post("agent/connect/authorize", json={"Target": "db", "ClientCertURI": uri + "l7"})
    assert answer.json()["Authorized"] is False


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "Request decode failed: EOF"),
        ({}, "Target service must be specified"),
        ({"Target": "db"}, "ClientCertURI not a valid Connect identifier"),
        ({"Target": "db", "ClientCertURI": "http://x"}, "ClientCertURI not a valid Connect identifier"),
        ({"Target": "db", "ClientCertURI": "spiffe://a.consul"}, "ClientCertURI not a valid Service identifier"),
        ({"Target": "db", "Bogus": 1}, 'Request decode failed: json: unknown field "Bogus"'),
    ],
)
def test_what_authorize_refuses(body: object, text: str) -> None:
    @story
    async def told() -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await Catalog().http.post("agent/connect/authorize", content=raw)
        assert (answer.status_code, answer.text) == (400, text)

    told()

"""Blocked endpoints, who may write, and headers of every answer: settings as Consul's `http_config`."""

import httpx
import pytest
from api_fixture import Catalog, story

from lictor_catalog.access import Access
from lictor_catalog.settings import CatalogSettings
from lictor_kit import load

NAMES = {
    "response_headers": "LICTOR_CATALOG_RESPONSE_HEADERS",
    "block": "LICTOR_CATALOG_BLOCK_ENDPOINTS",
    "writers": "LICTOR_CATALOG_ALLOW_WRITE_FROM",
}


def settings(**given: str) -> CatalogSettings:
    return load(CatalogSettings, [], {NAMES[name]: value for name, value in given.items()})


def catalog_with(**given: str) -> Catalog:
    chosen = settings(**given)
    return Catalog(access=Access(chosen.catalog_block_endpoints, chosen.catalog_allow_write_from))


def test_without_settings_nothing_is_restricted() -> None:
    chosen = settings()
    for one in (chosen.catalog_response_headers, chosen.catalog_block_endpoints, chosen.catalog_allow_write_from):
        assert one == ()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("block", "/v1/agent/,/foo", "'/foo' does not begin with /v1/"),
        ("block", ",".join(["/v1/x"] * 65), "more than 64 parts"),
        ("writers", "10.0.0.0/99", "10.0.0.0/99"),
        ("writers", "10.0.0.1/8", "host bits set"),
        ("writers", "here", "'here'"),
        ("response_headers", "X: y", "not a JSON object"),
        ("response_headers", "[]", "not a JSON object"),
        ("response_headers", '{"a b": "c"}', "header 'a b' cannot be set"),
        ("response_headers", '{"Content-Length": "1"}', "header 'Content-Length' cannot be set"),
        ("response_headers", '{"X": "a\\r\\nY: b"}', "no printable text"),
        ("response_headers", '{"X": 1}', "no printable text"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_reason(
    name: str, value: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        settings(**{name: value})
    said = capsys.readouterr().err
    assert NAMES[name] in said
    assert reason in said


@story
async def test_blocked_endpoints_are_403_for_every_method() -> None:
    catalog = catalog_with(block="/v1/agent/, /v1/catalog/register")
    for method, path in [("GET", "agent/self"), ("GET", "agent/services"), ("OPTIONS", "agent/self"), ("PUT", "catalog/register")]:  # fmt: skip
        answer = await catalog.http.request(method, path)
        assert (answer.status_code, answer.text) == (403, "Endpoint is blocked by agent configuration"), path
    assert (await catalog.get("catalog/nodes")).status_code == 200
    assert catalog.api.hot.find(b"/v1/agent/services", []) is None  # the quick way round is closed too
    assert catalog.api.hot.find(b"/v1/catalog/nodes", []) is not None


@pytest.mark.parametrize(
    ("client", "networks", "may"),
    [
        ("127.0.0.1", "127.0.0.0/8", True),
        ("10.1.2.3", "127.0.0.0/8,10.0.0.0/8", True),
        ("10.1.2.3", "127.0.0.0/8", False),
        ("::1", "::1/128", True),
        ("::1", "127.0.0.0/8", False),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("/a/socket", "10.0.0.0/8", False),
        ("", "10.0.0.0/8", False),
    ],
)
def test_writes_come_from_the_networks_that_may(client: str, networks: str, may: bool) -> None:
    @story
    async def asked() -> None:
        catalog = catalog_with(writers=networks)
        transport = httpx.ASGITransport(catalog.api.app, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://catalog/v1/") as http:
            answer = await http.put("kv/a", content=b"1")
            assert (answer.status_code, answer.text) == ((200, "true") if may else (403, "Access is restricted"))
            assert (await http.delete("kv/a")).status_code == (200 if may else 403)
            assert (await http.get("kv/?keys")).status_code == 200
            assert (await http.options("kv/a")).status_code == 200

    asked()


def test_response_headers_are_read_in_order() -> None:
    chosen = settings(response_headers='{"Access-Control-Allow-Origin": "*", "X-Frame-Options": "DENY; x=1"}')
    assert chosen.catalog_response_headers == (("Access-Control-Allow-Origin", "*"), ("X-Frame-Options", "DENY; x=1"))

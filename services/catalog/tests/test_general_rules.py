"""What holds for every endpoint: routing, methods, parameters, encodings, limits."""

import gzip
from typing import Any

import pytest
from api_fixture import Catalog, story

from lictor_catalog import clean_path, routes
from lictor_catalog.asgi import accepts_gzip
from lictor_catalog.fast_reads import READS


def test_every_get_route_is_a_fast_read_or_one_of_the_rare_ones() -> None:
    rare = {
        "/v1/agent/connect/ca/leaf/", "/v1/agent/self", "/v1/agent/version",
        "/v1/agent/health/service/id/", "/v1/agent/health/service/name/", "/v1/agent/host", "/v1/agent/metrics",
        "/v1/agent/metrics/stream", "/v1/agent/monitor",
        "/v1/catalog/datacenters", "/v1/status/leader", "/v1/status/peers",
        "/v1/operator/keyring", "/v1/internal/store", "/v1/internal/pool", "/v1/internal/pool/why/", "/v1/operator/raft/configuration", "/v1/snapshot", "/v1/query/",
            "/v1/operator/autopilot/configuration", "/v1/operator/autopilot/health", "/v1/operator/autopilot/state",
    }  # fmt: skip
    # (Below /v1/acl/ everything answers 401.)
    reads = {route for route, methods in routes.ROUTES.items() if "GET" in methods and "/acl/" not in route}
    assert reads == set(READS) | rare


@story
async def test_every_route_reaches_an_endpoint() -> None:
    catalog = Catalog()
    endless = {"/v1/agent/metrics/stream", "/v1/agent/monitor"}
    for route, methods in routes.ROUTES.items():
        for method in methods if route not in endless else ():
            answer = await catalog.http.request(method, f"http://catalog{route}")
            own = ("Intention not found", "Query not found")
            assert "not found" not in answer.text.lower() or answer.text in own, (method, route)
            assert answer.status_code != 405, (method, route)
            assert answer.text != '{"detail":"Not Found"}', (method, route)
            assert answer.headers["x-consul-default-acl-policy"] == "allow"


@story
async def test_methods_that_a_route_does_not_allow() -> None:
    catalog = Catalog()
    answer = await catalog.http.head("kv/a")
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS,GET,PUT,DELETE")
    answer = await catalog.http.post("agent/services")
    assert (answer.status_code, answer.text, answer.headers["allow"]) == (405, "method POST not allowed", "OPTIONS,GET")
    answer = await catalog.http.options("kv/a")
    assert (answer.status_code, answer.content, answer.headers["allow"]) == (200, b"", "OPTIONS,GET,PUT,DELETE")


@story
async def test_unknown_paths() -> None:
    catalog = Catalog()
    table = [
        ("/v1/nope", 404, "Invalid URL path: not a recognized HTTP API endpoint"),
        ("/nope", 404, "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'"),
        ("/", 200, "Lictor"),
        ("/v1/kv", 301, ""),
    ]
    for path, status, text in table:
        answer = await catalog.http.get(f"http://catalog{path}")
        assert (answer.status_code, answer.text.startswith(text)) == (status, True), path


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("ns=default", 400, 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'),
        ("partition=x", 400, 'Invalid query parameter: "partition" - Partitions are a Consul Enterprise feature'),
        ("ns=", 200, ""),
        ("dc=dc9", 500, "No path to datacenter"),
        ("dc=dc1", 200, ""),
        ("dc=dc1&datacenter=dc9", 500, "No path to datacenter"),
        ("filter=Node==x", 200, ""),
        ("filter=Bogus==x", 500, 'Failed to create boolean expression evaluator: Selector "Bogus" is not valid'),
        ("filter=", 200, ""),
        ("index=-1", 400, "Invalid index"),
        ("index=x", 400, "Invalid index"),
        ("wait=x", 400, "Invalid wait time"),
        ("wait=10", 400, "Invalid wait time"),
        ("stale&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."),
        ("cached&consistent", 400, "Cannot specify ?cached with ?consistent, conflicting semantics."),
        ("max_stale=x", 400, 'Invalid max_stale value "x"'),
        ("a=%zz", 500, "invalid URL escape"),
        ("unknown=1&near=_agent", 200, ""),
    ],
)
def test_common_parameters(query: Any, status: Any, text: Any) -> None:
    @story
    async def asked() -> None:
        catalog = Catalog()
        answer = await catalog.get(f"catalog/services?{query}")
        assert (answer.status_code, answer.text.startswith(text)) == (status, True), answer.text
        if status != 200:
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"

    asked()


@story
async def test_namespace_headers_are_refused() -> None:
    answer = await Catalog().get("catalog/services", headers={"X-Consul-Namespace": "default"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("max-age=5", 200), ("MAX-AGE=5, must-revalidate", 200), ("stale-if-error=5", 200), ("max-age=-1", 200), ("no-cache", 200), ("max-age = 5", 200), ("", 200),
        ("max-age=x", 400), ("max-age=", 400), ("max-age=1.5", 400), ("stale-if-error=x", 400), ("no-cache, max-age=5s", 400),
    ],
)  # fmt: skip
def test_a_cache_control_that_cannot_be_read_is_refused_by_every_read(header: str, status: int) -> None:
    @story
    async def asked() -> None:
        catalog = Catalog()
        for path in (
            "health/service/web?cached",
            "catalog/nodes?cached",
            "catalog/nodes",
            "kv/?keys",
            "agent/services",
        ):
            answer = await catalog.get(path, headers={"Cache-Control": header})
            assert answer.status_code == status, path
            if status == 400:
                assert answer.text == "Invalid Cache-Control header."

    asked()


@story
async def test_an_unclean_path_is_redirected_as_go_does() -> None:
    catalog = Catalog()
    for path, location in [("kv//a?x=1&y", "/v1/kv/a?x=1&y"), ("kv", "/v1/kv/")]:
        answer = await catalog.http.get(f"http://catalog/v1/{path}")
        assert (answer.status_code, answer.headers["location"]) == (301, location)
        shown = location.replace("&", "&amp;")
        assert answer.text == f'<a href="{shown}">Moved Permanently</a>.\n\n'
        for method in ("PUT", "DELETE", "OPTIONS"):
            moved = await catalog.http.request(method, f"http://catalog/v1/{path}")
            assert (moved.status_code, moved.headers["location"], moved.content) == (301, location, b"")
            assert "content-type" not in moved.headers


@pytest.mark.parametrize("path", ["acl/policy/name", "agent/service/deregister", "agent/service/maintenance"])
def test_a_tree_without_its_slash_is_moved_though_it_is_in_a_larger_tree(path: str) -> None:
    @story
    async def asked() -> None:
        for method in ("GET", "PUT", "OPTIONS"):
            answer = await Catalog().http.request(method, f"http://catalog/v1/{path}")
            assert (answer.status_code, answer.headers["location"]) == (301, f"/v1/{path}/")

    asked()


@pytest.mark.parametrize("verb", ["execute", "explain"])
def test_what_is_below_a_query_is_only_read(verb: str) -> None:
    @story
    async def asked() -> None:
        catalog = Catalog()
        for method, status in (("PUT", 405), ("DELETE", 405), ("POST", 405), ("OPTIONS", 200)):
            answer = await catalog.http.request(method, f"http://catalog/v1/query/q/{verb}")
            assert (answer.status_code, answer.headers["allow"]) == (status, "OPTIONS,GET")
        whole = await catalog.http.request("POST", "http://catalog/v1/query/q")
        assert whole.headers["allow"] == "OPTIONS,GET,PUT,DELETE"

    asked()


BODIES: list[tuple[bytes, str]] = [
    (b"", "Request decode failed: EOF"),
    (b"{", "Request decode failed: unexpected EOF"),
    (b'{"Node": "a', "Request decode failed: unexpected EOF"),
    (b'{"Bogus": 1}', 'Request decode failed: json: unknown field "Bogus"'),
    (b'{"Node": "a"} what comes after is not read', "Must provide address if SkipNodeUpdate is not set"),
    (b'{"Node": "\xff"}', "Must provide address if SkipNodeUpdate is not set"),
    (b"null", "Must provide node"),
]


@pytest.mark.parametrize(("body", "text"), BODIES)
def test_bodies_are_read_as_go_reads_them(body: bytes, text: str) -> None:
    @story
    async def asked() -> None:
        assert (await Catalog().put("catalog/register", content=body)).text == text

    asked()


@story
async def test_pretty_indents_by_four_and_ends_with_a_newline() -> None:
    catalog = Catalog()
    await catalog.put("agent/service/register", {"Name": "web", "Tags": ["a"]})
    assert (await catalog.get("catalog/services?pretty")).text == '{\n    "web": [\n        "a"\n    ]\n}\n'


@story
async def test_gzip_for_bodies_that_are_worth_it() -> None:
    catalog = Catalog()
    for name in ("a", "b", "c"):
        await catalog.put("agent/service/register", {"Name": "web", "ID": name})
    async with catalog.http.stream("GET", "health/service/web", headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == "gzip"
    plain = await catalog.get("health/service/web", headers={"Accept-Encoding": "identity"})
    assert gzip.decompress(raw) == plain.content
    assert "content-encoding" not in plain.headers
    small = await catalog.get("catalog/services", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [(b"gzip", True), (b"GZIP", True), (b"deflate, gzip;q=0.5", True), (b"br,gzip ; q=1.0", True), (b"gzip;q=0", False), (b"gzip; q = 0.0", False), (b"identity", False), (b"", False), (b"x-gzip", False)],
)  # fmt: skip
def test_who_takes_gzip(accepted: bytes, takes: bool) -> None:
    assert accepts_gzip(accepted) is takes


@story
async def test_the_datacenters_may_be_asked_for_from_the_cache() -> None:
    catalog = Catalog()
    plain, cached = await catalog.get("catalog/datacenters"), await catalog.get("catalog/datacenters?cached")
    assert plain.json() == cached.json() == ["dc1"]
    assert "x-cache" not in plain.headers
    assert (cached.headers["x-cache"], cached.headers["age"]) == ("HIT", "0")
    assert (await catalog.get("catalog/datacenters?cached&consistent")).status_code == 400


@story
async def test_a_body_above_the_limit_is_413() -> None:
    answer = await Catalog().put("catalog/register", content=b"x" * (768 * 1024 + 1))
    assert answer.status_code == 413
    assert "too large, max size: 786432 bytes" in answer.text


@story
async def test_an_unprintable_path_is_refused() -> None:
    assert (await Catalog().get("kv/a%01b")).status_code == 400


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("/v1/kv/a", "/v1/kv/a"),
        ("/v1//kv/a/", "/v1/kv/a/"),
        ("/v1/kv/../x", "/v1/x"),
        ("/..", "/"),
        ("/v1/./kv/", "/v1/kv/"),
    ],
)
def test_paths_are_cleaned_as_go_does(path: Any, clean: Any) -> None:
    assert clean_path.cleaned(path) == clean
    assert clean_path.is_clean(path) == (path == clean)


def test_a_key_that_begins_with_a_dot_is_clean() -> None:
    assert clean_path.is_clean("/v1/kv/.hidden")


@story
async def test_a_path_that_is_wrongly_escaped_is_refused() -> None:
    catalog = Catalog()
    answer = await catalog.http.get("kv/%zz")
    assert (answer.status_code, answer.text) == (400, "400 Bad Request")
    await catalog.put("kv/50%25", content=b"1")
    assert (await catalog.http.get("kv/50%25?raw")).content == b"1"


@story
async def test_endpoints_of_the_agent_look_at_no_datacenter() -> None:
    catalog = Catalog()
    for path in ("agent/services", "agent/checks", "agent/members", "agent/self", "agent/health/service/name/none"):
        assert (await catalog.get(path, params={"dc": "dc9"})).status_code in {200, 404}, path
    assert (await catalog.get("catalog/nodes", params={"dc": "dc9"})).status_code == 500
    assert (await catalog.get("connect/intentions/check?source=a&destination=b&source-type=x")).status_code == 500


BAD_OPTIONS = [
    ("stale&consistent", "Cannot specify ?stale with ?consistent, conflicting semantics."),
    ("max_stale=x", 'Invalid max_stale value "x"'),
    ("wait=10", "Invalid wait time"),
    ("index=-1", "Invalid index"),
    ("index=x&max_stale=x", 'Invalid max_stale value "x"'),
]


@pytest.mark.parametrize(("options", "reason"), BAD_OPTIONS)
def test_options_are_judged_where_consul_looks_at_them_and_nowhere_else(options: str, reason: str) -> None:
    @story
    async def asked() -> None:
        catalog = Catalog()
        servers = ["status/leader", "status/peers", "operator/raft/configuration", "operator/autopilot/health", "operator/autopilot/state"]  # fmt: skip
        for path in ["catalog/nodes", "agent/connect/ca/roots", *servers]:
            answer = await catalog.get(f"{path}?{options}")
            assert (answer.status_code, answer.text) == (400, reason), path
        for path in ["agent/services", "agent/checks", "agent/members", "agent/self", "coordinate/datacenters"]:
            assert (await catalog.get(f"{path}?{options}")).status_code == 200, path
        waits = "wait=" in options or "index=" in options
        for path, plain in (("event/list", 200), ("agent/service/none", 404)):
            assert (await catalog.get(f"{path}?{options}")).status_code == (400 if waits else plain), path

    asked()


@story
async def test_another_datacenter_is_ignored_by_the_agent_but_not_for_certificates() -> None:
    catalog = Catalog()
    for path in ("agent/self", "agent/services", "event/list"):
        assert (await catalog.get(f"{path}?dc=dc9")).status_code == 200, path
    for path in ("agent/connect/ca/roots", "agent/connect/ca/leaf/web", "status/leader"):
        answer = await catalog.get(f"{path}?dc=dc9")
        assert (answer.status_code, answer.text) == (500, "No path to datacenter"), path

"""`lictor import`: what is written, what is left out and why, and that a second run writes nothing."""

import base64
import http.server
import json
import posixpath
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from typer.testing import CliRunner

from lictor_cli.consul_import.contents import Contents, Node
from lictor_cli.consul_import.key_paths import path_of
from lictor_cli.consul_import.steps import SERVER_REASON, compare, entry_body
from lictor_cli.main import app


def node(name: str, *services: dict[str, Any], **checks: Any) -> Node:
    rows = {check_id.replace("_", "-"): {"Node": name, "CheckID": check_id} | row for check_id, row in checks.items()}
    return Node({"Node": name, "ID": "an-id", "Address": "1.1.1.1", "Meta": {}}, {s["ID"]: s for s in services}, rows)


def names(contents: Contents, target: Contents | None = None) -> list[str]:
    return [f"{step.family} {step.name}" for step in compare(contents, target or Contents()).steps]


WEB = {"ID": "w", "Service": "web", "Port": 80, "Tags": [], "Proxy": {"Expose": {}}, "CreateIndex": 7}
SERVER = {"ID": "consul", "Service": "consul", "Port": 8300}


def test_a_nodes_row_services_and_checks_come_in_this_order_and_without_the_id() -> None:
    check = {"Name": "c", "ServiceID": "w", "Status": "passing", "Definition": {}}
    steps = compare(Contents({"n": node("n", WEB, c=check)}), Contents()).steps
    assert [step.name for step in steps] == ["n", "n/w", "n/c"]
    assert "ID" not in steps[0].body
    assert steps[1].body == {
        "Node": "n",
        "SkipNodeUpdate": True,
        "Service": {k: WEB[k] for k in WEB if k != "CreateIndex"},
    }


def test_a_servers_own_registration_and_serf_health_are_left_out() -> None:
    serf = {"CheckID": "serfHealth", "Status": "passing"}
    only = Node({"Node": "s", "Address": "1"}, {"consul": SERVER}, {"serfHealth": serf})
    both = Node({"Node": "b", "Address": "1"}, {"consul": SERVER, "w": WEB}, {"serfHealth": serf})
    steps = compare(Contents({"s": only, "b": both}), Contents())
    assert [step.name for step in steps.steps] == ["b", "b/w"]
    assert ("nodes", "s", SERVER_REASON) in [(one.family, one.name, one.reason) for one in steps.left]
    assert {one.name for one in steps.left if one.family == "checks"} == {"b/serfHealth"}


def test_a_node_that_is_alive_in_lictor_keeps_its_row() -> None:
    alive = Node({"Node": "n", "Address": "9"}, {}, {"serfHealth": {}})
    assert names(Contents({"n": node("n", WEB)}), Contents({"n": alive})) == ["services n/w"]


def test_what_is_equal_but_for_indexes_and_empty_values_is_not_written() -> None:
    there = {
        **WEB,
        "Proxy": {},
        "Meta": {},
        "ModifyIndex": 99,
        "TaggedAddresses": {"consul-virtual": {"Address": "240.0.0.1"}},
    }
    steps = compare(Contents({"n": node("n", WEB)}), Contents({"n": node("n", there)}))
    assert (steps.steps, dict(steps.unchanged)) == ([], {"nodes": 1, "services": 1})


def test_the_status_of_a_check_that_lictor_runs_is_its_own() -> None:
    run = {"Name": "c", "Status": "passing", "Definition": {"HTTP": "http://x", "Interval": "10s"}}
    told = {"Name": "c", "Status": "passing"}
    source = Contents({"n": node("n", run=run, told=told)})
    target = Contents({"n": node("n", run={**run, "Status": "critical"}, told={**told, "Status": "critical"})})
    assert names(source, target) == ["checks n/told"]


def test_keys_keep_flags_and_bytes() -> None:
    value = base64.b64encode(b"\x00\xff").decode()
    source = Contents(
        keys={"a b/ü": {"Key": "a b/ü", "Value": value, "Flags": 2**64 - 1}, "e": {"Value": None, "Flags": 0}}
    )
    [first, second] = compare(source, Contents()).steps
    assert (first.path, first.body) == (f"/v1/kv/a%20b/%C3%BC?flags={2**64 - 1}", b"\x00\xff")
    assert second.body == b""
    assert names(source, Contents(keys=source.keys)) == []


REACHED = ("a", "a/", "a/b", "...", "a..", ".a/b", "a b/\u00fc", "a?b#c%2F", "~/\u20ac")
UNREACHABLE = ("/", "/a", "//", "a//b", "a//", ".", "..", "a/.", "a/../b", "./a", "a\n", "\u00a0", "\u200b/x")


@pytest.mark.parametrize("key", REACHED)
def test_a_path_leads_to_a_key_that_cleaning_does_not_change(key: str) -> None:
    path = path_of(key)
    assert path is not None
    assert unquote(urlsplit(path).path).removeprefix("/v1/kv/") == key
    assert posixpath.normpath(unquote(path)) == unquote(path).removesuffix("/")


@pytest.mark.parametrize("key", UNREACHABLE)
def test_a_key_that_no_path_leads_to_is_written_by_a_transaction(key: str) -> None:
    assert path_of(key) is None
    [step] = compare(Contents(keys={key: {"Key": key, "Value": "eA==", "Flags": 5}}), Contents()).steps
    operation = {"Verb": "set", "Key": key, "Value": "eA==", "Flags": 5}
    assert (step.method, step.path, step.body) == ("PUT", "/v1/txn", [{"KV": operation}])


def test_entries_lose_what_only_a_servers_table_knows_and_nothing_that_operators_wrote() -> None:
    router = {
        "Kind": "service-router",
        "Name": "r",
        "Routes": [{"Destination": {"Namespace": "default", "Service": "a"}}],
        "CreateIndex": 5,
    }
    assert entry_body(router) == {"Kind": "service-router", "Name": "r", "Routes": [{"Destination": {"Service": "a"}}]}
    proxy = {
        "Kind": "proxy-defaults",
        "Name": "global",
        "AccessLogs": {"Type": "file"},
        "Config": {"Namespace": "default"},
    }
    assert entry_body(proxy) == proxy
    sources = [{"Name": "a", "Action": "allow", "Precedence": 9, "Type": "consul", "LegacyID": "x"}]
    kept = entry_body({"Kind": "service-intentions", "Name": "d", "Sources": sources})
    assert kept["Sources"] == [{"Name": "a", "Action": "allow"}]


def test_intentions_come_with_their_entry_or_by_name() -> None:
    intention = {"SourceName": "a", "DestinationName": "d", "Action": "deny", "ID": "x", "Meta": {}}
    old = Contents(intentions={("a", "d"): intention})
    new = Contents(
        entries={("service-intentions", "d"): {"Kind": "service-intentions", "Name": "d"}},
        intentions={("a", "d"): intention},
    )
    assert names(old) == ["intentions a → d"]
    assert names(new) == ["config entries service-intentions/d"]


def test_queries_are_matched_by_name_and_not_taken_with_a_session() -> None:
    query = {"ID": "1", "Name": "q", "Service": {"Service": "web"}, "CreateIndex": 4}
    bound = {"ID": "2", "Name": "", "Session": "s"}
    steps = compare(Contents(queries=[query, bound]), Contents(queries=[{**query, "ID": "9", "DNS": {"TTL": "5s"}}]))
    assert [(step.method, step.path) for step in steps.steps] == [("PUT", "/v1/query/9")]
    assert [one.name for one in steps.left] == ["2"]
    assert compare(Contents(queries=[query]), Contents(queries=[{**query, "ID": "9"}])).steps == []


class Side:
    """A small server of the API: what it lists, what it was sent, the keys it refuses."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[bytes, int]] = {}
        self.written: list[str] = []
        self.tokens: set[str | None] = set()
        self.address = ""

    def get(self, path: str, query: str) -> Any:
        if path == "/v1/kv/" and "keys" in query:
            return sorted(self.keys) or None
        if path.startswith("/v1/kv/"):
            value, flags = self.keys[path.removeprefix("/v1/kv/")]
            return [{"Key": path.removeprefix("/v1/kv/"), "Value": base64.b64encode(value).decode(), "Flags": flags}]
        return None if path == "/v1/query" else []


@pytest.fixture
def sides() -> Iterator[tuple[Side, Side]]:
    servers = []
    made = (Side(), Side())
    for side in made:

        class Handler(http.server.BaseHTTPRequestHandler):
            of = side

            def do_GET(self) -> None:
                self.of.tokens.add(self.headers.get("X-Consul-Token"))
                url = urlsplit(self.path)
                answer = self.of.get(unquote(url.path), url.query)
                self._answer(404 if answer is None else 200, json.dumps(answer).encode() if answer is not None else b"")

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                key = unquote(urlsplit(self.path).path).removeprefix("/v1/kv/")
                self.of.written.append(key)
                if key == "refused":
                    self._answer(413, b"too large")
                    return
                self.of.keys[key] = (body, int(self.path.rpartition("flags=")[2]))
                self._answer(200, b"true")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        side.address = f"http://127.0.0.1:{server.server_address[1]}"
        servers.append(server)
    yield made
    for server in servers:
        server.shutdown()
        server.server_close()


def imported(sides: tuple[Side, Side], *more: str) -> Any:
    return CliRunner().invoke(app, ["import", "--from", sides[0].address, "--http-addr", sides[1].address, *more])


def test_keys_are_copied_once_and_the_token_goes_to_consul_only(sides: tuple[Side, Side], tmp_path: Any) -> None:
    consul, lictor = sides
    consul.keys = {"a": (b"\x00\xff", 7), "b": (b"", 0)}
    (tmp_path / "token").write_text("secret\n")
    assert imported(sides, "--dry-run").exit_code == 0
    assert lictor.keys == {}
    first = imported(sides, "--token-file", str(tmp_path / "token"))
    assert (first.exit_code, lictor.keys) == (0, consul.keys)
    assert ("secret" in consul.tokens, lictor.tokens, "secret" in first.output) == (True, {None}, False)
    lictor.written.clear()
    assert imported(sides).exit_code == 0
    assert lictor.written == []


def test_what_is_refused_is_named_and_the_rest_is_copied(sides: tuple[Side, Side]) -> None:
    consul, lictor = sides
    consul.keys = {"a": (b"1", 0), "refused": (b"2", 0), "z": (b"3", 0)}
    result = imported(sides)
    assert (result.exit_code, set(lictor.keys)) == (1, {"a", "z"})
    assert "refused: keys refused: 413: too large" in result.output


def test_a_consul_that_does_not_answer_is_one_line(sides: tuple[Side, Side]) -> None:
    result = CliRunner().invoke(app, ["import", "--from", "http://127.0.0.1:1", "--http-addr", sides[1].address])
    assert result.exit_code == 1
    assert "no answer from http://127.0.0.1:1" in result.output

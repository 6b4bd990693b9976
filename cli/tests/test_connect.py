"""`lictor connect envoy` and the demo's applications, against small servers."""

import asyncio
import http.server
import json
import threading

import pytest
from typer.testing import CliRunner

from lictor_cli.connect.envoy import ConnectError, proxy_of
from lictor_cli.demo.tiny_http import _unchunk, fetch
from lictor_cli.http_api import Api, ApiError
from lictor_cli.main import app

PROXY = {"ID": "web-1-sidecar-proxy", "Service": "web-sidecar-proxy", "Kind": "connect-proxy", "Port": 21000,
         "Proxy": {"DestinationServiceName": "web", "DestinationServiceID": "web-1"}}  # fmt: skip


@pytest.fixture
def catalog():
    """A catalog that knows one service with a sidecar."""
    answers = {
        "/v1/agent/services": {"web-1": {"ID": "web-1", "Service": "web"}, PROXY["ID"]: PROXY},
        f"/v1/agent/service/{PROXY['ID']}": PROXY,
        "/v1/agent/service/web-1": {"ID": "web-1", "Service": "web"},
        "/v1/agent/self": {"Config": {"NodeName": "n1", "Datacenter": "dc1"}},
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path in answers
            body = json.dumps(answers[self.path]).encode() if found else b"unknown service ID"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def connect(catalog, *arguments):
    return CliRunner().invoke(app, ["connect", "envoy", "--bootstrap", "--http-addr", catalog, *arguments])


def test_the_bootstrap_of_a_services_sidecar_is_printed(catalog):
    done = connect(catalog, "--sidecar-for", "web-1", "--grpc-addr", "127.0.0.1:9", "--admin-bind", "127.0.0.1:7")
    assert done.exit_code == 0
    made = json.loads(done.stdout)
    assert made["node"]["id"] == PROXY["ID"]
    assert made["admin"]["address"]["socket_address"]["port_value"] == 7


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--sidecar-for", "nobody"], 1, "no sidecar proxy is registered for service ID 'nobody'"),
        (["--proxy-id", "web-1"], 1, "is not a proxy"),
        (["--proxy-id", "gone"], 1, "404: unknown service ID"),
        ([], 2, "give one of --sidecar-for and --proxy-id"),
    ],
)
def test_what_cannot_be_made_is_one_clear_line(catalog, arguments, code, text):
    done = connect(catalog, *arguments)
    assert done.exit_code == code
    assert text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_api_that_does_not_answer_is_said():
    with pytest.raises(ApiError, match=r"no answer from http://127\.0\.0\.1:1") as refused:
        Api("127.0.0.1:1").get("/v1/agent/self")
    assert refused.value.status == 0


def test_two_sidecars_of_one_service_must_be_told_apart():
    class Two(Api):
        def get(self, path):
            return {"a": {**PROXY, "ID": "a"}, "b": {**PROXY, "ID": "b"}}

    with pytest.raises(ConnectError, match=r"several sidecars \(a, b\)"):
        proxy_of(Two("x"), "web-1")


def test_a_restart_needs_a_running_suite(tmp_path):
    done = CliRunner().invoke(app, ["dev", "restart", "web", "--data-dir", str(tmp_path)])
    assert done.exit_code == 1
    assert "no lictor dev runs on" in done.stderr


@pytest.mark.parametrize(
    ("body", "text"), [(b"5\r\nhello\r\n0\r\n\r\n", b"hello"), (b"2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc")]
)
def test_chunked_bodies_are_read(body, text):
    assert _unchunk(body) == text


def test_the_demos_client_reads_a_page(catalog):
    host, port = catalog.split(":")
    status, text = asyncio.run(fetch(host, int(port), "/v1/agent/self"))
    assert (status, json.loads(text)["Config"]["NodeName"]) == (200, "n1")

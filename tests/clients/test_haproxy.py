"""HAProxy fills a server template from SRV records, configured as docs/howto/dns-forwarding.md says, and follows them."""

import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from tests.clients.how_to import block
from tests.conformance.real_consul import free_ports

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not HAPROXY, reason="no haproxy on the path"),
]
FOLLOW_S = 20
ROUND = 12
"""Requests that meet every server of a few, for they take turns."""


ROUNDS_FROZEN = 50
"""Some seconds, and as many lookups of HAProxy."""


class Named(http.server.ThreadingHTTPServer):
    """A server that answers with its name, at an address of its own."""

    daemon_threads = True

    def __init__(self, name, address):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *_what):
                """Nobody reads it."""

        super().__init__((address, 0), Handler)
        self.name, self.address = name, address
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]


@pytest.fixture
def servers():
    made = [Named(f"web-{number}", f"127.0.0.{number}") for number in (1, 2, 3)]
    yield made
    for one in made:
        one.shutdown()
        one.server_close()


class Web:
    """The service `web` in the catalog: its instances are registered one by one."""

    def __init__(self, suite):
        self.suite = suite

    def put(self, server, status="passing", weight=1):
        service = {
            "ID": server.name,
            "Service": "web",
            "Address": server.address,
            "Port": server.port,
            "Weights": {"Passing": weight, "Warning": 1},
        }
        check = {"CheckID": server.name, "Name": "c", "Status": status, "ServiceID": server.name}
        body = {"Node": "haproxy-box", "Address": "10.30.0.1", "Service": service, "Check": check}
        assert self.suite.put("/v1/catalog/register", body).status == 200

    def remove(self, server):
        body = {"Node": "haproxy-box", "ServiceID": server.name}
        assert self.suite.put("/v1/catalog/deregister", body).status == 200

    def end(self):
        self.suite.put("/v1/catalog/deregister", {"Node": "haproxy-box"})


@pytest.fixture
def web(suite):
    made = Web(suite)
    yield made
    made.end()


class Proxy:
    """A running HAProxy: who answers through it, and what it says of its servers."""

    def __init__(self, port, admin):
        self.port, self.admin = port, admin

    def answers(self):
        """Who answered a round of requests; nothing for one that failed."""
        seen = set()
        for _ in range(ROUND):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                    seen.add(answer.read().decode())
            except (urllib.error.HTTPError, OSError):
                seen.add("")
        return seen

    def command(self, text):
        with socket.socket(socket.AF_UNIX) as talk:
            talk.connect(str(self.admin))
            talk.sendall(text.encode() + b"\n")
            pieces = []
            while piece := talk.recv(65_536):
                pieces.append(piece)
        return b"".join(pieces).decode()

    def weights(self):
        """The weight of every server that has an address, by port."""
        _, head, *lines = self.command("show servers state web").strip().splitlines()
        names = head.removeprefix("# ").split()
        rows = [dict(zip(names, line.split(), strict=True)) for line in lines]
        return {int(row["srv_port"]): int(row["srv_uweight"]) for row in rows if row["srv_port"] != "0"}


@pytest.fixture
def haproxy(suite, tmp_path, wait_until):
    (port,) = free_ports(1)
    admin, config, log = tmp_path / "admin", tmp_path / "haproxy.cfg", tmp_path / "log"
    page = block("dns-forwarding.md", "HAProxy")
    assert "127.0.0.1:8600" in page
    config.write_text(
        f"global\n    stats socket {admin} mode 600 level admin\n"
        "defaults\n    mode http\n    timeout connect 2s\n    timeout client 5s\n    timeout server 5s\n    retries 3\n"
        f"    option redispatch 1\nfrontend in\n    bind 127.0.0.1:{port}\n    default_backend web\n"
        + page.replace("8600", str(suite.port(8600)))
    )
    checked = subprocess.run([HAPROXY, "-c", "-f", config], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    with log.open("wb") as output:
        process = subprocess.Popen([HAPROXY, "-db", "-f", config], stdout=output, stderr=output)
    try:
        wait_until(lambda: admin.exists() or process.poll() is not None, 10, "haproxy up")
        assert process.poll() is None, log.read_text()
        yield Proxy(port, admin)
    finally:
        process.terminate()
        process.wait(10)


def test_servers_come_and_go_with_their_instances(web, servers, haproxy, wait_until):
    one, two, three = servers
    assert haproxy.answers() == {""}
    web.put(one)
    web.put(two)
    wait_until(lambda: haproxy.answers() == {"web-1", "web-2"}, FOLLOW_S, "both instances")
    web.put(three, weight=512)
    wait_until(lambda: haproxy.answers() == {"web-1", "web-2", "web-3"}, FOLLOW_S, "the third")
    # HAProxy's scale of weights is 256 to DNS's 65,536, and never 0.
    assert haproxy.weights() == {one.port: 1, two.port: 1, three.port: 2}
    web.put(two, status="critical")
    wait_until(lambda: haproxy.answers() == {"web-1", "web-3"}, FOLLOW_S, "one has failed")
    web.remove(three)
    wait_until(lambda: haproxy.answers() == {"web-1"}, FOLLOW_S, "one has gone")
    web.put(two)
    wait_until(lambda: haproxy.answers() == {"web-1", "web-2"}, FOLLOW_S, "the failed one is back")


def test_servers_stay_while_the_control_plane_is_frozen(suite, web, servers, haproxy, wait_until):
    one, two, _ = servers
    web.put(one)
    web.put(two)
    wait_until(lambda: haproxy.answers() == {"web-1", "web-2"}, FOLLOW_S, "both instances")
    stores = [pid for name, pid in suite.pids().items() if name.startswith("raft-store")]
    for pid in stores:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(ROUNDS_FROZEN):
            assert haproxy.answers() == {"web-1", "web-2"}
    finally:
        for pid in stores:
            os.kill(pid, signal.SIGCONT)
    web.put(two, status="critical")
    wait_until(lambda: haproxy.answers() == {"web-1"}, FOLLOW_S, "changes are followed again")

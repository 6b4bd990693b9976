"""The demo: frontend → its Envoy → mTLS → backend's Envoy → backend, allowed by an intention."""

import http.client
import re
import socket
import ssl
import subprocess
import time

import pytest

from tests.running_suite import wait_until

pytestmark = pytest.mark.e2e


def page(suite, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", suite.port(9090), timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def public_port(suite, service):
    return suite.get(f"/v1/agent/service/{service}-sidecar-proxy").json()["Port"]


def intend(suite, action, source="frontend"):
    assert (
        suite.put(f"/v1/connect/intentions/exact?source={source}&destination=backend", {"Action": action}).status == 200
    )


def client_context(suite, service, tmp_path):
    """A TLS client with the certificate that the built-in CA gives to a service."""
    leaf = suite.get(f"/v1/agent/connect/ca/leaf/{service}").json()
    roots = suite.get("/v1/agent/connect/ca/roots").json()
    (tmp_path / "cert.pem").write_text(leaf["CertPEM"])
    (tmp_path / "key.pem").write_text(leaf["PrivateKeyPEM"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata="".join(root["RootCert"] for root in roots["Roots"]))
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


def test_the_call_goes_through_both_envoys_and_names_the_instance(suite):
    status, body = page(suite)
    assert status == 200
    assert re.search(r"hello from backend-[12]", body)


def test_both_instances_take_their_turn(suite):
    # Envoy calls an instance whose sidecar is well. A sidecar that did not listen yet when it was first probed is
    # critical until the next probe of Consul's own check of it, which comes every ten seconds.
    healthy = "/v1/health/connect/backend?passing"
    wait_until(lambda: len(suite.get(healthy).json()) == 2, 15, "both instances and their sidecars pass their checks")
    wait_until(lambda: "backend-2" in page(suite)[1], 2, "Envoy has the second")
    seen = {re.search(r"backend-[12]", page(suite)[1]).group() for _ in range(30)}
    assert seen == {"backend-1", "backend-2"}


def test_a_plain_client_is_refused(suite):
    with socket.create_connection(("127.0.0.1", public_port(suite, "backend-1")), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: backend\r\n\r\n")
        plain.settimeout(5)
        try:
            answer = plain.recv(1024)
        except ConnectionResetError:
            answer = b""
    assert b"200" not in answer


def test_a_certificate_of_an_allowed_service_gets_through_and_another_does_not(suite, tmp_path):
    outcome = {}
    for service in ("frontend", "stranger"):
        (tmp_path / service).mkdir()
        context = client_context(suite, service, tmp_path / service)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", public_port(suite, "backend-1"), context=context, timeout=5
        )
        connection.request("GET", "/")
        outcome[service] = connection.getresponse().status
        connection.close()
    assert outcome == {"frontend": 200, "stranger": 403}


def test_a_changed_intention_is_enforced_within_two_seconds_for_new_and_open_connections(suite, tmp_path, wait_until):
    context = client_context(suite, "frontend", tmp_path)
    port = public_port(suite, "backend-1")
    opened = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)

    def over_the_open_connection():
        opened.request("GET", "/")
        answer = opened.getresponse()
        answer.read()
        return answer.status

    try:
        assert over_the_open_connection() == 200
        source = opened.sock.getsockname()
        intend(suite, "deny")
        wait_until(lambda: over_the_open_connection() == 403, 2.0, "deny on the open connection")
        assert page(suite)[0] == 403
        intend(suite, "allow")
        wait_until(lambda: over_the_open_connection() == 200, 2.0, "allow on the open connection")
        assert opened.sock is not None
        assert opened.sock.getsockname() == source, "the connection was not the one that had been open"
        wait_until(lambda: page(suite)[0] == 200, 2.0, "allow for a new connection")
    finally:
        intend(suite, "allow")
        opened.close()


def endpoints(suite):
    """The healthy backends that frontend's Envoy knows."""
    connection = http.client.HTTPConnection("127.0.0.1", suite.port(19000), timeout=5)
    connection.request("GET", "/clusters")
    text = connection.getresponse().read().decode()
    connection.close()
    flags = re.findall(r"backend\.default\.dc1[^:]*::127\.0\.0\.1:(\d+)::health_flags::(\S+)", text)
    return {int(port) for port, flag in flags if flag == "healthy"}


def srv_ports(suite):
    done = subprocess.run(
        ["dig", "@127.0.0.1", "-p", str(suite.port(8600)), "+short", "backend.service.consul", "SRV"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {int(line.split()[2]) for line in done.stdout.splitlines()}


def test_a_killed_backend_leaves_dns_and_envoy_within_four_seconds_and_returns(suite, wait_until):
    alive = public_port(suite, "backend-2")
    both = {alive, public_port(suite, "backend-1")}
    assert wait_until(lambda: endpoints(suite) == both, 10, "both endpoints")
    suite.kill("backend-1")
    killed = time.monotonic()
    wait_until(lambda: srv_ports(suite) == {suite.port(9092)}, 4.0, "backend-1 out of DNS")
    wait_until(lambda: endpoints(suite) == {alive}, 4.0 - (time.monotonic() - killed), "backend-1 out of Envoy")
    assert {re.search(r"backend-[12]", page(suite)[1]).group() for _ in range(10)} == {"backend-2"}
    assert suite.pids()["backend-1"] == 0, "a demo application that is killed stays down"
    suite.restart("backend-1")
    wait_until(lambda: endpoints(suite) == both, 10, "backend-1 back in Envoy")
    wait_until(lambda: srv_ports(suite) == {suite.port(9091), suite.port(9092)}, 10, "backend-1 back in DNS")


def test_a_backend_in_maintenance_leaves_dns_and_envoy_and_returns(suite, wait_until):
    alive = public_port(suite, "backend-2")
    both = {alive, public_port(suite, "backend-1")}
    wait_until(lambda: endpoints(suite) == both, 10, "both endpoints")
    assert suite.put("/v1/agent/service/maintenance/backend-1?enable=true&reason=new+disk").status == 200
    wait_until(lambda: srv_ports(suite) == {suite.port(9092)}, 4, "backend-1 out of DNS")
    wait_until(lambda: endpoints(suite) == {alive}, 4, "backend-1 out of Envoy")
    assert suite.get("/v1/agent/health/service/id/backend-1").status == 503
    assert {re.search(r"backend-[12]", page(suite)[1]).group() for _ in range(10)} == {"backend-2"}
    assert suite.put("/v1/agent/service/maintenance/backend-1?enable=false").status == 200
    wait_until(lambda: endpoints(suite) == both, 10, "backend-1 back in Envoy")
    wait_until(lambda: srv_ports(suite) == {suite.port(9091), suite.port(9092)}, 10, "backend-1 back in DNS")


def test_a_killed_envoy_is_started_again_and_the_call_heals(suite, wait_until):
    before = suite.pids()["frontend-envoy"]
    suite.kill("frontend-envoy")
    wait_until(lambda: suite.pids()["frontend-envoy"] not in {0, before}, 10, "a new Envoy")
    wait_until(lambda: page(suite)[0] == 200, 10, "the call")


def test_the_bootstrap_command_names_the_sidecar(suite):
    made = suite.lictor(
        "connect", "envoy", "--sidecar-for", "backend-1", "--bootstrap", "--http-addr", suite.http,
        "--grpc-addr", f"127.0.0.1:{suite.port(8502)}",
    )  # fmt: skip
    assert '"id": "backend-1-sidecar-proxy"' in made
    assert '"set_node_on_first_message_only": true' in made

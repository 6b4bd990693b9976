"""Resolvers that people run forward the domain to Lictor, configured as docs/howto/dns-forwarding.md says."""

import contextlib
import os
import shutil
import subprocess

import dns.flags
import dns.reversename
import pytest

from tests.clients.how_to import block
from tests.conformance.real_consul import free_ports
from tests.own_dns import UP_S, Resolver, own_dns

pytestmark = pytest.mark.clients
PAGE = "dns-forwarding.md"
NAME = "forwarded.service.consul."
INSTANCES_MAX = 80
COREDNS, DNSMASQ, UNBOUND = shutil.which("coredns"), shutil.which("dnsmasq"), shutil.which("unbound")
RESOLVED = os.environ.get("RESOLVED_BIN") or shutil.which("systemd-resolved", path="/lib/systemd")
"""Not installed for tests: Debian's package takes over the machine's /etc/resolv.conf. `.ci/run` unpacks it."""


ALONE = ["--no-hosts", "--keep-in-foreground", "--pid-file", *(["--user=root"] if os.geteuid() == 0 else [])]
"""What keeps a dnsmasq to itself."""


@contextlib.contextmanager
def running(command, wait_until, log, port=None):
    """A program in the foreground that forwards at a port, until the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    forwarder = Resolver(port)
    try:
        wait_until(lambda: forwarder.up() or process.poll() is not None, UP_S, f"{command[0]} answers")
        assert process.poll() is None, log.read_text(errors="replace")
        yield forwarder
    finally:
        process.terminate()
        process.wait(10)


def configured(suite, section):
    """The page's configuration, for a suite that listens elsewhere."""
    text = block(PAGE, section)
    assert "8600" in text
    return text.replace("8600", str(suite.port(8600)))


@contextlib.contextmanager
def dnsmasq(suite, folder, wait_until):
    (port,) = free_ports(1)
    config = folder / "dnsmasq.conf"
    config.write_text(configured(suite, "dnsmasq"))
    options = [
        f"--conf-file={config}",
        f"--port={port}",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--no-resolv",
    ]
    with running([DNSMASQ, *options, *ALONE], wait_until, folder / "log", port) as forwarder:
        yield forwarder


@contextlib.contextmanager
def unbound(suite, folder, wait_until):
    (port,) = free_ports(1)
    config, own = folder / "unbound.conf", folder / "lictor.conf"
    own.write_text(configured(suite, "unbound"))
    config.write_text(
        f'server:\n  interface: 127.0.0.1\n  port: {port}\n  chroot: ""\n  username: ""\n  directory: "{folder}"\n'
        f'  pidfile: ""\n  do-daemonize: no\n  use-syslog: no\nremote-control:\n  control-enable: no\ninclude: "{own}"\n'
    )
    with running([UNBOUND, "-d", "-c", str(config)], wait_until, folder / "log", port) as forwarder:
        yield forwarder


@contextlib.contextmanager
def coredns(suite, folder, wait_until):
    (port,) = free_ports(1)
    config = folder / "Corefile"
    config.write_text(configured(suite, "CoreDNS"))
    with running(
        [COREDNS, "-conf", str(config), "-dns.port", str(port)], wait_until, folder / "log", port
    ) as forwarder:
        yield forwarder


@contextlib.contextmanager
def resolved(suite, folder, wait_until):
    """systemd-resolved with a /run of its own, so that nothing of this machine's changes; it runs as nobody."""
    (port,) = free_ports(1)
    config = folder / "lictor.conf"
    config.write_text(configured(suite, "systemd-resolved"))
    extra = folder / "test.conf"
    extra.write_text(
        f"[Resolve]\nDNSStubListener=no\nDNSStubListenerExtra=127.0.0.1:{port}\nLLMNR=no\nMulticastDNS=no\n"
    )
    script = (
        "set -e; mount --make-rprivate /; mount -t tmpfs tmpfs /run; "
        "mkdir -p /run/systemd/resolve /run/systemd/resolved.conf.d; "
        f"cp {config} /run/systemd/resolved.conf.d/10-lictor.conf; cp {extra} /run/systemd/resolved.conf.d/20-test.conf; "
        "chown -R 65534:65534 /run/systemd/resolve; chmod 755 /run/systemd/resolve; "
        f"exec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all {RESOLVED}"
    )
    with running(["unshare", "--mount", "sh", "-c", script], wait_until, folder / "log", port) as forwarder:
        yield forwarder


FORWARDERS = [
    pytest.param(dnsmasq, marks=pytest.mark.skipif(not DNSMASQ, reason="no dnsmasq on the path"), id="dnsmasq"),
    pytest.param(unbound, marks=pytest.mark.skipif(not UNBOUND, reason="no unbound on the path"), id="unbound"),
    pytest.param(coredns, marks=pytest.mark.skipif(not COREDNS, reason="no coredns on the path"), id="coredns"),
    pytest.param(
        resolved,
        marks=pytest.mark.skipif(
            not RESOLVED or os.geteuid() != 0, reason="no systemd-resolved (RESOLVED_BIN), or not root"
        ),
        id="systemd-resolved",
    ),
]


def register(suite, number, status="passing", name="forwarded"):
    check = {"CheckID": f"{name}-{number}", "Name": "c", "Status": status, "ServiceID": f"{name}-{number}"}
    service = {"ID": f"{name}-{number}", "Service": name, "Address": f"10.20.0.{number}", "Port": 8000 + number}
    body = {"Node": f"box-{number}", "Address": f"10.21.0.{number}", "Service": service, "Check": check}
    assert suite.put("/v1/catalog/register", body).status == 200


@pytest.fixture
def instances(suite):
    """Three instances of `forwarded` on nodes of their own, until the end of the test."""
    for number in (1, 2, 3):
        register(suite, number)
    yield
    for number in range(1, INSTANCES_MAX):
        suite.put("/v1/catalog/deregister", {"Node": f"box-{number}"})


@pytest.mark.parametrize("forwarder", FORWARDERS)
def test_a_resolver_configured_as_the_page_says_answers_what_lictor_answers(
    suite, instances, forwarder, tmp_path, wait_until
):
    ours = Resolver(suite.port(8600))
    addresses = [f"10.20.0.{number}" for number in (1, 2, 3)]
    wait_until(lambda: ours.texts(NAME) == addresses, 5, "our own answer")
    with forwarder(suite, tmp_path, wait_until) as other:
        assert other.texts(NAME) == addresses
        assert other.texts("Forwarded.Service.Consul.", tcp=True) == addresses
        for name, rtype in (
            (NAME, "SRV"),
            ("_forwarded._tcp.service.consul.", "SRV"),
            ("box-2.node.consul.", "A"),
            ("nowhere.service.consul.", "A"),
            (NAME, "AAAA"),
            (dns.reversename.from_address("10.21.0.3"), "PTR"),
        ):
            assert other.texts(name, rtype) == ours.texts(name, rtype), (name, rtype)
        # Nothing is kept: an instance that fails is out of the next answer.
        register(suite, 2, "critical")
        wait_until(lambda: other.texts(NAME) == [addresses[0], addresses[2]], 5, "it is out")
        register(suite, 2)
        wait_until(lambda: other.texts(NAME) == addresses, 5, "it is back")


@pytest.mark.skipif(not DNSMASQ, reason="no dnsmasq on the path")
def test_what_does_not_fit_a_datagram_comes_whole_over_tcp(suite, instances, tmp_path, wait_until):
    ours = Resolver(suite.port(8600))
    for number in range(4, INSTANCES_MAX):
        register(suite, number)
    wait_until(lambda: len(ours.texts(NAME, tcp=True)) == INSTANCES_MAX - 1, 5, "many instances")
    with dnsmasq(suite, tmp_path, wait_until) as other:
        assert len(other.texts(NAME, tcp=True)) == INSTANCES_MAX - 1


@pytest.mark.skipif(not DNSMASQ, reason="no dnsmasq on the path")
def test_lictor_asks_a_recursor_and_dnsmasq_is_one(suite, tmp_path, wait_until):
    """The other way round: a dns of its own, whose recursor is a dnsmasq with names that it made up."""
    (recursor_port,) = free_ports(1)
    options = ["--no-resolv", "--conf-file=/dev/null", *ALONE]
    made_up = ["--address=/made.up.example/192.0.2.7", "--host-record=consul,192.0.2.1"]
    more = [f"--port={recursor_port}", "--listen-address=127.0.0.1", "--bind-interfaces"]
    texts = [f"--txt-record=large.example,{letter * 250}" for letter in "abcdefgh"]
    recursor = subprocess.Popen([DNSMASQ, *options, *made_up, *more, *texts])
    try:
        with own_dns(suite, tmp_path, DNS_RECURSORS=f"127.0.0.1:{recursor_port}") as ours:
            wait_until(ours.up, UP_S, "the other dns")
            wait_until(lambda: ours.texts("made.up.example.") == ["192.0.2.7"], UP_S, "the recursor's answer")
            assert ours.texts("made.up.example.", tcp=True) == ["192.0.2.7"]
            assert ours.ask("made.up.example.").flags & dns.flags.RA
            # 2,000 bytes do not fit the client's datagram: TC, and whole over TCP.
            assert ours.ask("large.example.", "TXT").flags & dns.flags.TC
            assert len(ours.texts("large.example.", "TXT", tcp=True)) == 8
            # The domain is never the recursor's business.
            assert ours.texts("consul.", "A") == []
            recursor.terminate()
            recursor.wait(10)
            wait_until(lambda: ours.texts("made.up.example.") == "SERVFAIL", UP_S, "nobody to ask")
    finally:
        recursor.kill()
        recursor.wait(10)

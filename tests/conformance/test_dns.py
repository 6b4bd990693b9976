"""DNS side by side with a real Consul that has the same catalog: as it comes, with settings, and without compression.

What is compared is in `dns_sides`, what differs on purpose in `dns_differences`.
"""

import os
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import httpx
import pytest

from tests.conformance import dns_catalog, dns_differences
from tests.conformance.dns_sides import EDNS, TCP, UDP, Way, ask, differences, shown
from tests.conformance.real_consul import BINARY, MISSING, RealConsul, free_ports
from tests.running_suite import Suite, wait_until

pytestmark = pytest.mark.conformance

PAGE = (Path(__file__).resolve().parents[2] / "docs/compatibility.md").read_text()
SETTLE_S = 15
STOP_S = 10
SUBNET = Way("subnet", 1232, subnet="10.1.2.0")
SIZES = [Way(f"edns {size}", size) for size in (400, 512, 600, 800, 4096, 65_000)]
NEWER = [
    *product(["consul.", "alt.example."], ["A", "ANY", "TXT"]),
    *product(["nowhere.node.consul."], ["SRV"]),
    *product(["web.service.dc1.dc.consul.", "web.virtual.consul.", "backend.virtual.consul."], ["A"]),
    *product(["_q-web._tcp.query.consul.", "_q.dotted._tcp.query.consul."], ["SRV"]),
    *product(["0a000001.addr.consul."], ["AAAA", "SRV"]),
    *product(["0a0000.addr.consul.", "0A000001.Addr.consul."], ["A"]),
    *product(["9.9.9.9.in-addr.arpa.", "0.10.in-addr.arpa."], ["PTR"]),
    *product(["web.service.alt.example."], ["SRV"]),
    *product(["nothing.service.alt.example."], ["A"]),
    *product(["longmeta.service.consul."], ["SRV"]),
    *product(["longmeta.node.consul."], ["A", "TXT", "ANY"]),
]
SETTINGS_CONSUL = """
dns_config {
  node_ttl = "3s"
  service_ttl { "web" = "5s", "many*" = "7s", "manyi*" = "8s", "*" = "9s" }
  soa { refresh = 11, retry = 12, expire = 13, min_ttl = 14 }
  only_passing = true
  udp_answer_limit = 5
  a_record_limit = 4
  enable_truncate = true
  enable_additional_node_meta_txt = false
}
"""
SETTINGS_OURS = {
    "LICTOR_DNS_NODE_TTL_S": "3",
    "LICTOR_DNS_SERVICE_TTLS": "web=5,many*=7,manyi*=8,*=9",
    "LICTOR_DNS_SOA_REFRESH_S": "11",
    "LICTOR_DNS_SOA_RETRY_S": "12",
    "LICTOR_DNS_SOA_EXPIRE_S": "13",
    "LICTOR_DNS_SOA_MINIMUM_S": "14",
    "LICTOR_DNS_UDP_ANSWER_LIMIT": "5",
    "LICTOR_DNS_A_RECORD_LIMIT": "4",
    "LICTOR_DNS_ENABLE_TRUNCATE": "true",
    "LICTOR_DNS_ADDITIONAL_NODE_META_TXT": "false",
}
WITH_SETTINGS = [
    *product(["web.service.consul.", "many.service.consul.", "manyip.service.consul."], ["A", "SRV", "ANY", "AAAA"]),
    *product(["mixed.service.consul.", "meta.service.consul.", "nothing.service.consul."], ["A", "SRV"]),
    *product(["meta1.node.consul."], ["A", "AAAA", "TXT", "ANY"]),
    *product(["consul."], ["SOA", "NS"]),
    *product(["0a000001.addr.consul.", "1.0.1.10.in-addr.arpa.", "aliasfew.service.consul."], ["A"]),
    *product(
        ["q-web.query.consul.", "q-ttl.query.consul.", "q-mixed.query.consul.", "q-none.query.consul."], ["A", "SRV"]
    ),
]
UNCOMPRESSED = [
    *product(["web.service.consul.", "many.service.consul.", "meta.service.consul."], ["A", "SRV", "AAAA"]),
    *product(["consul."], ["SOA", "NS"]),
    *product(["n1.node.consul.", "aliasfew.service.consul."], ["A"]),
]


class Dns:
    """Another dns beside the suite's own, with settings of its own."""

    def __init__(self, suite, **settings):
        self.port, operations = free_ports(2)
        environment = {
            **os.environ,
            "LICTOR_NATS_URL": f"nats://127.0.0.1:{suite.port(4222)}",
            "LICTOR_NODE": "node-1",
            "LICTOR_DNS_PORT": str(self.port),
            "LICTOR_OPERATIONS_PORT": str(operations),
            **settings,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lictor_dns"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self):
        """SIGTERM, and wait."""
        self.process.terminate()
        self.process.wait(STOP_S)


def fill(base):
    """Register the catalog that questions are asked about."""
    with httpx.Client(base_url=base, timeout=15) as http:
        for body in dns_catalog.REGISTRATIONS:
            http.put("/v1/catalog/register", json=body).raise_for_status()
        for body in dns_catalog.QUERIES:
            http.post("/v1/query", json=body).raise_for_status()


def last_is_there(port):
    """Whether a side answers what was registered last."""
    try:
        return ask(port, "geo-web.query.consul.", "A", UDP)[0].answer
    except OSError:
        return False


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Our suite, filled."""
    if not BINARY:
        pytest.skip(MISSING)
    running = Suite(tmp_path_factory.mktemp("lictor"), "--servers", "1", demo=False)
    try:
        running.start()
        fill(running.http)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def sides(suite):
    """Starts a Consul and one of ours with the same settings, and waits until both know everything; gives both ports."""
    started = []

    def start(theirs, ours):
        consul = RealConsul("-hcl", theirs, node="server-1")
        started.append(consul)
        dns = Dns(suite, **ours)
        started.append(dns)
        fill(consul.wait().http)
        for port in (consul.dns, dns.port):
            wait_until(lambda port=port: last_is_there(port), SETTLE_S, f"the last query at {port}")
        return consul.dns, dns.port

    yield start
    for one in started:
        one.stop()


class Judge:
    """Asks both sides, and holds what differs against what is listed."""

    def __init__(self, ports, *, whole=True):
        self._theirs, self._ours = ports
        self._whole = whole
        self._complaints = []
        self._met = Counter()
        self.asked = 0

    def ask(self, questions, ways):
        """Every question in every way."""
        for (name, rtype), way in product(questions, ways):
            self.asked += 1
            theirs = shown(*ask(self._theirs, name, rtype, way), way, whole=self._whole)
            ours = shown(*ask(self._ours, name, rtype, way), way, whole=self._whole)
            question = f"{name} {rtype} {way.name}"
            if not ours["fits"]:
                self._complaints.append(f"{question}: our reply does not fit")
            for fact, values in differences(theirs, ours).items():
                self._judge(question, fact, *values)

    def _judge(self, question, fact, theirs, ours):
        listed = [one for one in dns_differences.LISTED if one.explains(question, fact)]
        for one in listed[:1]:
            self._met[one.documented] += 1
        if not listed:
            self._complaints.append(f"{question}: {fact}\n    consul {theirs!r}\n    lictor {ours!r}")

    def close(self, least):
        """Fail over what nobody listed."""
        assert not self._complaints, f"{len(self._complaints)} of {self.asked}\n" + "\n".join(self._complaints)
        assert self.asked >= least
        return set(self._met)


def test_every_name_is_answered_as_consul_answers_it(sides):
    ports = sides(
        'alt_domain = "alt.example"', {"LICTOR_DNS_ONLY_PASSING": "false", "LICTOR_DNS_ALT_DOMAIN": "alt.example"}
    )
    judge = Judge(ports)
    judge.ask(dns_catalog.NAMES_AND_TYPES, [UDP, EDNS, TCP])
    judge.ask(NEWER, [UDP, TCP])
    crowds = product(["many.service.consul.", "manyip.service.consul.", "web.service.consul."], ["A", "SRV"])
    judge.ask([*crowds, (f"{dns_catalog.LONG_SERVICE}.service.consul.", "SRV")], SIZES)
    judge.ask(
        product(
            ["web.service.consul.", "n1.node.consul.", "q-web.query.consul.", "no.query.consul.", "consul."],
            ["A", "SOA"],
        ),
        [SUBNET],
    )
    met = judge.close(600)
    meant = {one.documented for one in dns_differences.LISTED if not one.by_chance}
    assert meant <= met, f"listed, but no difference: {meant - met}"


def test_settings_do_what_they_do_in_consul(sides):
    judge = Judge(sides(SETTINGS_CONSUL, SETTINGS_OURS), whole=False)
    judge.ask(WITH_SETTINGS, [UDP, EDNS, TCP])
    judge.ask([("many.service.consul.", "SRV"), ("web.service.consul.", "SRV")], SIZES)
    judge.close(100)


def test_without_compression_the_same_is_said(sides):
    judge = Judge(sides("dns_config { disable_compression = true }", {"LICTOR_DNS_DISABLE_COMPRESSION": "true"}))
    judge.ask(UNCOMPRESSED, [UDP, EDNS, TCP])
    judge.close(30)


@pytest.mark.parametrize("one", dns_differences.LISTED, ids=lambda one: one.documented)
def test_every_difference_stands_in_the_compatibility_page(one):
    assert one.documented in PAGE.split("## DNS")[1].split("\n## ")[0]

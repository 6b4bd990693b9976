"""What a dns shows of itself, and what it refuses to start with."""

import os
import subprocess
import sys

import dns.message
import pytest
from prometheus_client import generate_latest

from lictor_bus import FakeBus, Hub, LeaderTracker, View
from lictor_dns.cookie_secrets import CookieSecrets
from lictor_dns.guard import Clocks, Guard
from lictor_dns.metrics import Counted, DnsMetrics
from lictor_dns.outcome import without_recursors
from lictor_dns.rate_limit import RateLimit
from lictor_dns.tcp_server import TcpServer
from lictor_dns.udp_server import UdpServer
from lictor_kit import Metrics

CLIENT = bytes((192, 0, 2, 1))
FIRST, SECOND = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"


def test_metrics_show_what_the_parts_have_counted(world):
    world.instance(1)
    limit = RateLimit(1, 0, 2)
    responder = world.responder
    guard = Guard(
        responder.answer_udp, responder.answer_tcp, responder.ready_reply, limit, Clocks(lambda: 0.0, lambda: 0.0)
    )
    bus = FakeBus(Hub())
    view = View(bus, LeaderTracker(bus), "discovery")
    udp = UdpServer(guard.answer_udp, without_recursors)
    tcp = TcpServer(guard.answer_tcp, without_recursors, 8)
    metrics = Metrics("dns")
    shown = DnsMetrics(metrics)
    counted = Counted(responder, guard, limit, udp, tcp, view)
    for name in ("web.service.consul.", "nothing.service.consul.", "web.service.consul."):
        for _ in range(5):
            guard.answer_udp(dns.message.make_query(name, "A").to_wire(), CLIENT)
        shown.copy(counted)
    shown.copy(counted)
    page = generate_latest(metrics.registry).decode()
    for line in (
        'lictor_dns_replies_total{rcode="noerror"} 1.0',
        'lictor_dns_replies_total{rcode="nxdomain"} 1.0',
        "lictor_dns_ready_replies_total 13.0",
        "lictor_dns_ready_queries_count 1.0",
        'lictor_dns_rate_limited_total{fate="truncated"} 2.0',
        'lictor_dns_rate_limited_total{fate="withheld"} 3.0',
        "lictor_dns_tcp_connections_count 0.0",
        "lictor_dns_udp_dropped_count 0.0",
    ):
        assert line in page.splitlines(), line


def test_cookie_secrets_follow_their_file_and_stay_when_it_is_spoilt(tmp_path):
    path = tmp_path / "secrets"
    path.write_text(FIRST)
    secrets = CookieSecrets(SECOND, path)
    shown = secrets.cookies.judge(bytes(8), CLIENT, 1000).option
    path.write_text("what is this\n")
    secrets._look(path)
    assert secrets.cookies.judge(shown, CLIENT, 1000).good
    path.unlink()
    secrets._look(path)
    assert secrets.cookies.judge(shown, CLIENT, 1000).good
    path.write_text(f"{SECOND}\n{FIRST}\n")
    secrets._look(path)
    judged = secrets.cookies.judge(shown, CLIENT, 1000)
    assert judged.good
    assert judged.option != shown
    path.write_text(SECOND + "\n")
    secrets._look(path)
    assert not secrets.cookies.judge(shown, CLIENT, 1000).good
    assert secrets.cookies.judge(judged.option, CLIENT, 1000).good


def test_without_secrets_each_process_has_its_own_and_with_them_they_agree():
    alone, other = CookieSecrets("", None).cookies, CookieSecrets("", None).cookies
    assert not other.judge(alone.judge(bytes(8), CLIENT, 1000).option, CLIENT, 1000).good
    alone, other = CookieSecrets(FIRST, None).cookies, CookieSecrets(f"{SECOND},{FIRST}", None).cookies
    assert other.judge(alone.judge(bytes(8), CLIENT, 1000).option, CLIENT, 1000).good


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LICTOR_DNS_COOKIE_SECRETS", "not-a-secret", "cookie secrets have 32 hex digits"),
        ("LICTOR_DNS_COOKIE_SECRETS_FILE", "/nowhere/secrets", "No such file"),
        ("LICTOR_DNS_RATE_LIMIT_SLIP", "11", "LICTOR_DNS_RATE_LIMIT_SLIP"),
        ("LICTOR_DNS_PORT", "0", "LICTOR_WORKERS needs a port"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(variable, value, said):
    environment = {name: one for name, one in os.environ.items() if not name.startswith("LICTOR_")}
    done = subprocess.run(
        [sys.executable, "-m", "lictor_dns"],
        env={**environment, "LICTOR_WORKERS": "2", variable: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line
    assert "not-a-secret" not in line

"""Several dns processes on one port: any client is answered by any of them, and the loss of one is no outage."""

import os
import re
import signal
import urllib.request
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

QUERY = dns.message.make_query("web.service.consul.", "A")


def asked(suite, over=dns.query.udp):
    """The addresses that one question brings, over a socket (and so perhaps a worker) of its own; None for none."""
    try:
        reply = over(QUERY, "127.0.0.1", port=suite.port(8600), timeout=1)
    except (OSError, EOFError, dns.exception.DNSException):
        return None
    return [str(one) for rrset in reply.answer for one in rrset] if reply.rcode() == dns.rcode.NOERROR else None


def metrics(suite):
    with urllib.request.urlopen(f"http://127.0.0.1:{suite.port(8575)}/metrics", timeout=5) as answer:
        return answer.read().decode()


def workers(suite):
    """Process ids of the workers, from the kernel: the children of the one that `lictor dev` started."""
    parent = suite.pids()["dns"]
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@pytest.fixture
def two(own_suite, monkeypatch):
    monkeypatch.setenv("LICTOR_WORKERS", "2")
    monkeypatch.setenv("LICTOR_DNS_ADDRESSES", "127.0.0.1,::1")
    suite = own_suite("--servers", "1").start()
    assert (
        suite.call("PUT", "/v1/agent/service/register", {"Name": "web", "Address": "10.0.0.7", "Port": 80}).status
        == 200
    )
    return suite


def test_both_answer_one_port_and_a_dead_one_is_replaced_meanwhile_the_other_answers(two, wait_until):
    wait_until(lambda: all(asked(two) == ["10.0.0.7"] for _ in range(8)), 10, "both workers answer")
    assert all(asked(two, over) == ["10.0.0.7"] for over in (dns.query.udp, dns.query.tcp) for _ in range(40))
    reply = dns.query.udp(QUERY, "::1", port=two.port(8600), timeout=2)
    assert reply.rcode() == dns.rcode.NOERROR

    def made_by():
        return {
            worker: float(count)
            for worker, count in re.findall(
                r'lictor_dns_ready_replies_total\{worker="(\d)"\} ([0-9.e+]+)', metrics(two)
            )
        }

    wait_until(lambda: len(made_by()) == 2 and all(made_by().values()), 10, "both are counted, each with its label")

    before = workers(two)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    answered = [asked(two) for _ in range(60)]
    assert answered.count(["10.0.0.7"]) >= 55, "what was in the dead one's socket is lost, and nothing else"
    wait_until(lambda: len(workers(two)) == 2 and workers(two) != before, 10, "another worker is started")
    wait_until(lambda: 'lictor_dns_worker_restarts_count{worker="1"} 1.0' in metrics(two), 10, "the restart is counted")
    wait_until(lambda: all(asked(two) == ["10.0.0.7"] for _ in range(20)), 10, "all is well again")

"""Names are answered while the whole control plane is away: from memory, and after a cold start from the saved view."""

import os
import signal
import threading

import dns.exception
import pytest

from tests.own_dns import UP_S, own_dns

pytestmark = pytest.mark.e2e
NAME = "lasting.service.consul."


def register(suite, number):
    service = {"ID": f"lasting-{number}", "Service": "lasting", "Address": f"10.50.0.{number}", "Port": 80}
    body = {"Node": f"box-{number}", "Address": f"10.51.0.{number}", "Service": service}
    assert suite.put("/v1/catalog/register", body).status == 200


class Poller(threading.Thread):
    """Asks without pause, and keeps every answer that differs from the one before."""

    def __init__(self, resolver):
        super().__init__(daemon=True)
        self.resolver, self.seen, self.ending = resolver, [], threading.Event()
        self.start()

    def run(self):
        while not self.ending.wait(0.02):
            try:
                answer = self.resolver.texts(NAME)
            except (OSError, dns.exception.DNSException) as error:
                answer = type(error).__name__
            if [answer] != self.seen[-1:]:
                self.seen.append(answer)

    def end(self):
        self.ending.set()
        self.join(5)
        return self.seen


def test_names_outlive_the_store_and_a_restart_without_it(own_suite, tmp_path, wait_until):
    suite = own_suite("--servers", "1").start()
    register(suite, 1)
    one, two = ["10.50.0.1"], ["10.50.0.1", "10.50.0.2"]
    with own_dns(suite, tmp_path / "lasting") as lasting:
        with own_dns(suite, tmp_path / "saving", DNS_SAVE_VIEW="true") as saving:
            for each in (lasting, saving):
                wait_until(each.up, UP_S, "a dns")
                wait_until(lambda each=each: each.texts(NAME) == one, UP_S, "the instance")
        shown = suite.lictor("dns", "explain", NAME, "--http-addr", suite.http)
        assert "Answer: NOERROR, 1 record: 1 of 1 instances have a record." in shown
        assert "10.50.0.1 port 80" in shown
        assert (tmp_path / "saving" / "dns" / "view").stat().st_size > 100
        poller = Poller(lasting)
        frozen = [pid for name, pid in suite.pids().items() if name.startswith(("nats", "raft-store"))]
        assert len(frozen) == 2
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        with own_dns(suite, tmp_path / "saving", DNS_SAVE_VIEW="true") as restarted:
            wait_until(restarted.readiness, UP_S, "its ports")
            wait_until(lambda: restarted.texts(NAME) == one, UP_S, "an answer from the saved view")
            ready = restarted.readiness()
            assert ready["ready"]
            assert "the view that was saved" in ready["notes"]["saved view"]
            assert restarted.metric("answers_age_seconds") > 0
            wait_until(lambda: restarted.metric("stale_replies_total") > 0, 5, "it is counted")
            assert restarted.texts("nowhere.service.consul.") == "NXDOMAIN"
            after = Poller(restarted)
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
            wait_until(lambda: "saved view" not in restarted.readiness()["notes"], UP_S, "the store's own view")
            register(suite, 2)
            for each in (lasting, restarted):
                wait_until(lambda each=each: each.texts(NAME) == two, UP_S, "what is new")
            wait_until(lambda: after.seen[-1] == poller.seen[-1] == two, 5, "the pollers see it")
            # From first to last no answer was empty, refused or older than the one before.
            assert after.end() == [one, two]
        assert poller.end() == [one, two]


def test_a_start_without_store_and_saved_view_claims_nothing(own_suite, tmp_path, wait_until):
    suite = own_suite()
    (tmp_path / "data" / "dns").mkdir(parents=True)
    (tmp_path / "data" / "dns" / "view").write_bytes(b"lictorv\x01" + bytes(500))
    with own_dns(suite, tmp_path / "data", DNS_SAVE_VIEW="true") as alone:
        wait_until(alone.readiness, UP_S, "its ports")
        wait_until(lambda: "NATS is not reachable" in str(alone.readiness()), UP_S, "it says what is missing")
        assert not alone.readiness()["ready"]
        assert alone.texts(NAME) == alone.texts("consul.", "SOA") == "SERVFAIL"
        assert alone.texts("example.com.") == "REFUSED"

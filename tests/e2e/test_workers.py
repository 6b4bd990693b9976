"""One catalog of several processes on one port (`LICTOR_WORKERS`): its clients see one API, also when a worker dies."""

import os
import re
import signal
import threading
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

WORKERS = 3
SOON_S = 60
"""Long enough for a busy machine; on an idle one each of these takes about a second."""
STOP_S = 10
"""Every process ends within this after SIGTERM."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory, suite_class):
    running = suite_class(tmp_path_factory.mktemp("lictor"), "--servers", "1", demo=False)
    with pytest.MonkeyPatch.context() as given:
        given.setenv("LICTOR_WORKERS", str(WORKERS))
        try:
            yield running.start()
        finally:
            running.stop()


class Catalog:
    """The processes behind the port, seen from outside."""

    def __init__(self, suite):
        self.suite = suite

    @property
    def parent(self):
        return self.suite.pids()["catalog"]

    def workers(self):
        """The worker's number by its process id."""
        found = {}
        for pid in Path(f"/proc/{self.parent}/task/{self.parent}/children").read_text().split():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"--worker" in words:
                found[int(pid)] = int(words[words.index(b"--worker") + 1])
        return found

    def operations(self, path):
        """Status and text of the one operations port."""
        given = Path(f"/proc/{self.parent}/environ").read_text().split("\0")
        port = next(one.partition("=")[2] for one in given if one.startswith("LICTOR_OPERATIONS_PORT="))
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except OSError as error:
            return getattr(error, "code", 0), ""

    def ready(self):
        return self.operations("/readyz")[0] == 200

    def asked(self):
        """How many keys each worker was asked for."""
        counts = dict.fromkeys(range(1, WORKERS + 1), 0.0)
        for labels, value in re.findall(
            r"^lictor_catalog_requests_total\{(.*?)\} (\S+)$", self.operations("/metrics")[1], re.MULTILINE
        ):
            named = dict(re.findall(r'(\w+)="(.*?)"', labels))
            if named.get("route") == "/v1/kv/":
                counts[int(named["worker"])] += float(value)
        return counts

    def asleep(self):
        """How many blocking queries wait at each worker."""
        shown = re.compile(r"^lictor_catalog_blocking_queries_count\{.*\} (\S+)$", re.MULTILINE)
        return [float(value) for value in shown.findall(self.operations("/metrics")[1])]


@pytest.fixture
def catalog(suite, wait_until):
    found = Catalog(suite)
    wait_until(found.ready, SOON_S, "all workers ready")
    return found


def waiters(suite, path, count):
    """Blocking reads on connections of their own; returns the threads and where their answers go."""
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(suite.get(path, timeout_s=60)), daemon=True)
        for _ in range(count)
    ]
    for one in threads:
        one.start()
    return threads, answers


def test_every_worker_serves_and_each_sees_what_was_written_through_another(suite, catalog, wait_until):
    assert sorted(catalog.workers().values()) == [1, 2, 3]
    for number in range(60):  # each request on a connection of its own, which the kernel deals to some worker
        assert suite.put(f"/v1/kv/w/{number % 7}", b"%d" % number).json() is True
        assert suite.get(f"/v1/kv/w/{number % 7}?raw").body == b"%d" % number
    wait_until(lambda: all(catalog.asked().values()), SOON_S, "every worker was asked")
    assert suite.put("/v1/agent/service/register", {"Name": "web", "Port": 80}).status == 200
    assert all(len(suite.get("/v1/health/service/web").json()) == 1 for _ in range(20))


def test_a_change_wakes_the_waiters_of_all_workers(suite, catalog, wait_until):
    suite.put("/v1/kv/w/woken", b"1")
    index = suite.get("/v1/kv/w/woken").headers["X-Consul-Index"]
    threads, answers = waiters(suite, f"/v1/kv/w/woken?index={index}&wait=5m&raw", 24)
    wait_until(lambda: all(catalog.asleep()) and sum(catalog.asleep()) == 24, SOON_S, "all asleep, at every worker")
    suite.put("/v1/kv/w/woken", b"2")
    for one in threads:
        one.join(SOON_S)
    assert [(one.status, one.body) for one in answers] == [(200, b"2")] * 24


def test_a_killed_worker_is_replaced_while_the_others_go_on_and_nothing_acknowledged_is_lost(
    suite, catalog, wait_until
):
    before = catalog.workers()
    victim = next(pid for pid, number in before.items() if number == 2)
    acknowledged = []
    for number in range(300):
        if number == 50:
            suite.kill_pid(victim)
        if suite.put(f"/v1/kv/k/{number}", b"x").text == "true":
            acknowledged.append(number)
    assert len(acknowledged) > 280, "only what the dead one had accepted may fail"
    wait_until(lambda: len(catalog.workers()) == WORKERS and catalog.ready(), SOON_S, "another one in its place")
    after = catalog.workers()
    assert victim not in after
    assert sorted(after.values()) == [1, 2, 3]
    assert {pid for pid, number in before.items() if number != 2} < set(after)
    keys = set(suite.get("/v1/kv/k/?keys").json())
    assert not {f"k/{number}" for number in acknowledged} - keys
    restarts = 'lictor_catalog_worker_restarts_count{worker="2"} 1.0'
    wait_until(lambda: restarts in catalog.operations("/metrics")[1], SOON_S, "the metrics tell")


def test_the_stop_answers_who_waits_and_ends_every_worker(suite, catalog, wait_until):
    suite.put("/v1/kv/w/last", b"1")
    index = suite.get("/v1/kv/w/last").headers["X-Consul-Index"]
    threads, answers = waiters(suite, f"/v1/kv/w/last?index={index}&wait=5m&raw", 12)
    wait_until(lambda: sum(catalog.asleep()) == 12, SOON_S, "all asleep")
    parent, workers = catalog.parent, list(catalog.workers())
    began = time.monotonic()
    os.kill(parent, signal.SIGTERM)
    for one in threads:
        one.join(STOP_S)
    assert [(one.status, one.body) for one in answers] == [(200, b"1")] * 12
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (parent, *workers)), STOP_S, "all ended")
    assert time.monotonic() - began < STOP_S
    wait_until(lambda: suite.get("/v1/kv/w/last?raw").body == b"1", SOON_S, "the supervisor starts it again")

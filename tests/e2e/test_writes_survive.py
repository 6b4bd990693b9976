"""Nothing acknowledged is lost: `kill -9` of the leader, and of everything."""

import itertools
import threading
import time

import pytest

pytestmark = pytest.mark.e2e


class Writer(threading.Thread):
    """Writes one key after another and remembers what was acknowledged, and when."""

    def __init__(self, suite, name):
        super().__init__(daemon=True)
        self.suite, self.prefix = suite, name
        self.acknowledged = []
        self.ended = threading.Event()

    def run(self):
        for number in itertools.count():
            if self.ended.is_set():
                return
            answer = self.suite.put(f"/v1/kv/{self.prefix}/{number}", str(number).encode())
            if answer.status == 200 and answer.text.strip() == "true":
                self.acknowledged.append((number, time.monotonic()))

    def finish(self):
        self.ended.set()
        self.join(20)
        return [number for number, _ in self.acknowledged]


def stored(suite, prefix):
    answer = suite.get(f"/v1/kv/{prefix}/?keys&consistent")
    return {int(key.rsplit("/", 1)[1]) for key in answer.json()} if answer.status == 200 else set()


def test_writes_go_on_within_three_seconds_of_killing_the_leader_and_nothing_is_missing(own_suite, wait_until):
    suite = own_suite().start()
    writer = Writer(suite, "leader")
    writer.start()
    wait_until(lambda: len(writer.acknowledged) > 50, 10, "writes")
    leader = suite.leader_name()
    suite.kill(leader)
    killed = time.monotonic()
    wait_until(lambda: writer.acknowledged[-1][1] > killed + 0.05, 3.0, "writes after the leader's death")
    wait_until(lambda: suite.pids()[leader], 10, "the old leader is started again")
    count = len(writer.acknowledged)
    wait_until(lambda: len(writer.acknowledged) > count + 50, 10, "more writes")
    acknowledged = writer.finish()
    assert set(acknowledged) - stored(suite, "leader") == set()


def test_all_data_is_there_after_kill_9_of_everything(own_suite, wait_until):
    suite = own_suite().start()
    registered = {"ID": "web-1", "Name": "web", "Port": 8080, "Tags": ["v1"]}
    assert suite.put("/v1/agent/service/register", registered).status == 200
    writer = Writer(suite, "all")
    writer.start()
    wait_until(lambda: len(writer.acknowledged) > 100, 10, "writes")
    pids = suite.pids()
    suite.kill(*(name for name in pids if name.startswith("raft-store")))
    suite.process.kill()  # before it starts anything again
    for pid in pids.values():
        suite.kill_pid(pid)
    suite.process.wait(10)
    acknowledged = writer.finish()
    wait_until(suite.ports_free, 10, "all ports are free")
    suite.start()
    assert set(acknowledged) - stored(suite, "all") == set()
    assert suite.get("/v1/agent/services").json()["web-1"]["Tags"] == ["v1"]


def test_two_of_three_servers_go_on_without_the_third(own_suite, wait_until):
    suite = own_suite().start()
    names = [name for name in suite.pids() if name.startswith("raft-store")]
    follower = next(name for name in names if name != suite.leader_name())
    suite.freeze(follower)
    try:
        for number in range(20):
            assert suite.put(f"/v1/kv/two/{number}", b"x").text.strip() == "true"
        assert suite.get("/v1/kv/two/19?consistent").status == 200
    finally:
        suite.thaw(follower)


def test_without_a_quorum_writes_fail_in_bounded_time_and_stale_reads_go_on(own_suite, wait_until):
    suite = own_suite().start()
    assert suite.put("/v1/kv/before", b"1").status == 200
    names = [name for name in suite.pids() if name.startswith("raft-store")]
    for name in names[:2]:
        suite.freeze(name)
    try:
        wait_until(lambda: suite.get("/v1/kv/before", timeout_s=30).status == 500, 30, "default reads fail")
        refused = suite.put("/v1/kv/after", b"1", timeout_s=30)
        assert refused.status == 500
        assert refused.text.strip() in {"No cluster leader", "outcome unknown"}
        assert suite.get("/v1/kv/before?stale").status == 200
    finally:
        for name in names[:2]:
            suite.thaw(name)
    wait_until(lambda: suite.put("/v1/kv/healed", b"1").status == 200, 15, "writes after the quorum is back")


def test_a_killed_nats_is_started_again_and_the_suite_heals(own_suite, wait_until):
    suite = own_suite().start()
    suite.kill("nats")
    wait_until(lambda: suite.pids()["nats"], 10, "a new NATS")
    wait_until(lambda: suite.put("/v1/kv/healed", b"1").status == 200, 15, "writes")
    assert suite.get("/v1/kv/healed").status == 200


def test_blocking_reads_wake_with_the_change_and_see_it(own_suite):
    suite = own_suite("--servers", "1").start()
    suite.put("/v1/kv/watched", b"1")
    index = suite.get("/v1/kv/watched").headers["X-Consul-Index"]
    found = []
    waiting = threading.Thread(
        target=lambda: found.append(suite.get(f"/v1/kv/watched?index={index}&wait=20s", timeout_s=30))
    )
    waiting.start()
    suite.put("/v1/kv/other", b"1")
    waiting.join(0.5)
    assert waiting.is_alive(), "a change of another key must not wake it"
    suite.put("/v1/kv/watched", b"2")
    waiting.join(5)
    assert found[0].json()[0]["Value"] == "Mg=="
    assert int(found[0].headers["X-Consul-Index"]) > int(index)


def test_with_the_direct_lane_nothing_acknowledged_is_lost_with_the_leader_and_nats_may_restart(own_suite, wait_until):
    suite = own_suite("--direct").start()
    wait_until(
        lambda: sum("direct connection" in line for line in list(suite.lines)) >= 9,
        10,
        "nine: two a store, three the catalog",
    )
    writer = Writer(suite, "direct")
    writer.start()
    wait_until(lambda: len(writer.acknowledged) > 50, 10, "writes")
    suite.kill(suite.leader_name())
    killed = time.monotonic()
    wait_until(lambda: writer.acknowledged[-1][1] > killed + 0.05, 5.0, "writes after the leader's death")
    suite.kill("nats")
    restarted = time.monotonic()
    wait_until(lambda: writer.acknowledged[-1][1] > restarted + 2.0, 15, "writes after the restart of NATS")
    acknowledged = writer.finish()
    assert set(acknowledged) - stored(suite, "direct") == set()

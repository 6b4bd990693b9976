"""The pool as operators use it: keys, events, coordinates, evidence, a full restart; with a real `serf` agent in it."""

import base64
import json
import math
import os
import shutil
import subprocess

import pytest

from tests.running_gossip import SERF, Gossip, SerfAgent, ended

pytestmark = pytest.mark.e2e

CONSUL = os.environ.get("CONSUL_BIN") or shutil.which("consul")
KEY = base64.b64encode(bytes(range(32))).decode()
NEW_KEY = base64.b64encode(bytes(range(16))).decode()
WORKERS = 3
WAIT_S = 90
"""For processes on a busy machine; how long things take is measured elsewhere."""


@pytest.fixture(scope="module")
def pool(tmp_path_factory, suite_class):
    """An encrypted pool of three workers beside node-1, whose gossip has seeds in them too."""
    folder = tmp_path_factory.mktemp("pool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LICTOR_GOSSIP_KEY", KEY)
        patch.setenv("LICTOR_GOSSIP_PROFILE", "fast")
        patch.setenv("LICTOR_GOSSIP_SEEDS", "127.0.0.11,127.0.0.12")
        suite = suite_class(folder, "--servers", "1", demo=False)
        try:
            suite.start()
            workers = [Gossip(suite, number, folder).start() for number in range(1, WORKERS + 1)]
            with ended(*workers):
                yield suite, workers
        finally:
            suite.stop()


@pytest.fixture
def all_in(pool, wait_until):
    """The pool, once every worker is a member that everybody sees."""
    suite, workers = pool

    def complete():
        members = {one["Name"]: one for one in suite.get("/v1/internal/pool").json()["Members"]}
        names = {"node-1", *(one.name for one in workers)}
        return all(members.get(name, {}).get("PoolStatus") == "alive" == members[name]["Status"] for name in names)

    wait_until(complete, WAIT_S, "every worker is a member")
    return suite, workers


@pytest.fixture(scope="module")
def agent(pool):
    """A real agent that has joined the pool and stays in it."""
    if SERF is None:
        pytest.skip("the serf binary is not installed")
    suite, workers = pool
    joining = (f"-retry-join={workers[0].address}", "-retry-interval=1s")
    made = SerfAgent(suite, "plain", 1, workers[0].folder, f"-encrypt={KEY}", "-profile=local", *joining)
    with ended(made):
        yield made.start()


@pytest.fixture
def serf(all_in, agent, wait_until):
    """That agent, once it sees the others."""
    wait_until(lambda: agent.members().get("node-1") == "alive", WAIT_S, "the agent is in the pool")
    return agent


def keyring(suite):
    """The keys of the pool; empty while a member that is gone is still asked."""
    answer = suite.get("/v1/operator/keyring")
    return answer.json()[0] if answer.status == 200 else {}


def test_a_real_agent_sees_consuls_tags_and_is_a_member_without_a_row(all_in, serf):
    suite, _ = all_in
    shown = serf.run("members", "-detailed", "-format=json")
    tags = {one["name"]: one for one in json.loads(shown)["members"]}["worker-1"]
    assert {"role", "dc", "segment", "id", "vsn", "vsn_min", "vsn_max", "build", "acls"} <= set(tags["tags"])
    assert (tags["tags"]["role"], tags["protocol"]) == ("node", {"max": 5, "min": 2, "version": 4})
    assert suite.get("/v1/catalog/node/plain").json() is None
    members = {one["Name"]: one for one in suite.get("/v1/internal/pool").json()["Members"]}
    assert (members["plain"]["Status"], members["plain"]["PoolStatus"]) == ("", "alive")
    assert "plain serf" in suite.lictor("members", "--http-addr", suite.http)


def test_events_go_both_ways_exactly_once(all_in, serf, wait_until):
    suite, workers = all_in

    def listed(name):
        return suite.get(f"/v1/event/list?name={name}").json()

    assert suite.put("/v1/event/fire/deploy?node=worker", b"v1").status == 200
    wait_until(lambda: "consul:event:deploy" in serf.log(), WAIT_S, "the agent hears of the event")
    serf.run("event", "-coalesce=false", "restart", "now")
    wait_until(lambda: listed("restart"), WAIT_S, "the agent's event is listed")
    serf.run("event", "-coalesce=false", "last", "one")
    wait_until(lambda: listed("last"), WAIT_S, "another one")
    assert [(one["Payload"], one["NodeFilter"]) for one in listed("restart")] == [
        (base64.b64encode(b"now").decode(), "")
    ]
    assert len([one for one in suite.get("/v1/event/list").json() if one["Name"] in {"restart", "last"}]) == 2
    # node-1 is not meant by the filter, but the row is there once
    assert serf.log().count("messageUserEventType: consul:event:deploy") >= 1
    assert sum(one.metric('events_count{outcome="to_pool"}') for one in workers) <= 1
    assert all(one.metric('events_count{outcome="malformed"}') == 0 for one in workers)


def test_keys_are_rotated_through_the_api_and_by_consuls_command(all_in, serf, wait_until, tmp_path):
    suite, workers = all_in
    members = WORKERS + 2
    founded = {
        "WAN": False,
        "Datacenter": "dc1",
        "Segment": "",
        "Keys": {KEY: members},
        "PrimaryKeys": {KEY: members},
        "NumNodes": members,
    }
    wait_until(lambda: keyring(suite) == founded, WAIT_S, "all have the key that the pool was founded with")

    def consul(*arguments):
        environment = {**os.environ, "CONSUL_HTTP_ADDR": suite.http}
        done = subprocess.run(
            [CONSUL, "keyring", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout if done.returncode == 0 else ""

    def step(method, key):
        return suite.call(method, "/v1/operator/keyring?relay-factor=2", {"Key": key})

    # every step may be repeated, and is, should a member have been too busy to answer in time
    if CONSUL:
        wait_until(lambda: consul("-install", NEW_KEY, "-relay-factor", "2"), WAIT_S, "the key is installed")
        wait_until(lambda: consul("-use", NEW_KEY), WAIT_S, "the key is used")
        listed = f"  {NEW_KEY} [{members}/{members}]"
        shown = wait_until(lambda: listed in consul("-list") and consul("-list"), WAIT_S, "the keys are listed")
        assert "dc1 (LAN)" in shown
    else:
        wait_until(lambda: step("POST", NEW_KEY).status == 200, WAIT_S, "the key is installed")
        wait_until(lambda: step("PUT", NEW_KEY).status == 200, WAIT_S, "the key is used")
    refusal = f"{members + 1} errors occurred:\n\t* dc1 (LAN) error: {members}/{members} nodes reported failure\n"

    def refused():
        answer = step("DELETE", NEW_KEY)
        assert answer.status == 500
        return answer.text if answer.text.startswith(refusal) else ""

    text = wait_until(refused, WAIT_S, "all refuse to remove the key in use")
    assert "worker-1: Removing the primary key is not allowed" in text
    wait_until(lambda: step("DELETE", KEY).status == 200, WAIT_S, "the old key is removed")
    only = ({NEW_KEY: members}, {NEW_KEY: members})
    wait_until(
        lambda: (keyring(suite).get("Keys"), keyring(suite).get("PrimaryKeys")) == only, WAIT_S, "one key is left"
    )
    # a restart with the old key in its settings comes back with the new one: the file has the say
    workers[2].end()
    workers[2].start()
    wait_until(lambda: keyring(suite).get("Keys") == {NEW_KEY: members}, WAIT_S, "back")
    assert any("not in the keyring file" in line["event"] for line in workers[2].log())
    # nobody who has only the old key gets in, and both sides say why
    late = Gossip(suite, 9, tmp_path)
    with ended(late):
        late.start()
        wait_until(lambda: any(line.get("kind") == "key" for line in late.log()), WAIT_S, "the late one is told why")
    for one in (*workers, late):
        assert KEY not in one.log_path.read_text()
        assert NEW_KEY not in one.log_path.read_text()
    assert any(line.get("kind") == "key" for line in workers[0].log() + workers[1].log())


def distance(one, other):
    """Serf's distance of two coordinates, seconds."""
    raw = math.dist(one["Vec"], other["Vec"]) + one["Height"] + other["Height"]
    adjusted = raw + one["Adjustment"] + other["Adjustment"]
    return adjusted if adjusted > 0 else raw


def test_coordinates_reach_the_catalog_and_sort_by_distance(all_in, wait_until):
    suite, workers = all_in
    names = {"node-1", *(one.name for one in workers)}
    wait_until(
        lambda: names <= {one["Node"] for one in suite.get("/v1/coordinate/nodes").json()}, WAIT_S, "coordinates"
    )

    def is_sorted():
        """Whether the order is that of the distances; coordinates may move between the two questions."""
        coords = {one["Node"]: one["Coord"] for one in suite.get("/v1/coordinate/nodes").json()}
        nearest = [one["Node"] for one in suite.get("/v1/catalog/nodes?near=worker-2").json() if one["Node"] in coords]
        far = [distance(coords["worker-2"], coords[name]) for name in nearest]
        return far == sorted(far) and names <= set(nearest)

    wait_until(is_sorted, WAIT_S, "nodes are sorted by their distance")
    if CONSUL:
        shown = subprocess.run(
            [CONSUL, "rtt", "worker-1", "worker-2"],
            env={**os.environ, "CONSUL_HTTP_ADDR": suite.http},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "Estimated worker-1 <-> worker-2 rtt:" in shown


def test_it_is_told_why_a_node_failed(all_in, wait_until):
    suite, workers = all_in
    workers[2].kill()
    wait_until(lambda: suite.get("/v1/internal/pool/why/worker-3").json()["Status"] == "failed", WAIT_S, "it is failed")
    told = suite.get("/v1/internal/pool/why/worker-3").json()
    reporters = [one for one in told["Stories"] if one["Reports"]]
    assert len(reporters) >= 2
    assert all(one["PoolStatus"] == "failed" for one in reporters)
    what = {line["What"] for one in reporters for line in one["Lines"]}
    assert {"probe_failed", "suspected", "failed"} <= what
    assert set(told["FoundFailedBy"]) <= {"node-1", "worker-1", "worker-2"}
    text = suite.lictor("members", "--why", "worker-3", "--http-addr", suite.http)
    assert "worker-3: failed" in text
    assert "a reporter for it" in text
    workers[2].start()
    wait_until(workers[2].is_registered, WAIT_S, "it is back")


def test_the_pool_is_found_again_after_everything_was_down_and_no_seed_is_given(all_in, wait_until):
    _, workers = all_in
    wait_until(
        lambda: all("alive: worker-1 " in snapshot_of(one) for one in workers[1:]),
        WAIT_S,
        "the snapshots name the members",
    )
    for one in workers:
        one.kill()
    # only one address of before is up, and nobody is told of it
    for one in workers[1:]:
        one.start(seeds="")
    wait_until(
        lambda: all(one.metric('members_count{status="alive"}') >= 3 for one in workers[1:]), WAIT_S, "they meet again"
    )
    assert not any("no seed" in line["event"] for line in workers[1].log())


def snapshot_of(worker):
    path = worker.folder / worker.name / "slot-1" / "pool.snapshot"
    return path.read_text() if path.exists() else ""

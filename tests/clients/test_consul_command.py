"""Consul's own command against the suite: what an operator types, and what it prints."""

import json
import os
import shutil
import subprocess
import threading

import pytest

CONSUL = os.environ.get("CONSUL_BIN") or shutil.which("consul")
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not CONSUL, reason="no consul binary: set CONSUL_BIN or put it on the path"),
]
TIMEOUT_S = 30


class Command:
    """`consul …` with the suite's address."""

    def __init__(self, suite):
        self.suite = suite
        self.environment = {**os.environ, "CONSUL_HTTP_ADDR": suite.http}
        self._running = []

    def __call__(self, *arguments, code=0, text=None):
        done = subprocess.run(
            [CONSUL, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            input=text,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == code, f"consul {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start(self, *arguments):
        """One that goes on; its lines are gathered."""
        process = subprocess.Popen(
            [CONSUL, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        process.told = []
        threading.Thread(target=lambda: process.told.extend(process.stdout), daemon=True).start()
        self._running.append(process)
        return process

    def end(self):
        for process in self._running:
            process.kill()
            process.wait(10)


@pytest.fixture
def consul(suite):
    command = Command(suite)
    yield command
    command.end()
    suite.call("DELETE", "/v1/kv/?recurse")


def test_the_catalog_is_listed(consul, wait_until):
    def nodes():
        return {line.split()[0] for line in consul("catalog", "nodes").splitlines()[1:]}

    wait_until(lambda: {"node-1", "server-1", "server-2", "server-3"} <= nodes(), TIMEOUT_S, "every node")
    assert "consul" in consul("catalog", "services").split()
    assert consul("catalog", "datacenters").split() == ["dc1"]
    assert "node-1" not in consul("catalog", "nodes", "-service=consul")


def test_a_service_is_registered_from_a_file_and_goes(consul, tmp_path):
    definition = tmp_path / "web.hcl"
    definition.write_text('service { name = "cli-web" port = 81 tags = ["a"] check { ttl = "1h" } }')
    assert "Registered service: cli-web" in consul("services", "register", str(definition))
    assert "cli-web" in consul("catalog", "services", "-tags")
    assert "node-1" in consul("catalog", "nodes", "-service=cli-web")
    assert "Deregistered service" in consul("services", "deregister", str(definition))
    assert "cli-web" not in consul("catalog", "services")
    consul("services", "deregister", "-id=cli-web", code=1)


def test_keys_are_put_got_listed_exported_imported_and_deleted(consul):
    assert "Success! Data written to: c/a" in consul("kv", "put", "-flags=42", "c/a", "1")
    consul("kv", "put", "c/b", "-", text="from stdin")
    assert consul("kv", "get", "c/a").strip() == "1"
    assert consul("kv", "get", "-keys", "c/").split() == ["c/a", "c/b"]
    assert consul("kv", "get", "-recurse", "c/").split("\n")[:2] == ["c/a:1", "c/b:from stdin"]
    detail = dict(line.split(None, 1) for line in consul("kv", "get", "-detailed", "c/a").splitlines())
    assert (detail["Flags"], detail["Value"]) == ("42", "1")
    exported = consul("kv", "export", "c/")
    assert [one["key"] for one in json.loads(exported)] == ["c/a", "c/b"]
    assert "Success! Deleted keys with prefix" in consul("kv", "delete", "-recurse", "c/")
    consul("kv", "get", "c/a", code=1)
    assert "Imported: c/a" in consul("kv", "import", "-", text=exported)
    assert consul("kv", "get", "c/b").strip() == "from stdin"


def test_keys_are_compared_and_set(consul):
    consul("kv", "put", "c/x", "1")
    consul("kv", "put", "-cas", "-modify-index=1", "c/x", "2", code=1)
    index = dict(line.split(None, 1) for line in consul("kv", "get", "-detailed", "c/x").splitlines())["ModifyIndex"]
    consul("kv", "delete", "-cas", "-modify-index=1", "c/x", code=1)
    consul("kv", "put", "-cas", f"-modify-index={index}", "c/x", "2")
    assert consul("kv", "get", "c/x").strip() == "2"


def test_a_key_is_held_by_a_session(consul, suite):
    session = suite.put("/v1/session/create", {"LockDelay": "0s"}).json()["ID"]
    other = suite.put("/v1/session/create", {"LockDelay": "0s"}).json()["ID"]
    assert "Lock acquired" in consul("kv", "put", "-acquire", f"-session={session}", "c/lock", "mine")
    consul("kv", "put", "-acquire", f"-session={other}", "c/lock", "theirs", code=1)
    assert session in consul("kv", "get", "-detailed", "c/lock")
    assert "Lock released" in consul("kv", "put", "-release", f"-session={session}", "c/lock", "free")
    consul("kv", "put", "-acquire", f"-session={other}", "c/lock", "theirs")


def test_of_two_that_lock_the_second_runs_when_the_first_is_killed(consul, suite, wait_until, tmp_path):
    def locker(name):
        return consul.start(
            "lock", "-name=cli", "-shell=false", "c/leader", "sh", "-c", f"echo x > {tmp_path / name}; exec sleep 600"
        )

    first = locker("one")
    wait_until((tmp_path / "one").exists, TIMEOUT_S, "the first holds it")
    locker("two")
    wait_until(lambda: len(suite.get("/v1/session/list").json()) >= 2, TIMEOUT_S, "the second waits")
    assert not (tmp_path / "two").exists()
    first.kill()
    holder = suite.get("/v1/kv/c/leader/.lock").json()[0]["Session"]
    # Nobody renews it any more: what its TTL would do after half a minute, an operator does now.
    assert suite.put(f"/v1/session/destroy/{holder}").json() is True
    wait_until((tmp_path / "two").exists, 2 * TIMEOUT_S, "the second holds it")


def test_as_many_hold_a_semaphore_as_it_has_places(consul, wait_until, tmp_path):
    def holder(name):
        return consul.start(
            "lock", "-n=2", "-shell=false", "c/many", "sh", "-c", f"echo x > {tmp_path / name}; exec sleep 600"
        )

    running = {}
    for name in ("one", "two"):
        running[name] = holder(name)
        wait_until((tmp_path / name).exists, TIMEOUT_S, f"{name} holds a place")
    holder("three")
    # It waits once it has its own contender key beside the two that hold places, and the lock's.
    wait_until(lambda: len(consul("kv", "get", "-keys", "c/many/").split()) == 4, TIMEOUT_S, "the third contends")
    assert not (tmp_path / "three").exists()
    running["one"].terminate()  # gives its place back
    wait_until((tmp_path / "three").exists, 2 * TIMEOUT_S, "the third holds a place")
    assert running["two"].poll() is None


def test_config_entries_are_written_read_listed_and_deleted(consul, tmp_path):
    entry = tmp_path / "web.hcl"
    entry.write_text('Kind = "service-defaults"\nName = "cli-web"\nProtocol = "http"\nExternalSNI = "a.b"\n')
    assert "Config entry written: service-defaults/cli-web" in consul("config", "write", str(entry))
    found = json.loads(consul("config", "read", "-kind=service-defaults", "-name=cli-web"))
    assert (found["Protocol"], found["ExternalSNI"]) == ("http", "a.b")
    assert "cli-web" in consul("config", "list", "-kind=service-defaults").split()
    entry.write_text(json.dumps({**found, "Protocol": "tcp"}))
    stale = str(found["ModifyIndex"] + 999)
    assert "not updated" in consul("config", "write", "-cas", f"-modify-index={stale}", str(entry), code=1)
    consul("config", "write", "-cas", f"-modify-index={found['ModifyIndex']}", str(entry))
    assert json.loads(consul("config", "read", "-kind=service-defaults", "-name=cli-web"))["Protocol"] == "tcp"
    assert "deleted" in consul("config", "delete", "-kind=service-defaults", "-name=cli-web")
    assert "not found" in consul("config", "read", "-kind=service-defaults", "-name=cli-web", code=1)


WATCHED = [
    (("-type=key", "-key=c/w"), "/v1/kv/c/w", b"new", '"Value":"bmV3"'),
    (("-type=keyprefix", "-prefix=c/"), "/v1/kv/c/w2", b"new", '"Key":"c/w2"'),
    (("-type=services",), "/v1/catalog/register", {"Node": "w1", "Address": "10.0.0.1", "Service": {"Service": "watched"}}, '"watched"'),
    (("-type=service", "-service=seen"), "/v1/catalog/register", {"Node": "w1", "Address": "10.0.0.1", "Service": {"Service": "seen", "Port": 7}}, '"Port":7'),
    (("-type=nodes",), "/v1/catalog/register", {"Node": "w2", "Address": "10.0.0.2"}, '"w2"'),
    (("-type=checks", "-state=critical"), "/v1/catalog/register", {"Node": "w1", "Address": "10.0.0.1", "Check": {"Name": "broken", "Status": "critical"}}, '"broken"'),
    (("-type=event", "-name=deployed"), "/v1/event/fire/deployed", b"1.2", '"deployed"'),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "path", "body", "shown"), WATCHED, ids=[" ".join(one[0]) for one in WATCHED])
def test_a_watch_tells_what_changes(consul, suite, wait_until, tmp_path, arguments, path, body, shown):
    told = tmp_path / "told"
    assert suite.put("/v1/kv/c/w", b"old").status == 200
    consul.start("watch", *arguments, f"sh -c 'cat >> {told}; echo . >> {told}'")
    wait_until(told.exists, TIMEOUT_S, "the first state")
    assert shown not in told.read_text()
    assert suite.put(path, body).status == 200
    wait_until(lambda: shown in told.read_text().replace(": ", ":"), TIMEOUT_S, shown)
    for node in ("w1", "w2"):
        suite.put("/v1/catalog/deregister", {"Node": node})


def test_an_event_is_fired_and_the_state_saved_inspected_and_restored(consul, tmp_path):
    assert "Event ID: " in consul("event", "-name=cli", "payload")
    consul("kv", "put", "c/kept", "1")
    archive = tmp_path / "state.tgz"
    assert "Saved and verified snapshot" in consul("snapshot", "save", str(archive))
    assert "Index" in consul("snapshot", "inspect", str(archive))
    consul("kv", "put", "c/kept", "2")
    assert "Restored snapshot" in consul("snapshot", "restore", str(archive))
    assert consul("kv", "get", "c/kept").strip() == "1"


def test_operators_see_members_peers_settings_and_facts(consul):
    peers = consul("operator", "raft", "list-peers").splitlines()
    assert len(peers) == 4
    assert sum("leader" in line for line in peers) == 1
    members = consul("members", "-detailed")
    assert "role=consul" in members
    assert "node-1" in members
    assert "consul:" in consul("info")
    assert "CleanupDeadServers = true" in consul("operator", "autopilot", "get-config")
    assert "updated" in consul("operator", "autopilot", "set-config", "-cleanup-dead-servers=false")
    assert "CleanupDeadServers = false" in consul("operator", "autopilot", "get-config")
    consul("operator", "autopilot", "set-config", "-cleanup-dead-servers=true")


def test_the_log_is_followed(consul, suite, wait_until):
    follower = consul.start("monitor", "-log-level=debug")
    wait_until(
        lambda: suite.get("/v1/agent/services").status == 200 and (follower.told or consul("reload")) and follower.told,
        TIMEOUT_S,
        "a line",
    )
    assert follower.poll() is None


def test_maintenance_is_begun_shown_and_ended(consul, suite):
    consul("maint", "-enable", "-reason=upgrade")
    assert "upgrade" in consul("maint")
    assert suite.get("/v1/health/node/node-1").text.count("_node_maintenance") == 1
    consul("maint", "-disable")
    assert consul("maint").strip() == ""


def test_the_time_between_two_nodes_is_told_from_their_coordinates(consul, suite, wait_until):
    for node, first in (("far", 0.1), ("near", 0.0)):
        suite.put("/v1/catalog/register", {"Node": node, "Address": "10.0.0.1"})
        coordinate = {"Vec": [first, *[0.0] * 7], "Error": 1.5, "Adjustment": 0.0, "Height": 0.00001}
        assert suite.put("/v1/coordinate/update", {"Node": node, "Coord": coordinate}).status == 200
    wait_until(
        lambda: all(suite.get(f"/v1/coordinate/node/{one}").status == 200 for one in ("far", "near")),
        TIMEOUT_S,
        "coordinates",
    )
    assert "Estimated far <-> near rtt: 100.020 ms" in consul("rtt", "far", "near")
    for node in ("far", "near"):
        suite.put("/v1/catalog/deregister", {"Node": node})


def test_an_intention_is_made_checked_matched_and_deleted(consul):
    assert "Created: cli-a => cli-b (deny)" in consul("intention", "create", "-deny", "cli-a", "cli-b")
    assert "Denied" in consul("intention", "check", "cli-a", "cli-b", code=1)
    assert "cli-a => cli-b (deny)" in consul("intention", "match", "cli-b")
    assert "Action:       deny" in consul("intention", "get", "cli-a", "cli-b")
    assert "Intention deleted" in consul("intention", "delete", "cli-a", "cli-b")
    assert "Allowed" in consul("intention", "check", "cli-a", "cli-b")

"""What an operator sees of the store, with our own command and with Consul's."""

import os
import re
import shutil
import subprocess

import pytest

CONSUL = os.environ.get("CONSUL_BIN") or shutil.which("consul")
pytestmark = pytest.mark.e2e


def all_well(suite):
    answer = suite.get("/v1/operator/autopilot/health")
    return (
        answer.status == 200
        and len(answer.json()["Servers"]) == 3
        and all(one["StableSince"] > "2000" for one in answer.json()["Servers"])
    )


def test_the_stores_members_are_shown_as_well_and_one_order_confirms_only_what_is_held(own_suite, wait_until):
    suite = own_suite("--no-demo").start()
    wait_until(lambda: all_well(suite), 20, "three members that are well")
    address = suite.http.removeprefix("http://")
    shown = suite.lictor("store", "--http-addr", address)
    assert len(re.findall(r"server-\d +(?:leader|follower) +yes", shown)) == 3
    assert "1 more may fail" in shown
    refused = suite.put("/v1/internal/store/confirm-failures")
    assert (refused.status, refused.text) == (409, "no decisions are held")


@pytest.mark.conformance
@pytest.mark.skipif(not CONSUL, reason="no consul binary: set CONSUL_BIN or put it on the path")
def test_consuls_own_command_lists_the_members_and_sets_autopilot(own_suite, wait_until):
    suite = own_suite("--no-demo").start()
    wait_until(lambda: all_well(suite), 20, "three members that are well")

    def consul(*words):
        return subprocess.run(
            [CONSUL, "operator", *words],
            env={**os.environ, "CONSUL_HTTP_ADDR": suite.http.removeprefix("http://")},
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout

    peers = consul("raft", "list-peers")
    assert len(re.findall(r"^server-\d +\S+ +127\.0\.0\.1:\d+ +(?:leader|follower) +true", peers, re.MULTILINE)) == 3
    assert "ServerStabilizationTime = 10s" in consul("autopilot", "get-config")
    assert "Configuration updated!" in consul(
        "autopilot", "set-config", "-min-quorum=3", "-server-stabilization-time=1m30s", "-cleanup-dead-servers=false"
    )
    settings = consul("autopilot", "get-config")
    for line in (
        "MinQuorum = 3",
        "ServerStabilizationTime = 1m30s",
        "CleanupDeadServers = false",
        "MaxTrailingLogs = 250",
    ):
        assert line in settings

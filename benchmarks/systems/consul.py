"""The real peer: three Consul servers on loopback addresses of their own.

The binary is whatever `CONSUL_BIN` names. The configuration differs from Consul's defaults only where a default
stands in the way of a fair run on one machine: production timing (`raft_multiplier` 1), more connections per client
address than 200, no update check (nothing may leave this machine), no WAN gossip.
"""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.http_call import HttpCallError, get
from benchmarks.systems.system import (
    PEER_FOLLOWER,
    PEER_LEADER,
    READY_LIMIT_S,
    Target,
    UnavailableError,
    all_free,
    end,
    last_lines,
    spawn,
    wait_until,
)

SERVERS = 3
HTTP, DNS, SERF, SERVER = 8500, 8600, 8301, 8300
FIRST_HOST, LAST_HOST = 11, 250
"""The last byte of the loopback addresses to try; low ones are likelier to be somebody's."""


class Consul:
    """Three servers, and which of them leads."""

    name = "Consul"

    def __init__(self, binary: str, folder: Path) -> None:
        """`folder` takes configuration, data and logs."""
        self._binary = binary
        self._folder = folder
        self._hosts: list[str] = []
        self._children: list[subprocess.Popen[bytes]] = []
        self._killed = 0

    def start(self) -> None:
        """Start three servers and wait until they agree on a leader and three peers.

        Raises:
            UnavailableError: the binary does not run, or no leader came.
        """
        self._hosts = free_hosts()
        self._folder.mkdir(parents=True, exist_ok=True)
        for number, host in enumerate(self._hosts, start=1):
            settings = configuration(number, host, self._hosts, self._folder)
            self._settings(number).write_text(json.dumps(settings, indent=2))
            self._children.append(self._spawn(number))
        wait_until(self._agreed, READY_LIMIT_S, "three Consul servers found no leader")

    def targets(self) -> list[Target]:
        """The leader and one follower, as they are now.

        Raises:
            UnavailableError: the servers do not agree on a leader.
        """
        leader = self._leader()
        if leader not in self._hosts:
            raise UnavailableError("the Consul servers have no leader")
        follower = next(host for host in self._hosts if host != leader)
        return [Target(PEER_LEADER, leader, HTTP, DNS), Target(PEER_FOLLOWER, follower, HTTP, DNS)]

    def processes(self) -> dict[str, int]:
        """The three servers."""
        return {f"consul-{number}": child.pid for number, child in enumerate(self._children, start=1)}

    def version(self) -> str:
        """The first line of `consul version`."""
        done = subprocess.run([self._binary, "version"], capture_output=True, text=True, check=False)
        return (done.stdout.splitlines() or ["unknown"])[0]

    def kill_leader(self) -> tuple[float, str]:
        """Kill the leader; the moment (monotonic) of that, and the root of a survivor's HTTP API.

        Raises:
            UnavailableError: the servers do not agree on a leader.
        """
        leader, follower = self.targets()
        self._killed = self._hosts.index(leader.host) + 1
        child = self._children[self._killed - 1]
        since = time.monotonic()
        child.kill()
        child.wait()
        return since, f"http://{follower.host}:{HTTP}"

    def restart_killed(self) -> None:
        """Start the killed server again and wait until all three agree.

        Raises:
            UnavailableError: they do not in time.
        """
        self._children[self._killed - 1] = self._spawn(self._killed)
        wait_until(self._agreed, READY_LIMIT_S, "a Consul server that was killed did not come back")

    def stop(self) -> None:
        """End the three servers."""
        end(self._children)
        self._children.clear()

    def _leader(self) -> str:
        """The loopback address that every server names as the leader's, empty when they differ."""
        try:
            named = {str(get(f"http://{host}:{HTTP}/v1/status/leader")) for host in self._hosts}
        except HttpCallError:
            return ""
        return named.pop().rpartition(":")[0] if len(named) == 1 else ""

    def _agreed(self) -> bool:
        for number, child in enumerate(self._children, start=1):
            if child.poll() is not None:
                raise UnavailableError(f"consul-{number} ended ({child.returncode}): {last_lines(self._log(number))}")
        if not self._leader():
            return False
        try:
            return all(len(get(f"http://{host}:{HTTP}/v1/status/peers")) == SERVERS for host in self._hosts)
        except HttpCallError:
            return False

    def _spawn(self, number: int) -> subprocess.Popen[bytes]:
        try:
            return spawn([self._binary, "agent", "-config-file", str(self._settings(number))], self._log(number))
        except OSError as error:
            raise UnavailableError(f"CONSUL_BIN does not run: {error}") from error

    def _settings(self, number: int) -> Path:
        return self._folder / f"server-{number}.json"

    def _log(self, number: int) -> Path:
        return self._folder / f"server-{number}.log"


def free_hosts() -> list[str]:
    """Three loopback addresses on which Consul's own ports are free.

    Raises:
        UnavailableError: there are not three.
    """
    found: list[str] = []
    for last in range(FIRST_HOST, LAST_HOST):
        host = f"127.0.0.{last}"
        if all_free(host, (HTTP, DNS, SERF, SERVER)):
            found.append(host)
        if len(found) == SERVERS:
            return found
    raise UnavailableError("no three loopback addresses have Consul's ports free")


def configuration(number: int, host: str, hosts: list[str], folder: Path) -> dict[str, Any]:
    """The configuration file of one server, as a value."""
    return {
        "datacenter": "dc1",
        "node_name": f"consul-{number}",
        "server": True,
        "bootstrap_expect": len(hosts),
        "retry_join": [f"{one}:{SERF}" for one in hosts],
        "retry_interval": "1s",
        "data_dir": str(folder / f"data-{number}"),
        "bind_addr": host,
        "client_addr": host,
        "ports": {
            "http": HTTP,
            "https": -1,
            "grpc": -1,
            "dns": DNS,
            "serf_lan": SERF,
            "serf_wan": -1,
            "server": SERVER,
        },
        "performance": {"raft_multiplier": 1},
        "limits": {"http_max_conns_per_client": 8000},
        "log_level": "err",
        "disable_update_check": True,
    }

"""Patroni keeps a PostgreSQL cluster on our sessions and keys: it elects a leader, and another one when that is killed."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conformance.real_consul import free_ports

PATRONI = shutil.which("patroni")
POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)), None)
OWNER = "postgres"
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not (PATRONI and POSTGRES), reason="no patroni, or no PostgreSQL below /usr/lib/postgresql"),
    pytest.mark.skipif(os.getuid() != 0, reason="PostgreSQL runs as another user: needs root to become it"),
]
ELECTED_S = 90
TTL_S = 20
"""Patroni's least; a killed leader's key is given back after at most twice as long."""

SETTINGS = """
scope: pg
name: {name}
restapi: {{listen: "127.0.0.1:{rest}", connect_address: "127.0.0.1:{rest}"}}
consul: {{host: "127.0.0.1:{consul}", register_service: true}}
bootstrap:
  dcs: {{ttl: {ttl}, loop_wait: 2, retry_timeout: 3, maximum_lag_on_failover: 1048576, postgresql: {{use_pg_rewind: false}}}}
  initdb: [{{encoding: UTF8}}, data-checksums]
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
postgresql:
  listen: "127.0.0.1:{sql}"
  connect_address: "127.0.0.1:{sql}"
  data_dir: {folder}/data
  bin_dir: {binaries}
  pgpass: {folder}/pgpass
  pg_hba: ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
  parameters: {{unix_socket_directories: "{folder}", fsync: "off"}}
  authentication: {{replication: {{username: replicator, password: r}}, superuser: {{username: postgres, password: s}}}}
"""


class Member:
    """One Patroni with its PostgreSQL."""

    def __init__(self, name, folder, consul_port):
        self.name = name
        self.rest, self.sql = free_ports(2)
        owner = pwd.getpwnam(OWNER)
        self.folder = folder / name
        self.folder.mkdir()
        settings = self.folder / "patroni.yml"
        settings.write_text(
            SETTINGS.format(
                name=name,
                rest=self.rest,
                sql=self.sql,
                consul=consul_port,
                ttl=TTL_S,
                folder=self.folder,
                binaries=POSTGRES.parent,
            )
        )
        for path in (self.folder, settings):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        clean = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [PATRONI, str(settings)],
                stdout=log,
                stderr=log,
                user=OWNER,
                group=owner.pw_gid,
                extra_groups=[],
                env=clean,
                cwd=self.folder,
            )

    def role(self):
        """What the member says of itself; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/patroni", timeout=5) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            told = json.load(error)
        except (OSError, ValueError):
            return ""
        return told.get("role", "") if told.get("state") == "running" else ""

    def sql_ok(self, text):
        """Run one statement; its output, or None."""
        done = subprocess.run(
            [POSTGRES.parent / "psql", "-At", "-h", "127.0.0.1", "-p", str(self.sql), "-U", "postgres", "postgres", "-c", text],
            capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip
        return done.stdout.strip() if done.returncode == 0 else None

    def kill(self):
        """-9 for Patroni and for its PostgreSQL at once, as when the machine goes."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        postmaster = self.folder / "data/postmaster.pid"
        if postmaster.exists():
            os.kill(int(postmaster.read_text().split()[0]), signal.SIGKILL)
            postmaster.unlink()

    def tail(self):
        return (self.folder / "log").read_text()[-1500:]


@pytest.fixture
def members(suite):
    folder = Path(tempfile.mkdtemp(prefix="patroni-"))  # another user must get there: pytest's own is for root
    folder.chmod(0o755)
    started = []

    def start(name):
        started.append(Member(name, folder, suite.port(8500)))
        return started[-1]

    yield start
    for member in started:
        if member.process.poll() is None:
            member.process.terminate()
            try:
                member.process.wait(30)
            except subprocess.TimeoutExpired:
                member.kill()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_replica_takes_over_when_the_leader_is_killed(suite, members, wait_until):
    first = members("first")
    wait_until(lambda: first.role() in {"master", "primary"}, ELECTED_S, f"a leader\n{first.tail()}")
    assert suite.get("/v1/kv/service/pg/leader?raw").text == "first"
    second = members("second")
    wait_until(lambda: second.role() == "replica", ELECTED_S, "a replica")
    wait_until(
        lambda: first.sql_ok("create table if not exists kept (n int); insert into kept values (1)") is not None,
        ELECTED_S,
        "a write",
    )
    wait_until(lambda: second.sql_ok("select count(*) from kept") == "1", ELECTED_S, "the write is replicated")
    first.kill()
    wait_until(
        lambda: second.role() in {"master", "primary"}, ELECTED_S + 2 * TTL_S, f"the replica leads\n{second.tail()}"
    )
    assert suite.get("/v1/kv/service/pg/leader?raw").text == "second"
    assert second.sql_ok("select count(*) from kept") == "1"
    wait_until(
        lambda: second.sql_ok("insert into kept values (2)") is not None, ELECTED_S, "a write after the failover"
    )
    assert "second" in suite.get("/v1/kv/service/pg/members/?keys").text

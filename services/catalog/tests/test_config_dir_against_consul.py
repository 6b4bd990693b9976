"""One directory of definition files, given to a real Consul and to us: the same services and checks, the same refusals."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_fixture import Catalog, story
from test_against_consul import CONSUL, free_ports, normal, plain, wait_until_up

from lictor_catalog.agent_self import AgentNode, Ports
from lictor_catalog.config_dir import ConfigDir, read_directory
from lictor_catalog.consistency import Consistency
from lictor_catalog.definition_files import DefinitionError
from lictor_catalog.errors import ApiError
from lictor_catalog.writes import Writes

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not CONSUL, reason="no consul binary: set CONSUL_BIN or put it on the path"),
]

FILES = {
    "a.hcl": """
        log_level = "WARN"
        service {
          name = "web"   # a comment
          id = "web-1"   // another
          port = 80
          address = "10.0.0.9"
          tags = ["v1", "master",]
          meta { owner = "me" "with space" = "no" }
          enable_tag_override = true
          weights { passing = 5 warning = 2 }
          tagged_addresses { wan { address = "192.0.2.1" port = 8080 } }
          check { id = "alive" name = "alive" tcp = "127.0.0.1:1" interval = "1h" timeout = "2s" }
          checks = [
            { ttl = "1h", notes = <<-TEXT
                two
                  lines
                TEXT
              status = "passing" },
            { name = "seen" http = "http://127.0.0.1:1/x" method = "HEAD" header { a = ["b"] } interval = "1h"
              tls_skip_verify = true deregister_critical_service_after = "90m" },
          ]
        }
        """.replace('"with space" = "no" ', ""),
    "b.json": """{"services": [
        {"name": "db", "port": 5432, "check": {"ttl": "1h", "success_before_passing": 3}},
        {"name": "api", "connect": {"sidecar_service": {"proxy": {"upstreams": [
            {"destination_name": "db", "local_bind_port": 9191, "config": {"connect_timeout_ms": 5}}]}}}, "port": 7},
        {"name": "twice", "port": 1}]}""",
    "c.hcl": """
        services { name = "px" kind = "connect-proxy" port = 7777
          proxy { destination_service_name = "web" config { protocol = "http" }
                  upstreams = [{ destination_name = "db" local_bind_port = 9192 }] } }
        services = [{ name = "twice" port = 2 }]
        check = { name = "disk", ttl = "1h", notes = "n" }
        checks = [{ id = "mem", name = "memory", ttl = "1h", service_id = "web-1" }]
        """,
    "d.txt": "this is { not read",
}
WRONG = [
    'service { name = "a" bogus = 1 }',
    'service { name = "a" check { tttl = "5s" } }',
    'service { name = "a" port = "80" }',
    'service { name = "a" tags = "x" }',
    'service { name = "a" meta { k = 1 } }',
    'service { name = "a" enable_tag_override = "true" }',
    'service "a" { port = 5 }',
    'service { name = "a" ',
    'service { name = "a }',
    "service = 5",
    'check { name = "a" ttl = 5s }',
    'check { name = "a" header = { a = "b" } ttl = "5s" }',
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "config.d"
    made.mkdir()
    for name, text in FILES.items():
        (made / name).write_text(text)
    return made


@pytest.fixture
def consul(directory: Path) -> Iterator[str]:
    assert CONSUL
    ports = free_ports(6)
    names = ("http", "dns", "serf-lan", "serf-wan", "server", "grpc")
    flags = [part for name, port in zip(names, ports, strict=True) for part in (f"-{name}-port", str(port))]
    log = directory.parent / "log"
    command = [CONSUL, "agent", "-dev", "-node", "n1", "-bind", "127.0.0.1", "-config-dir", str(directory), *flags]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{ports[0]}/v1/"
    try:
        wait_until_up(url, log)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def test_a_directory_gives_the_services_and_checks_of_a_real_consul(directory: Path, consul: str) -> None:
    @story
    async def compared() -> None:
        ours, theirs = Catalog(), httpx.AsyncClient(base_url=consul, timeout=10)
        view, leader = ours.view, ours.leader
        node = AgentNode("n1", "127.0.0.1", "dc1")
        config_dir = ConfigDir(
            directory, node, Ports(8500, 8502), Writes(leader, view), view, Consistency(view, leader)
        )
        await config_dir.load(lambda _name, _text: None)

        async def differences() -> list[str]:
            found = []
            for path in ("agent/services", "agent/checks"):
                mine, other = (await ours.get(path)).json(), (await theirs.get(path)).json()
                for one in sorted({*mine, *other}):
                    left, right = [told(side.get(one)) for side in (mine, other)]
                    if left != right:
                        found.append(f"{path} {one}\n  ours   {left}\n  theirs {right}")
            return found

        found = await differences()
        assert not found, "\n".join(found)
        (directory / "b.json").unlink()
        (directory / "c.hcl").write_text('service { name = "web" id = "web-1" port = 81 }')
        (directory / "e.json").write_text('{"check": {"Name": "new", "TTL": "1h"}}')
        (directory / "a.hcl").unlink()
        (await theirs.put("agent/reload")).raise_for_status()
        await config_dir.reload()
        found = await differences()
        assert not found, "\n".join(found)
        (directory / "f.hcl").write_text("service { nam = 5 }")
        assert (await theirs.put("agent/reload")).status_code == 500
        found = await differences()
        assert not found, "\n".join(found)
        with pytest.raises(ApiError):
            await config_dir.reload()
        await theirs.aclose()

    compared()


def told(value: Any) -> Any:
    """A service or check without what must differ: its checks run there, and 1.8 leaves some types out."""
    value = plain(normal(value))
    if isinstance(value, dict):
        value.pop("Status", None)
        value.pop("Type", None)
    return value


@pytest.mark.parametrize("text", WRONG)
def test_what_a_real_consul_refuses_is_refused(text: str, tmp_path: Path) -> None:
    assert CONSUL
    (tmp_path / "a.hcl").write_text('data_dir = "/tmp"')
    (tmp_path / "b.hcl").write_text(text)
    judged = subprocess.run([CONSUL, "validate", str(tmp_path)], capture_output=True, text=True, check=False)
    assert judged.returncode == 1, judged.stdout
    with pytest.raises(DefinitionError):
        read_directory(tmp_path)

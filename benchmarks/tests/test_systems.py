"""What the harness tells the systems and reads from them, without starting any."""

import socket
from pathlib import Path

import pytest

from benchmarks.__main__ import options
from benchmarks.rows.dns import SPELLINGS, spellings
from benchmarks.systems.consul import configuration
from benchmarks.systems.lictor import parse_status
from benchmarks.systems.system import all_free


def test_the_peer_is_configured_for_a_fair_and_local_run(tmp_path: Path) -> None:
    hosts = ["127.0.0.11", "127.0.0.12", "127.0.0.13"]
    found = configuration(2, hosts[1], hosts, tmp_path)
    assert (found["bind_addr"], found["client_addr"], found["bootstrap_expect"]) == (hosts[1], hosts[1], 3)
    assert found["retry_join"] == [f"{host}:8301" for host in hosts]
    assert found["performance"] == {"raft_multiplier": 1}
    assert found["limits"] == {"http_max_conns_per_client": 8000}
    assert found["disable_update_check"] is True
    assert found["data_dir"].startswith(str(tmp_path))


def test_processes_that_are_down_are_not_counted() -> None:
    assert parse_status("     812  nats\n       0  xds\n   90123  raft-store-1\n") == {
        "nats": 812,
        "raft-store-1": 90123,
    }


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_somebody_holds_is_not_free(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        assert not all_free("127.0.0.1", [holder.getsockname()[1]])


@pytest.mark.parametrize("arguments", [["--rows", "dns,ping"], ["--systems", "etcd"], ["--rounds", "0"]])
def test_what_is_not_known_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        options(arguments)


def test_spellings_are_one_name_and_all_different() -> None:
    found = spellings("web.service.consul.", SPELLINGS)
    assert len(set(found)) == SPELLINGS
    assert {name.lower() for name in found} == {"web.service.consul."}

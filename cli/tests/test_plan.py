"""What `lictor dev` starts, as values."""

import dataclasses
from pathlib import Path

import pytest

from lictor_cli.dev import plan
from lictor_cli.dev.mesh_demo import services
from lictor_cli.dev.plan import Kind, Options, Ports
from lictor_cli.dev.tour import tour


def all_processes(options):
    ports = options.ports()
    return [plan.nats(ports), *plan.roles(options), *plan.demo_applications(ports)]


def test_the_default_ports_are_consuls():
    ports = Options().ports()
    assert (ports.http, ports.grpc, ports.dns, ports.serf, ports.nats) == (8500, 8502, 8600, 8301, 4222)
    operations = {one.environment["LICTOR_OPERATIONS_PORT"] for one in plan.roles(Options())}
    assert operations == {str(port) for port in range(8571, 8579)}


def test_an_offset_moves_every_port_and_an_option_names_one():
    moved = Options(port_offset=1000, http_port=80).ports()
    assert moved.http == 80
    for field in dataclasses.fields(Ports):
        if field.name != "http":
            assert getattr(moved, field.name) == getattr(Ports(), field.name) + 1000


@pytest.mark.parametrize("servers", [1, 3, 5])
def test_no_two_processes_share_a_name_or_a_port(servers):
    processes = all_processes(Options(servers=servers))
    names = [one.name for one in processes]
    assert len(set(names)) == len(names)
    listens = [(listen.port, listen.udp) for one in processes for listen in one.listens]
    assert len(set(listens)) == len(listens)
    assert sum(name.startswith("raft-store") for name in names) == servers


def test_every_role_speaks_for_one_node_on_loopback_and_expects_the_servers_there_are():
    for role in plan.roles(Options(servers=5)):
        assert role.environment["LICTOR_NODE"] == "node-1"
        assert role.environment["LICTOR_BIND"] == "127.0.0.1"
        assert role.environment["LICTOR_BOOTSTRAP_EXPECT"] == "5"
        assert role.kind is Kind.ROLE


def test_the_demos_applications_stay_down_and_its_envoys_do_not():
    assert {one.kind for one in plan.demo_applications(Ports())} == {Kind.DEMO}
    assert plan.sidecar("web", 19000, Path("x.json"), 21000).kind is Kind.ROLE


def test_the_demos_services_are_checked_every_two_seconds_and_frontend_reaches_backend():
    by_id = {one["ID"]: one for one in services(Ports())}
    assert {one["Name"] for one in by_id.values()} == {"frontend", "backend"}
    assert {one["Check"]["Interval"] for one in by_id.values()} == {"2s"}
    (upstream,) = by_id["frontend"]["Connect"]["SidecarService"]["Proxy"]["Upstreams"]
    assert (upstream["DestinationName"], upstream["LocalBindPort"]) == ("backend", 9190)


@pytest.mark.parametrize("demo", [True, False])
def test_the_tour_has_four_commands_each_with_its_effect(demo):
    lines = [line for line in tour(Options(demo=demo), Ports()) if "  # " in line]
    assert len(lines) == 4


@pytest.mark.parametrize(("direct", "setting"), [(False, "off"), (True, "on")])
def test_the_direct_lane_is_on_for_every_role_when_asked_for(direct, setting):
    assert {role.environment["LICTOR_DIRECT"] for role in plan.roles(Options(direct=direct))} == {setting}

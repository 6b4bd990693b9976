"""Servers as nodes: what the leader proposes so that the catalog shows them as they are."""

import uuid
from dataclasses import replace

from lictor_bus.server_ids import node_id
from lictor_raft_store.leader_duties.servers import SILENT_S, Server, commands, namesakes
from lictor_state.commands import AgentDecision, AgentJoin
from lictor_state.rows import AgentRow


def server(contact=0.0, run="run-1", address="10.0.0.1"):
    return Server(5, "server-1", run, address, 8300, True, contact)


def row(status="alive", run="run-1"):
    return {"server-1": AgentRow("server-1", node_id(5), run, status, "10.0.0.1", 8300, "consul", status_index=3)}


def test_a_new_server_is_registered_with_the_service_consul():
    (join,) = commands([server()], {}, "dc1", "1.21.4")
    assert isinstance(join, AgentJoin)
    assert (join.node, join.role, join.service_port, join.tags["role"]) == ("server-1", "consul", 8300, "consul")


def test_a_server_as_it_stands_needs_nothing():
    assert commands([server()], row(), "dc1", "1.21.4") == []


def test_a_restarted_or_moved_server_is_registered_again():
    assert isinstance(commands([server(run="run-2")], row(), "dc1", "1.21.4")[0], AgentJoin)
    assert isinstance(commands([server(address="10.0.0.2")], row(), "dc1", "1.21.4")[0], AgentJoin)


def test_a_silent_server_becomes_critical_and_passes_again_with_contact():
    (failed,) = commands([server(contact=SILENT_S)], row(), "dc1", "1.21.4")
    assert isinstance(failed, AgentDecision)
    assert (failed.decision, failed.run_id, failed.status_index) == ("failed", "run-1", 3)
    (alive,) = commands([server()], row("failed"), "dc1", "1.21.4")
    assert isinstance(alive, AgentDecision)
    assert alive.decision == "alive"


def test_a_server_that_was_removed_from_the_configuration_goes_from_the_catalog():
    (reaped,) = commands([], row(), "dc1", "1.21.4", at=77)
    assert isinstance(reaped, AgentDecision)
    assert (reaped.decision, reaped.run_id, reaped.status_index, reaped.at) == ("reap", "run-1", 3, 77)


def test_one_that_takes_over_the_name_of_a_removed_server_comes_after_it():
    other = replace(server(run="run-9"), member_id=6)
    gone, join = commands([other], row(), "dc1", "1.21.4")
    assert isinstance(gone, AgentDecision)
    assert gone.decision == "reap"
    assert isinstance(join, AgentJoin)
    assert join.node_id == node_id(6)


def test_of_several_servers_with_one_name_the_first_stands_in_the_catalog_and_the_name_is_told():
    twin = Server(6, "SERVER-1", "run-9", "10.0.0.9", 8300, True, 0.0)
    assert commands([twin, server()], row(), "dc1", "1.21.4") == []
    assert namesakes([twin, server()]) == ["server-1"]
    assert namesakes([server()]) == []


def test_node_ids_of_servers_are_uuids_and_differ():
    assert uuid.UUID(node_id(5)) != uuid.UUID(node_id(6))

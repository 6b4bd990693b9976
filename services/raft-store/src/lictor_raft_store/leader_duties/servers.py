"""Servers as nodes (design §1): the leader keeps one node `server-<slot>` with service `consul` per member.

What the catalog says of a server follows the leader's contact with it: present members are registered (with the run
id of this start), silent ones become critical, returned ones pass again. One that was removed from the configuration
goes from the catalog: its member id comes no more. Pure: rows and presence in, commands out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lictor_bus.server_ids import node_id
from lictor_state.commands import AgentDecision, AgentJoin, Command
from lictor_state.rows import AgentRow

SILENT_S = 5.0
"""A member without contact for this long is shown as critical: five election timeouts."""


@dataclass(frozen=True, slots=True)
class Server:
    """One member, or process that wants to be one, as the leader sees it now.

    `contact_age_s` is 0 for the leader itself, None when never heard in this leadership. `member`: it stands in the
    configuration; `never_member`: it says that it has never been in one. `present`: its presence is fresh. `match` is
    the end of its log as far as it agrees with the leader's, `level` the highest feature level that it announces.
    """

    member_id: int
    name: str
    run_id: str
    address: str
    port: int
    voter: bool
    contact_age_s: float | None
    member: bool = True
    present: bool = False
    match: int = 0
    level: int = 1
    never_member: bool = False


def namesakes(servers: Sequence[Server]) -> list[str]:
    """Names that more than one member bears: only the first of each can stand in the catalog."""
    names = [server.name.lower() for server in servers]
    return sorted({name for name in names if names.count(name) > 1})


def commands(
    servers: Sequence[Server], rows: dict[str, AgentRow], datacenter: str, version: str, at: int = 0
) -> list[Command]:
    """What to propose so that the catalog shows the servers as they are.

    Args:
        servers: the members, present or not.
        rows: the agent rows by node in lower case.
        datacenter: this datacenter's name.
        version: the Consul version reported to clients.
        at: Unix seconds, for the record of decisions.
    """
    known = {node_id(server.member_id) for server in servers}
    wanted: list[Command] = [
        AgentDecision(row.node, row.run_id, row.status_index, "reap", "removed from the configuration", at)
        for _, row in sorted(rows.items())
        if row.role == "consul" and row.node_id not in known
    ]
    named: set[str] = set()
    for server in sorted(servers, key=lambda one: one.member_id):
        if server.name.lower() in named:
            continue
        named.add(server.name.lower())
        row = rows.get(server.name.lower())
        alive = server.contact_age_s is not None and server.contact_age_s < SILENT_S
        if alive and (row is None or row.run_id != server.run_id or (row.address, row.port) != _where(server)):
            wanted.append(_join(server, datacenter, version))
        elif alive and row is not None and row.status == "failed":
            wanted.append(AgentDecision(server.name, row.run_id, row.status_index, "alive", at=at))
        elif not alive and row is not None and row.status == "alive":
            wanted.append(_failed(row, at))
    wanted += [
        _failed(row, at)
        for name, row in sorted(rows.items())
        if row.role == "consul" and row.status == "alive" and name not in named and row.node_id in known
    ]
    return wanted


def _failed(row: AgentRow, at: int) -> AgentDecision:
    return AgentDecision(row.node, row.run_id, row.status_index, "failed", "the leader has lost contact", at)


def _where(server: Server) -> tuple[str, int]:
    return server.address, server.port


def _join(server: Server, datacenter: str, version: str) -> AgentJoin:
    identity = node_id(server.member_id)
    return AgentJoin(
        node=server.name,
        node_id=identity,
        run_id=server.run_id,
        address=server.address,
        port=server.port,
        datacenter=datacenter,
        role="consul",
        tags={
            "role": "consul",
            "dc": datacenter,
            "segment": "",
            "id": identity,
            "port": str(server.port),
            "build": f"{version}:lictor",
            "vsn": "2",
            "vsn_min": "2",
            "vsn_max": "3",
            "raft_vsn": "3",
            "acls": "0",
            "ft_fs": "1",
            "ft_si": "1",
        },
        tagged_addresses={
            "lan": server.address,
            "lan_ipv4": server.address,
            "wan": server.address,
            "wan_ipv4": server.address,
        },
        meta={"consul-network-segment": "", "consul-version": version},
        service_port=server.port,
        service_meta={
            "non_voter": "false" if server.voter else "true",
            "raft_version": "3",
            "read_replica": "false",
            "serf_protocol_current": "2",
            "serf_protocol_max": "5",
            "serf_protocol_min": "1",
            "version": version,
        },
    )

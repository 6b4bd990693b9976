"""`/v1/agent/self` and `/v1/agent/version`: how this process describes the agent it speaks for.

Readers take the datacenter, the node's name, the version, the minimum session TTL and the ports from here (Consul's
HTTP API, agent). What Consul shows besides and we do not have is left out rather than made up.
"""

import os
import platform
from typing import Any

import msgspec

from lictor_catalog import mesh_json
from lictor_catalog.coordinate_json import STARTING, coordinate
from lictor_catalog.ports import ClusterPort
from lictor_state import Store, queries
from lictor_state.rows import AgentRow

ENVOY_VERSIONS = ("1.34", "1.33", "1.32", "1.31")
"""Envoy minors whose bootstrap and resources are those that `xds` speaks."""


class AgentNode(msgspec.Struct, frozen=True):
    """The node that this process's agent endpoints speak for."""

    name: str
    address: str
    datacenter: str


class Ports(msgspec.Struct, frozen=True):
    """Where the interfaces listen, as reported, and the range from which automatic sidecars take theirs."""

    http: int
    grpc: int
    sidecar_min: int = 21000
    sidecar_max: int = 21255
    dns: int = 8600


class AgentSelf:
    """Describes the agent from the view and the settings."""

    def __init__(self, node: AgentNode, ports: Ports, version: str, cluster: ClusterPort) -> None:
        self.node = node
        self.ports = ports
        self._version = version
        self._cluster = cluster

    def version(self) -> dict[str, str]:
        """`agent/version`."""
        return {"SHA": "", "BuildDate": mesh_json.ZERO_TIME, "HumanVersion": self._version, "FIPS": ""}

    def describe(self, store: Store) -> dict[str, Any]:
        """`agent/self`."""
        row = store.node(self.node.name)
        node_id = row.node_id if row is not None else ""
        return {
            "Config": {
                "Datacenter": self.node.datacenter,
                "PrimaryDatacenter": self.node.datacenter,
                "NodeName": self.node.name,
                "NodeID": node_id,
                "Revision": "",
                "Server": False,
                "Version": self._version,
                "BuildDate": mesh_json.ZERO_TIME,
            },
            "DebugConfig": {
                "ACLsEnabled": False,
                "AdvertiseAddrLAN": self.node.address,
                "CheckDeregisterIntervalMin": "1m0s",
                "CheckOutputMaxSize": 4096,
                "ConnectEnabled": True,
                "ConnectSidecarMaxPort": self.ports.sidecar_max,
                "ConnectSidecarMinPort": self.ports.sidecar_min,
                "DNSAddrs": [f"{kind}://{self._at(self.ports.dns)}" for kind in ("tcp", "udp")],
                "DNSPort": self.ports.dns,
                "Datacenter": self.node.datacenter,
                "DefaultQueryTime": "5m0s",
                "DevMode": False,
                "DisableCoordinates": False,
                "EnableDebug": False,
                "EnableLocalScriptChecks": False,
                "EnableRemoteScriptChecks": False,
                "GRPCAddrs": [f"tcp://{self._at(self.ports.grpc)}"],
                "GRPCPort": self.ports.grpc,
                "GRPCTLSPort": -1,
                "HTTPAddrs": [f"tcp://{self._at(self.ports.http)}"],
                "HTTPPort": self.ports.http,
                "HTTPSPort": -1,
                "KVMaxValueSize": 524288,
                "MaxQueryTime": "10m0s",
                "NodeID": node_id,
                "NodeName": self.node.name,
                "PrimaryDatacenter": self.node.datacenter,
                "ServerMode": False,
                "SessionTTLMin": "0s",
                "TranslateWANAddrs": False,
                "TxnMaxReqLen": 524288,
                "Version": self._version,
            },
            "Coord": coordinate(store.coordinate(self.node.name, "") or STARTING).coord,
            "Member": self._member(store, node_id),
            "Stats": self._stats(store),
            "Meta": dict(row.meta) if row is not None else {},
            "xDS": {
                "SupportedProxies": {"envoy": ENVOY_VERSIONS},
                "Port": self.ports.grpc,
                "Ports": {"Plaintext": self.ports.grpc, "TLS": -1},
            },
        }

    def _at(self, port: int) -> str:
        host = self.node.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _member(self, store: Store, node_id: str) -> mesh_json.Member:
        row = store.agent(self.node.name)
        if row is None:  # no gossip has announced this node yet: what we know of it ourselves
            row = AgentRow(self.node.name, node_id, "", "none", self.node.address, 0)
        return mesh_json.member(row, self.node.datacenter, self._version)

    def _stats(self, store: Store) -> dict[str, dict[str, str]]:
        checks = queries.agent.checks(store, self.node.name).value
        services = queries.agent.services(store, self.node.name).value
        ttls = sum(1 for one in checks if one.definition.ttl_ns)
        monitors = sum(1 for one in checks if one.definition.interval_ns)
        pool = [one.status for one in queries.members.members(store).value if one.role != "consul"]
        version, _, prerelease = self._version.partition("-")
        return {
            "agent": {
                "check_monitors": str(monitors),
                "check_ttls": str(ttls),
                "checks": str(len(checks)),
                "services": str(len(services)),
            },
            "build": {"prerelease": prerelease, "revision": "", "version": version, "version_metadata": ""},
            "consul": {
                "acl": "disabled",
                "known_servers": str(len(self._cluster.peer_addresses)),
                "leader_addr": self._cluster.leader_address,
                "server": "false",
            },
            "runtime": {
                "arch": platform.machine(),
                "cpu_count": str(os.cpu_count() or 1),
                "os": platform.system().lower(),
                "version": f"python{platform.python_version()}",
            },
            "serf_lan": {
                "encrypted": "false",
                "failed": str(pool.count("failed")),
                "left": str(pool.count("left")),
                "members": str(len(pool)),
            },
        }

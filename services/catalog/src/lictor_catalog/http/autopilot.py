"""`/v1/operator/autopilot/*` as Consul has them: its settings, and how it judges the members of the store.

Settings are a row of the state, written whole; without the row the defaults hold, at index 0. Health is what the leader
observes at that moment. Settings of Consul Enterprise (zones, upgrade migration) are refused unless they are empty.
"""

import datetime as dt
from typing import Any

from fastapi import APIRouter, Request, Response

from lictor_bus.frames import Beacon, MemberHealth, StatusAnswer
from lictor_bus.server_ids import node_id
from lictor_catalog import durations
from lictor_catalog.body_decoding import Shape, body_object, duration, flag, text, unsigned
from lictor_catalog.consistency import Consistency, read_options
from lictor_catalog.errors import ApiError, BodyError
from lictor_catalog.http.exchange import body_of, json_answer, params_of
from lictor_catalog.ports import OperatorPort, ViewPort
from lictor_catalog.request import Params
from lictor_catalog.writes import Writes
from lictor_state import Store
from lictor_state.commands import AutopilotSet
from lictor_state.rows import AutopilotRow

UNHEALTHY = 429
"""Consul's status for a store that is not well, so that probes need not read the body."""

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time: not stable."""

PREFIX = "Error parsing autopilot config: "
DEFAULTS = AutopilotRow()
SETTINGS = Shape(
    {
        "CleanupDeadServers": flag,
        "LastContactThreshold": duration,
        "MaxTrailingLogs": unsigned,
        "MinQuorum": unsigned,
        "ServerStabilizationTime": duration,
        "RedundancyZoneTag": text,
        "DisableUpgradeMigration": flag,
        "UpgradeVersionTag": text,
        "CreateIndex": unsigned,
        "ModifyIndex": unsigned,
    }
)
_ENTERPRISE = ("RedundancyZoneTag", "DisableUpgradeMigration", "UpgradeVersionTag")
_NUMBER_MAX = (1 << 63) - 1


def router(operator: OperatorPort, writes: Writes, view: ViewPort, consistency: Consistency, version: str) -> APIRouter:
    """The family's routes; `version` is the Consul version that servers are reported with."""
    routes = APIRouter()

    @routes.get("/v1/operator/autopilot/configuration")
    async def configuration(request: Request) -> Response:
        await consistency.settle(read_options(params_of(request), cacheable=False))
        return json_answer(request, _configuration(view.store.autopilot() or DEFAULTS))

    @routes.put("/v1/operator/autopilot/configuration")
    async def configure(request: Request) -> Response:
        command = _command(await body_of(request), _cas(params_of(request)))
        return json_answer(request, await writes.propose(command))

    @routes.get("/v1/operator/autopilot/health")
    async def health(request: Request) -> Response:
        read_options(params_of(request), cacheable=False)  # members are always asked, but it is judged
        beacon, statuses, leader = await _observed(operator)
        servers = _servers(beacon, statuses, leader, view.store, version)
        shown = _verdict(leader) | {"Servers": [_in_health(server) for server in servers]}
        page = json_answer(request, shown)
        page.status_code = 200 if shown["Healthy"] else UNHEALTHY
        return page

    @routes.get("/v1/operator/autopilot/state")
    async def state(request: Request) -> Response:
        read_options(params_of(request), cacheable=False)  # as above
        beacon, statuses, leader = await _observed(operator)
        servers = _servers(beacon, statuses, leader, view.store, version)
        verdict = _verdict(leader)
        return json_answer(
            request,
            verdict
            | {
                "OptimisticFailureTolerance": verdict["FailureTolerance"],
                "Servers": {server["ID"]: _in_state(server) for server in servers},
                "Leader": node_id(leader.member_id),
                "Voters": [server["ID"] for server in servers if server["Voter"]],
            },
        )

    return routes


def stable_since(health: MemberHealth | None) -> str:
    """Since when a member is stable, in RFC 3339; Go's zero time while it is not."""
    if health is None or health.stable_since is None:
        return NEVER
    return dt.datetime.fromtimestamp(int(health.stable_since), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _configuration(row: AutopilotRow) -> dict[str, Any]:
    return {
        "CleanupDeadServers": row.cleanup_dead_servers,
        "LastContactThreshold": durations.render(row.last_contact_threshold_ns),
        "MaxTrailingLogs": row.max_trailing_logs,
        "MinQuorum": row.min_quorum,
        "ServerStabilizationTime": durations.render(row.server_stabilization_time_ns),
        "RedundancyZoneTag": "",
        "DisableUpgradeMigration": False,
        "UpgradeVersionTag": "",
        "CreateIndex": row.create_index,
        "ModifyIndex": row.modify_index,
    }


def _command(raw: bytes, cas: int | None) -> AutopilotSet:
    """The body whole: what it leaves out is zero, not the default (Consul's rule)."""
    given = body_object(raw, SETTINGS.named("AutopilotConfiguration"), PREFIX)
    refused = next((name for name in _ENTERPRISE if given.get(name)), "")
    if refused:
        raise BodyError(f"{refused} is a Consul Enterprise feature", PREFIX)
    return AutopilotSet(
        given.get("CleanupDeadServers", False),
        given.get("LastContactThreshold", 0),
        min(given.get("MaxTrailingLogs", 0), _NUMBER_MAX),
        min(given.get("MinQuorum", 0), _NUMBER_MAX),
        given.get("ServerStabilizationTime", 0),
        cas,
    )


def _cas(params: Params) -> int | None:
    if not params.has("cas"):
        return None
    given = params.first("cas")
    if not given.isascii() or not given.isdigit() or int(given) > _NUMBER_MAX:
        raise ApiError(400, f'Error parsing cas value: strconv.ParseUint: parsing "{given}": invalid syntax')
    return int(given)


async def _observed(operator: OperatorPort) -> tuple[Beacon, list[StatusAnswer], StatusAnswer]:
    """The newest beacon, what the members tell, and the leader among them, once its autopilot has looked."""
    beacon = operator.beacon
    statuses = await operator.statuses() if beacon else []
    leader = next((one for one in statuses if one.role == "leader" and one.healths), None)
    if beacon is None or leader is None:
        raise ApiError(500, "No cluster leader")
    return beacon, statuses, leader


def _verdict(leader: StatusAnswer) -> dict[str, Any]:
    return {
        "Healthy": all(one.healthy for one in leader.healths),
        "FailureTolerance": max(0, leader.failure_tolerance),
    }


def _servers(
    beacon: Beacon, statuses: list[StatusAnswer], leader: StatusAnswer, store: Store, version: str
) -> list[dict[str, Any]]:
    """Every member with all that one of the two answers shows."""
    addresses = {one.member_id: one.address for one in beacon.members}
    terms = {one.member_id: one.term for one in statuses}
    servers = []
    for one in leader.healths:
        row = store.agent(one.name)
        servers.append(
            {
                "ID": node_id(one.member_id),
                "Name": one.name,
                "Address": addresses.get(one.member_id, ""),
                "Status": row.status if row is not None else "none",
                "Version": version,
                "Leader": one.member_id == leader.member_id,
                "LastContact": durations.render(int(one.contact_age_s * durations.SECOND)),
                "LastTerm": terms.get(one.member_id, 0),
                "LastIndex": one.match,
                "Healthy": one.healthy,
                "Voter": one.voter,
                "StableSince": stable_since(one),
            }
        )
    return servers


def _in_health(server: dict[str, Any]) -> dict[str, Any]:
    return {("SerfStatus" if name == "Status" else name): value for name, value in server.items()}


def _in_state(server: dict[str, Any]) -> dict[str, Any]:
    kept = ("ID", "Name", "Address", "Version", "LastContact", "LastTerm", "LastIndex", "Healthy", "StableSince")
    shown = {name: server[name] for name in kept}
    status = "leader" if server["Leader"] else "voter" if server["Voter"] else "non-voter"
    return shown | {
        "NodeStatus": server["Status"],
        "ReadReplica": False,
        "Status": status,
        "Meta": {},
        "NodeType": "voter",
    }

"""`/v1/operator/raft/*` as Consul has them, and `/v1/internal/store`: the members of the store in one look.

Below the latter an operator also says that the failures which the brake holds are real.
What is shown comes from the members themselves, asked at that moment; who does not answer is missing in
`/v1/internal/store` and stands in `raft/configuration` by what the leader's beacons tell.
"""

from typing import Any

from fastapi import APIRouter, Request, Response

from lictor_bus.frames import Beacon, StatusAnswer
from lictor_bus.server_ids import node_id
from lictor_catalog.consistency import read_options
from lictor_catalog.errors import ApiError
from lictor_catalog.http.autopilot import stable_since
from lictor_catalog.http.exchange import empty_answer, json_answer, params_of
from lictor_catalog.ports import OperatorPort

RAFT_PROTOCOL = "3"


def router(operator: OperatorPort) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()

    @routes.get("/v1/operator/raft/configuration")
    async def configuration(request: Request) -> Response:
        read_options(params_of(request), cacheable=False)  # members are always asked, but it is judged
        beacon = _beacon(operator)
        leader = next((one for one in await operator.statuses() if one.role == "leader"), None)
        return json_answer(request, _configuration(beacon, leader))

    @routes.delete("/v1/operator/raft/peer")
    async def remove(request: Request) -> Response:
        params = params_of(request)
        wanted_id, address = params.first("id"), params.first("address")
        if not wanted_id and not address:
            raise ApiError(
                400, "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove"
            )
        if wanted_id and address:
            raise ApiError(400, "Must specify only one of ?id or ?address")
        members = _beacon(operator).members
        for one in members:
            if address == one.address or wanted_id.lower() == node_id(one.member_id):
                reason = await operator.order("remove", one.member_id)
                if reason:
                    raise ApiError(500, reason)
                return empty_answer(request)
        what = f'address "{address}"' if address else f'id "{wanted_id}"'
        raise ApiError(500, f"{what} was not found in the Raft configuration")

    @routes.post("/v1/operator/raft/transfer-leader")
    async def transfer(request: Request) -> Response:
        wanted_id = params_of(request).first("id").lower()
        to = next((one.member_id for one in _beacon(operator).members if node_id(one.member_id) == wanted_id), 0)
        if wanted_id and not to:
            raise ApiError(404, f"Failed to transfer Leader: cannot find peer with id {wanted_id}")
        reason = await operator.order("transfer", to)
        if reason:
            raise ApiError(404, f"Failed to transfer Leader: {reason}")
        return json_answer(request, {"Success": True})

    @routes.put("/v1/internal/store/confirm-failures")
    async def confirm(request: Request) -> Response:
        reason = await operator.order("confirm-brake", 0)
        if reason:
            raise ApiError(409, reason)
        return json_answer(request, value=True)

    @routes.get("/v1/internal/store")
    async def store(request: Request) -> Response:
        beacon = operator.beacon
        return json_answer(request, _store(beacon, await operator.statuses()))

    return routes


def _beacon(operator: OperatorPort) -> Beacon:
    if operator.beacon is None:
        raise ApiError(500, "No cluster leader")
    return operator.beacon


def _configuration(beacon: Beacon, leader: StatusAnswer | None) -> dict[str, Any]:
    matches = {peer.member_id: peer.match for peer in leader.peers} if leader else {}
    return {
        "Servers": [
            {
                "ID": node_id(one.member_id),
                "Node": one.name,
                "Address": one.address,
                "Leader": one.member_id == beacon.leader,
                "ProtocolVersion": RAFT_PROTOCOL,
                "Voter": one.voter,
                "LastIndex": matches.get(one.member_id, 0),
            }
            for one in beacon.members
        ],
        "Index": 0,
    }


def _store(beacon: Beacon | None, statuses: list[StatusAnswer]) -> dict[str, Any]:
    """Everything about the store that helps when something does not work."""
    leader = next((one for one in statuses if one.role == "leader"), None)
    peers = {peer.member_id: peer for peer in leader.peers} if leader else {}
    healths = {one.member_id: one for one in leader.healths} if leader else {}
    answered = {one.member_id for one in statuses}
    silent = [one for one in beacon.members if one.member_id not in answered] if beacon else []
    return {
        "Cluster": beacon.cluster if beacon else "",
        "Epoch": beacon.epoch if beacon else 0,
        "Level": beacon.level if beacon else 0,
        "Leader": leader.name if leader else "",
        "Term": leader.term if leader else 0,
        "FailureTolerance": leader.failure_tolerance if leader and healths else None,
        "Held": beacon.held if beacon else "",
        "Joining": list(leader.joining) if leader else [],
        "Silent": [one.name or node_id(one.member_id) for one in silent],
        "Members": [
            {
                "ID": node_id(one.member_id),
                "Name": one.name,
                "Role": one.role,
                "Voter": one.member_id in (leader or one).voters,
                "Term": one.term,
                "CommitIndex": one.commit_index,
                "AppliedIndex": one.applied,
                "StoreIndex": one.store_index,
                "FirstIndex": one.first_index,
                "LastIndex": one.last_index,
                "DurableIndex": one.durable_index,
                "Lag": max(0, leader.last_index - one.last_index) if leader else None,
                "LeaderContactSeconds": one.leader_contact_s,
                "Replication": peers[one.member_id].state if one.member_id in peers else "",
                "Healthy": healths[one.member_id].healthy if one.member_id in healths else None,
                "StableSince": stable_since(healths.get(one.member_id)),
                "Digest": f"{one.digest:016x}",
            }
            for one in statuses
        ],
    }

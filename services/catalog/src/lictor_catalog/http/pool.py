"""`/v1/internal/pool`: the pool's members as the catalog, a gossip and the leader see them, and why one of them failed.

Three views that may differ, and that is what they are for: the row says what was decided, the gossip of this process's
node what the pool finds, the leader what it holds of those whom reporters find failed. Who cannot be asked is missing,
and the rest is told all the same. Ages are in seconds.
"""

from typing import Any

from fastapi import APIRouter, Request, Response

from lictor_bus.frames import NodeJudgement, StatusAnswer
from lictor_bus.pool_frames import PoolMember, PoolMembers, Story
from lictor_catalog.errors import ApiError
from lictor_catalog.http.exchange import json_answer
from lictor_catalog.ports import GossipPort, OperatorPort, ViewPort
from lictor_state import queries
from lictor_state.rows import AgentRow


def router(gossip: GossipPort, view: ViewPort, operator: OperatorPort, node: str) -> APIRouter:
    """The family's routes; `node` is the one whose gossip is asked about the pool."""
    routes = APIRouter()

    @routes.get("/v1/internal/pool")
    async def members(request: Request) -> Response:
        seen, reason = await _seen(gossip, node)
        return json_answer(request, _pool(view, await _leader(operator), operator, seen, node, reason))

    @routes.get("/v1/internal/pool/why/{name:path}")
    async def why(name: str, request: Request) -> Response:
        row = view.store.agent(name)
        stories = await gossip.stories(row.node if row else name)
        if row is None and not stories and not await _is_member(gossip, node, name):
            raise ApiError(404, f"No node found with name '{name}'")
        return json_answer(request, _why(name, row, await _leader(operator), operator, stories))

    return routes


async def _seen(gossip: GossipPort, node: str) -> tuple[PoolMembers | None, str]:
    try:
        return await gossip.pool(node), ""
    except ApiError as error:
        return None, error.text


async def _is_member(gossip: GossipPort, node: str, name: str) -> bool:
    """Whether a node that has no row is a member all the same, as plain Serf agents are."""
    seen, _ = await _seen(gossip, node)
    return seen is not None and name.lower() in {one.name.lower() for one in seen.members}


async def _leader(operator: OperatorPort) -> StatusAnswer | None:
    return next((one for one in await operator.statuses() if one.role == "leader"), None)


def _held(operator: OperatorPort) -> str:
    return operator.beacon.held if operator.beacon else ""


def _pool(
    view: ViewPort,
    leader: StatusAnswer | None,
    operator: OperatorPort,
    seen: PoolMembers | None,
    node: str,
    reason: str,
) -> dict[str, Any]:
    rows = {row.node.lower(): row for row in queries.members.members(view.store).value}
    found = {one.name.lower(): one for one in seen.members} if seen else {}
    judged = {one.node: one for one in leader.judgements} if leader else {}
    return {
        "Node": node,
        "Silent": reason,
        "HealthScore": seen.health_score if seen else None,
        "Encrypted": seen.encrypted if seen else None,
        "LeftOut": seen.left_out if seen else 0,
        "Leader": leader.name if leader else "",
        "Held": _held(operator),
        "Members": [_member(rows.get(name), found.get(name), judged.get(name)) for name in sorted({*rows, *found})],
    }


def _member(row: AgentRow | None, seen: PoolMember | None, judged: NodeJudgement | None) -> dict[str, Any]:
    return {
        "Name": row.node if row else seen.name if seen else "",
        "Address": seen.address if seen else row.address if row else "",
        "Port": seen.port if seen else row.port if row else 0,
        "Role": row.role if row else "",
        "Status": row.status if row else "",
        "RunID": row.run_id if row else "",
        "NodeID": row.node_id if row else "",
        "PoolStatus": seen.status if seen else "",
        "Incarnation": seen.incarnation if seen else None,
        "ChangedAgoSeconds": round(seen.changed_ago_s, 3) if seen else None,
        "Tags": row.tags if row else seen.tags if seen else {},
        **_judgement(judged),
    }


def _judgement(judged: NodeJudgement | None) -> dict[str, Any]:
    return {
        "Disputed": judged.disputed if judged else False,
        "FoundFailedBy": list(judged.found_by) if judged else [],
        "Watchers": judged.watchers if judged else None,
        "HeldForSeconds": round(judged.held_s, 3) if judged else 0.0,
    }


def _why(
    name: str, row: AgentRow | None, leader: StatusAnswer | None, operator: OperatorPort, stories: list[Story]
) -> dict[str, Any]:
    judged = next((one for one in leader.judgements if one.node == name.lower()), None) if leader else None
    return {
        "Node": row.node if row else name,
        "Status": row.status if row else "",
        "RunID": row.run_id if row else "",
        "StatusIndex": row.status_index if row else 0,
        "DecidedAt": row.decided_at if row else 0,
        "Leader": leader.name if leader else "",
        "Held": _held(operator),
        **_judgement(judged),
        "Stories": [
            {
                "Teller": one.teller,
                "RunID": one.run_id,
                "HealthScore": one.health_score,
                "Reports": one.reports,
                "AboutItself": one.about_itself,
                "PoolStatus": one.status,
                "Incarnation": one.incarnation,
                "Lines": [
                    {
                        "AgoSeconds": round(line.ago_s, 3),
                        "What": line.what,
                        "By": line.by,
                        "Incarnation": line.incarnation,
                        "OwnHealth": line.own_health,
                        "AfterSeconds": round(line.after_s, 4),
                        "Detail": line.detail,
                    }
                    for line in one.lines
                ],
            }
            for one in stories
        ],
    }

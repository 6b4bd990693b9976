"""`/v1/acl/*` and `/v1/agent/token/*` while there are no ACLs: 401, as Consul answers with ACLs off.

The paths and methods are those of Consul 1.21, and the legacy ones that it has dropped since: who still calls them
learns why nothing comes of it. No body is read and no token kept. A token that comes with any other request is ignored.
"""

from fastapi import APIRouter

from lictor_catalog.errors import ApiError

METHODS = ("GET", "PUT", "POST", "DELETE")


def router() -> APIRouter:
    """The family's routes."""
    routes = APIRouter()

    @routes.api_route("/v1/acl/{rest:path}", methods=list(METHODS))
    @routes.put("/v1/agent/token/{rest:path}")
    async def disabled(rest: str) -> None:  # noqa: ARG001  the paths name it, and nothing hangs on it
        raise ApiError(401, "ACL support disabled")

    return routes

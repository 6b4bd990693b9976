"""The agent in its pool: leave, join, force-leave, and the pool's keys; each is an order to the node's gossip.

`wan` asks for the pool of servers of several datacenters. The agents here are clients, which are not in it: they answer
as Consul's clients do.
"""

import msgspec
from fastapi import APIRouter, Request, Response

from lictor_bus.gossip_orders import ForceLeaveOrder, JoinOrder, KeyringAnswer, KeyringOrder, KeyringVerb
from lictor_catalog.body_decoding import Shape, body_object, text
from lictor_catalog.consul_shapes import Shown
from lictor_catalog.errors import ApiError
from lictor_catalog.http.exchange import body_of, empty_answer, json_answer, params_of
from lictor_catalog.ports import GossipPort
from lictor_catalog.request import Params, boolean

KEY = Shape({"Key": text})
RELAY_FACTOR_MAX = 5
_VERBS: dict[str, KeyringVerb] = {"GET": "list", "POST": "install", "PUT": "use", "DELETE": "remove"}


class ShownKeyring(Shown, frozen=True, gc=False, kw_only=True):
    """The keys of one pool, with how many of its members have each."""

    wan: bool = msgspec.field(name="WAN")
    datacenter: str
    segment: str
    messages: dict[str, str] = msgspec.field(default_factory=dict)
    keys: dict[str, int]
    primary_keys: dict[str, int]
    num_nodes: int


def router(gossip: GossipPort, node: str, datacenter: str) -> APIRouter:
    """The routes; `node` is the one that this process speaks for, in `datacenter`."""
    routes = APIRouter()

    @routes.put("/v1/agent/leave")
    async def leave(request: Request) -> Response:
        await gossip.leave(node)
        return empty_answer(request)

    @routes.put("/v1/agent/join/{address:path}")
    async def join(address: str, request: Request) -> Response:
        if params_of(request).first("wan"):
            raise ApiError(500, "Must be a server to join WAN cluster")
        await gossip.instruct(node, JoinOrder(address))
        return empty_answer(request)

    @routes.put("/v1/agent/force-leave/{name:path}")
    async def force_leave(name: str, request: Request) -> Response:
        params = params_of(request)
        if params.has("wan"):
            raise ApiError(500, "Must be a server to force-leave a node from the WAN cluster")
        await gossip.instruct(node, ForceLeaveOrder(name, params.has("prune")))
        return empty_answer(request)

    @routes.api_route("/v1/operator/keyring", methods=list(_VERBS))
    async def keyring(request: Request) -> Response:
        verb = _VERBS[request.method]
        key = body_object(await body_of(request), KEY).get("Key", "") if verb != "list" else ""
        params = params_of(request)
        relay, local = _relay_factor(params), _local_only(params)
        if local and verb != "list":
            raise ApiError(400, "Invalid use of local-only: local-only can only be set for list requests")
        order = KeyringOrder(verb, key, relay, local)
        answer = await gossip.keyring(node, order)
        if answer.error:
            raise ApiError(500, _told(answer, datacenter))
        return json_answer(request, [_shown(answer, datacenter)]) if verb == "list" else empty_answer(request)

    return routes


def _shown(answer: KeyringAnswer, datacenter: str) -> ShownKeyring:
    return ShownKeyring(
        wan=False,
        datacenter=datacenter,
        segment="",
        messages=dict(sorted(answer.messages.items())),
        keys=dict(sorted(answer.keys.items())),
        primary_keys=dict(sorted(answer.primary_keys.items())),
        num_nodes=answer.nodes,
    )


def _told(answer: KeyringAnswer, datacenter: str) -> str:
    """The reasons in one text, as Consul lists them: the pool's, then those of its members."""
    reasons = [f"{datacenter} (LAN) error: {answer.error}"]
    reasons += [f"{node}: {message}" for node, message in sorted(answer.messages.items())]
    count = f"{len(reasons)} error{'s' if len(reasons) > 1 else ''} occurred:\n"
    return count + "".join(f"\t* {one}\n" for one in reasons) + "\n"


def _relay_factor(params: Params) -> int:
    asked = params.first("relay-factor")
    if not asked:
        return 0
    digits = asked[1:] if asked[0] in "+-" else asked
    if not (digits.isascii() and digits.isdigit()):
        raise ApiError(400, f'Error parsing relay factor: strconv.Atoi: parsing "{asked}": invalid syntax')
    if not 0 <= int(asked) <= RELAY_FACTOR_MAX:
        raise ApiError(400, f"Invalid relay-factor: Relay factor must be in range: [0, {RELAY_FACTOR_MAX}]")
    return int(asked)


def _local_only(params: Params) -> bool:
    asked = params.first("local-only")
    if not asked:
        return False
    judged = boolean(asked)
    if judged is None:
        raise ApiError(400, f'Error parsing local-only: strconv.ParseBool: parsing "{asked}": invalid syntax')
    return judged

"""Requests to `/v1/query`: bodies as definitions, and the parameters of executing one, with Consul's refusals.

What the definition alone shows is judged here, templates included; names, sessions and ids of other queries are judged
in apply. Peering and sameness groups are refused by name; failover to other datacenters is taken and finds nothing.
"""

from typing import Any

import msgspec

from lictor_catalog import durations
from lictor_catalog.body_decoding import ListOf, MapOf, Shape, body_object, flag, integer, text, unsigned
from lictor_catalog.errors import ApiError
from lictor_catalog.request import Params, boolean
from lictor_catalog.service_definition import meta_fault
from lictor_state.commands import PreparedQuerySet
from lictor_state.prepared_query_rows import (
    QueryDefinition,
    QueryFailover,
    QueryService,
    QueryTarget,
    QueryTemplate,
)
from lictor_state.query_template import TemplateError, judge_template

HIDDEN = "<hidden>"
"""What Consul shows in place of a token: a definition with it was copied from an answer and would lose the token."""

_FAILOVER = Shape(
    {"NearestN": integer, "Datacenters": ListOf(text), "Targets": ListOf(Shape({"Peer": text, "Datacenter": text}))}
)
_SERVICE = Shape(
    {
        "Service": text,
        "SamenessGroup": text,
        "Failover": _FAILOVER.named("QueryFailoverOptions.Service.Failover"),
        "OnlyPassing": flag,
        "IgnoreCheckIDs": ListOf(text),
        "Near": text,
        "Tags": ListOf(text),
        "NodeMeta": MapOf(text),
        "ServiceMeta": MapOf(text),
        "Connect": flag,
        "Peer": text,
    }
)
_TEMPLATE = Shape({"Type": text, "Regexp": text, "RemoveEmptyTags": flag})
_DNS = Shape({"TTL": text})
QUERY = Shape(
    {
        "ID": text,
        "Name": text,
        "Session": text,
        "Token": text,
        "Template": _TEMPLATE.named("QueryTemplateOptions.Template"),
        "Service": _SERVICE.named("ServiceQuery.Service"),
        "DNS": _DNS.named("QueryDNSOptions.DNS"),
        "CreateIndex": unsigned,
        "ModifyIndex": unsigned,
    }
)


class Execution(msgspec.Struct, frozen=True):
    """What the parameters of an execution ask for; `limit` 0 or less is none."""

    near: str
    limit: int
    connect: bool


def create(raw: bytes, query_id: str) -> PreparedQuerySet:
    """The command of a POST; raises `ApiError`."""
    given = body_object(raw, _query)
    if given.get("ID"):
        raise ApiError(500, "ID must be empty when creating a new prepared query")
    return PreparedQuerySet(query_id, _judged(given), create=True)


def update(raw: bytes, query_id: str) -> PreparedQuerySet:
    """The command of a PUT; the path's id counts. Raises `ApiError`."""
    return PreparedQuerySet(query_id, _judged(body_object(raw, _query) if raw else {}))


def execution(params: Params) -> Execution:
    """The parameters of `execute`; raises `ApiError`."""
    limit = params.first("limit")
    number = 0
    if limit:
        digits = limit.removeprefix("-").removeprefix("+")
        if not digits.isascii() or not digits.isdigit():
            raise ApiError(500, f'Bad limit: strconv.Atoi: parsing "{limit}": invalid syntax')
        number = int(limit)
    connect = params.first("connect")
    wanted = boolean(connect) if connect else False
    if wanted is None:
        said = f'strconv.ParseBool: parsing "{connect}": invalid syntax'
        raise ApiError(500, f"Error parsing 'connect' value: {said}")
    return Execution(params.first("near"), number, wanted)


def _query(value: Any, _path: str) -> dict[str, Any]:
    return QUERY(value, "PreparedQuery")


def _judged(given: dict[str, Any]) -> QueryDefinition:
    """The definition, judged in Consul's order."""
    service, template = given.get("Service", {}), given.get("Template", {})
    if not given.get("Name") and not given.get("Session") and not template.get("Type"):
        raise _invalid("Must be bound to a session")
    if given.get("Token") == HIDDEN:
        hint = "it looks like a query definition with a redacted token was submitted"
        raise _invalid(f"Bad Token '{HIDDEN}', {hint}")
    if not service.get("Service"):
        raise _invalid("Must provide a Service name to query")
    failover = service.get("Failover", {})
    nearest = failover.get("NearestN", 0)
    if nearest < 0:
        raise _invalid(f"Bad NearestN '{nearest}', must be >= 0")
    if failover.get("Targets") and (nearest or failover.get("Datacenters")):
        raise _invalid("Targets cannot be populated with NearestN or Datacenters")
    fault = meta_fault(service.get("NodeMeta", {}), reserved="")
    if fault:
        raise _invalid(fault)
    ttl = given.get("DNS", {}).get("TTL", "")
    _judge_ttl(ttl)
    for name in ("Peer", "SamenessGroup"):
        if service.get(name):
            raise ApiError(400, f"Service.{name} is not supported by this version")
    definition = QueryDefinition(
        name=given.get("Name", ""),
        service=_service(service, failover),
        session=given.get("Session", ""),
        token=given.get("Token", ""),
        template=QueryTemplate(
            template.get("Type", ""), template.get("Regexp", ""), template.get("RemoveEmptyTags", False)
        ),
        dns_ttl=ttl,
    )
    try:
        judge_template(definition)
    except TemplateError as error:
        raise ApiError(500, f"raft apply failed: failed compiling template: {error}") from None
    return definition


def _service(given: dict[str, Any], failover: dict[str, Any]) -> QueryService:
    targets = failover.get("Targets")
    return QueryService(
        service=given["Service"],
        failover=QueryFailover(
            failover.get("NearestN", 0),
            failover.get("Datacenters"),
            None
            if targets is None
            else tuple(QueryTarget(one.get("Peer", ""), one.get("Datacenter", "")) for one in targets),
        ),
        only_passing=given.get("OnlyPassing", False),
        ignore_check_ids=given.get("IgnoreCheckIDs"),
        near=given.get("Near", ""),
        tags=given.get("Tags"),
        node_meta=given.get("NodeMeta"),
        service_meta=given.get("ServiceMeta"),
        connect=given.get("Connect", False),
    )


def _judge_ttl(ttl: str) -> None:
    if not ttl:
        return
    try:
        ttl_ns = durations.parse(ttl)
    except durations.DurationError as error:
        raise _invalid(f"Bad DNS TTL '{ttl}': {error}") from None
    if ttl_ns < 0:
        raise _invalid(f"DNS TTL '{ttl_ns}', must be >=0")


def _invalid(what: str) -> ApiError:
    return ApiError(500, f"Invalid prepared query: {what}")

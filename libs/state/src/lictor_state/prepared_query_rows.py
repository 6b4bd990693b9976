"""Prepared queries as rows: what a client has defined under a name, to be executed by name or id.

Lists and maps are None where the client gave none, which Consul shows as `null`. Which instances a query finds is
`queries.prepared_execution`'s work; how a template becomes a query is `query_template`'s.
"""

import msgspec

NAME_PREFIX_MATCH = "name_prefix_match"
"""The only type of templates that there is."""


class QueryTarget(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where to look when nothing is left here: a peer or a datacenter."""

    peer: str = ""
    datacenter: str = ""


class QueryFailover(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Which other datacenters to ask, and in which order."""

    nearest_n: int = 0
    datacenters: tuple[str, ...] | None = None
    targets: tuple[QueryTarget, ...] | None = None


class QueryService(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Which instances of which service are meant; `near` is a node's name, `_agent` or `_ip`."""

    service: str
    failover: QueryFailover = QueryFailover()
    only_passing: bool = False
    ignore_check_ids: tuple[str, ...] | None = None
    near: str = ""
    tags: tuple[str, ...] | None = None
    node_meta: dict[str, str] | None = None
    service_meta: dict[str, str] | None = None
    connect: bool = False


class QueryTemplate(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What makes a query a template: `type` is empty or `name_prefix_match`."""

    type: str = ""
    regexp: str = ""
    remove_empty_tags: bool = False


class QueryDefinition(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A query as its client defined it; `dns_ttl` is a duration as Go writes it, or empty."""

    name: str
    service: QueryService
    session: str = ""
    token: str = ""
    template: QueryTemplate = QueryTemplate()
    dns_ttl: str = ""


class PreparedQueryRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A prepared query. Key: its id (a UUID). One that names a session ends with it."""

    query_id: str
    definition: QueryDefinition
    create_index: int = 0
    modify_index: int = 0

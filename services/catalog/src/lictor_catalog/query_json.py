"""Prepared queries and what they find, as Consul's JSON: shapes, and making them of rows."""

import msgspec

from lictor_catalog import consul_json
from lictor_catalog.consul_shapes import ServiceHealth, Shown
from lictor_state.prepared_query_rows import PreparedQueryRow
from lictor_state.queries import Instance


class ShownTarget(Shown, frozen=True, gc=False, kw_only=True):
    """One target of a failover."""

    peer: str
    datacenter: str


class ShownFailover(Shown, frozen=True, gc=False, kw_only=True):
    """`Service.Failover`."""

    nearest_n: int
    datacenters: tuple[str, ...] | None
    targets: tuple[ShownTarget, ...] | None


class ShownTemplate(Shown, frozen=True, gc=False, kw_only=True):
    """`Template`."""

    type: str
    regexp: str
    remove_empty_tags: bool


class ShownQueryService(Shown, frozen=True, gc=False, kw_only=True):
    """`Service` of a query."""

    service: str
    sameness_group: str
    failover: ShownFailover
    only_passing: bool
    ignore_check_ids: tuple[str, ...] | None = msgspec.field(name="IgnoreCheckIDs")
    near: str
    tags: tuple[str, ...] | None
    node_meta: dict[str, str] | None
    service_meta: dict[str, str] | None
    connect: bool
    peer: str


class ShownDNS(Shown, frozen=True, gc=False, kw_only=True):
    """`DNS`."""

    ttl: str = msgspec.field(name="TTL")


class ShownQuery(Shown, frozen=True, gc=False, kw_only=True):
    """A prepared query."""

    query_id: str = msgspec.field(name="ID")
    name: str
    session: str
    token: str
    template: ShownTemplate
    service: ShownQueryService
    dns: ShownDNS = msgspec.field(name="DNS")
    create_index: int
    modify_index: int


class ShownExplained(Shown, frozen=True, gc=False, kw_only=True):
    """The query that a name stands for."""

    query: ShownQuery


class ShownExecuted(Shown, frozen=True, kw_only=True):
    """What a query has found."""

    service: str
    nodes: list[ServiceHealth]
    dns: ShownDNS = msgspec.field(name="DNS")
    datacenter: str
    peer_name: str
    failovers: int


def query(row: PreparedQueryRow) -> ShownQuery:
    """A prepared query; without ACLs everybody sees its token, as in Consul."""
    given = row.definition
    service, failover, targets = given.service, given.service.failover, given.service.failover.targets
    return ShownQuery(
        query_id=row.query_id,
        name=given.name,
        session=given.session,
        token=given.token,
        template=ShownTemplate(
            type=given.template.type,
            regexp=given.template.regexp,
            remove_empty_tags=given.template.remove_empty_tags,
        ),
        service=ShownQueryService(
            service=service.service,
            sameness_group="",
            failover=ShownFailover(
                nearest_n=failover.nearest_n,
                datacenters=failover.datacenters,
                targets=(
                    None
                    if targets is None
                    else tuple(ShownTarget(peer=one.peer, datacenter=one.datacenter) for one in targets)
                ),
            ),
            only_passing=service.only_passing,
            ignore_check_ids=service.ignore_check_ids,
            near=service.near,
            tags=service.tags,
            node_meta=service.node_meta,
            service_meta=service.service_meta,
            connect=service.connect,
            peer="",
        ),
        dns=ShownDNS(ttl=given.dns_ttl),
        create_index=row.create_index,
        modify_index=row.modify_index,
    )


def executed(row: PreparedQueryRow, found: list[Instance], datacenter: str) -> ShownExecuted:
    """What a query has found here; no other datacenter was asked."""
    return ShownExecuted(
        service=row.definition.service.service,
        nodes=[consul_json.service_health(one.node, one.service, one.checks) for one in found],
        dns=ShownDNS(ttl=row.definition.dns_ttl),
        datacenter=datacenter,
        peer_name="",
        failovers=0,
    )

"""`/v1/agent/health/service/…`: the health of the agent's instances, said by the status of the answer.

Follows Consul's agent API (health of local services), so that a load balancer needs no JSON: 200 passing, 429 warning,
503 critical or in maintenance, 404 unknown. The node's own checks count for each of its services, as far as they came
through the agent: `serfHealth` is gossip's and does not.
"""

from collections.abc import Iterable

import msgspec

from lictor_catalog import consul_json
from lictor_catalog.consul_shapes import AgentService, Shown
from lictor_catalog.maintenance import is_maintenance
from lictor_catalog.page import Page, json_page
from lictor_state import Store, queries
from lictor_state.rows import CheckRow, ServiceRow

MAINTENANCE = "maintenance"
PLAIN = b"text/plain"
_STATUS = {"passing": 200, "warning": 429, "critical": 503, MAINTENANCE: 503}
_WORSE = ("passing", "warning", "critical", MAINTENANCE)


class AgentHealthDefinition(Shown, frozen=True, gc=False, kw_only=True):
    """How an agent's check is run is not shown here; Consul shows the fields all the same."""

    interval: str
    timeout: str
    deregister_critical_service_after: str
    http: str = msgspec.field(name="HTTP")
    header: None
    method: str
    body: str
    tls_skip_verify: bool = msgspec.field(name="TLSSkipVerify")
    tcp: str = msgspec.field(name="TCP")


class AgentHealthCheck(Shown, frozen=True, gc=False, kw_only=True):
    """A check, as this endpoint alone shows it."""

    node: str
    check_id: str = msgspec.field(name="CheckID")
    name: str
    status: str
    notes: str
    output: str
    service_id: str = msgspec.field(name="ServiceID")
    service_name: str
    service_tags: tuple[str, ...] | None
    type: str
    definition: AgentHealthDefinition
    create_index: int
    modify_index: int


class AgentHealth(Shown, frozen=True, gc=False, kw_only=True):
    """One instance with its health."""

    aggregated_status: str
    service: AgentService | None
    checks: tuple[AgentHealthCheck, ...] | None


_NO_DEFINITION = AgentHealthDefinition(
    interval="0s",
    timeout="0s",
    deregister_critical_service_after="0s",
    http="",
    header=None,
    method="",
    body="",
    tls_skip_verify=False,
    tcp="",
)


def aggregated(checks: Iterable[CheckRow]) -> str:
    """The worst of the checks; one of maintenance says `maintenance`, none at all `passing`."""
    worst = 0
    for one in checks:
        status = MAINTENANCE if is_maintenance(one.check_id) else one.status
        worst = max(worst, _WORSE.index(status))
    return _WORSE[worst]


def by_id(store: Store, node: str, datacenter: str, service_id: str, *, text: bool) -> Page:
    """`agent/health/service/id/:id`."""
    service = queries.agent.service(store, node, service_id).value
    if service is None:
        reason = f"ServiceId {service_id} not found"
        return _page(404, reason, AgentHealth(aggregated_status="critical", service=None, checks=None), text=text)
    checks = _counted(queries.agent.checks(store, node).value, service)
    status = aggregated(checks)
    return _page(_STATUS[status], status, _shown(service, checks, status, datacenter), text=text)


def by_name(store: Store, node: str, datacenter: str, name: str, *, text: bool) -> Page:
    """`agent/health/service/name/:name`; the worst of its instances decides."""
    found = [one for one in queries.agent.services(store, node).value if one.name == name]
    if not found:
        return _page(404, f"ServiceName {name} Not Found", [], text=text)
    rows = queries.agent.checks(store, node).value
    counted = [(service, _counted(rows, service)) for service in found]
    statuses = [aggregated(checks) for _, checks in counted]
    worst = max(statuses, key=_WORSE.index)
    shown = [
        _shown(service, checks, status, datacenter) for (service, checks), status in zip(counted, statuses, strict=True)
    ]
    return _page(_STATUS[worst], worst, shown, text=text)


def _counted(rows: list[CheckRow], service: ServiceRow) -> list[CheckRow]:
    """Of the agent's checks the service's and the node's own."""
    return [row for row in rows if row.service_id in ("", service.service_id)]


def _shown(service: ServiceRow, checks: list[CheckRow], status: str, datacenter: str) -> AgentHealth:
    return AgentHealth(
        aggregated_status=status,
        service=consul_json.agent_service(service, datacenter),
        checks=tuple(
            AgentHealthCheck(
                node=row.node,
                check_id=row.check_id,
                name=row.name,
                status=row.status,
                notes=row.notes,
                output=row.output,
                service_id=row.service_id,
                service_name=row.service_name,
                service_tags=row.service_tags or None,
                type="",
                definition=_NO_DEFINITION,
                create_index=0,
                modify_index=0,
            )
            for row in checks
        ),
    )


def _page(code: int, reason: str, value: object, *, text: bool) -> Page:
    headers = ((b"x-consul-reason", reason.encode("ascii", "replace")),)
    if text:
        return Page(reason.encode(), status=code, content_type=PLAIN, headers=headers)
    shown = json_page(value)
    return Page(shown.body, status=code, headers=headers)

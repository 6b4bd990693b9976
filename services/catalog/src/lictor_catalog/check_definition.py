"""Check definitions: the check fields of a service or of `agent/check/register`, and a catalog check, as `CheckSpec`s.

Names, aliases, defaults and refusals are those of Consul's agent API (service and check registration). The kinds that
no runner exists for are refused at registration, so that a check never stands still unnoticed. Whether the check's
service exists is judged in apply.
"""

from typing import Any

from lictor_catalog import durations
from lictor_catalog.body_decoding import Decode, ListOf, MapOf, Shape, duration, flag, integer, text
from lictor_catalog.errors import ApiError
from lictor_state.commands import CheckSpec
from lictor_state.rows import CheckDefinition

OUTPUT_SIZE_DEFAULT = 4096
STATUSES = ("passing", "warning", "critical")
INVALID_CHECK = "Invalid check: "
_SCRIPTS = frozenset({"script", "docker"})
RUNNERS = frozenset({"http", "tcp", "ttl", "alias"})
"""The kinds that `healthcheck` runs."""

_COMMON: dict[str, Decode] = {
    "HTTP": text,
    "Method": text,
    "Header": MapOf(ListOf(text)),
    "Body": text,
    "DisableRedirects": flag,
    "TCP": text,
    "TCPUseTLS": flag,
    "UDP": text,
    "GRPC": text,
    "GRPCUseTLS": flag,
    "H2PING": text,
    "H2PingUseTLS": flag,
    "ScriptArgs": ListOf(text),
    "DockerContainerID": text,
    "Shell": text,
    "OSService": text,
    "AliasNode": text,
    "AliasService": text,
    "TTL": duration,
    "Interval": duration,
    "Timeout": duration,
    "TLSServerName": text,
    "TLSSkipVerify": flag,
    "DeregisterCriticalServiceAfter": duration,
    "OutputMaxSize": integer,
}
_ALIASES = {
    "Args": "ScriptArgs",
    "script_args": "ScriptArgs",
    "deregister_critical_service_after": "DeregisterCriticalServiceAfter",
    "docker_container_id": "DockerContainerID",
    "tls_server_name": "TLSServerName",
    "tls_skip_verify": "TLSSkipVerify",
    "tcp_use_tls": "TCPUseTLS",
    "grpc_use_tls": "GRPCUseTLS",
    "h2ping_use_tls": "H2PingUseTLS",
    "disable_redirects": "DisableRedirects",
}
_AGENT: dict[str, Decode] = _COMMON | {
    "Name": text,
    "Status": text,
    "Notes": text,
    "SuccessBeforePassing": integer,
    "FailuresBeforeWarning": integer,
    "FailuresBeforeCritical": integer,
    "Token": text,
}
SERVICE_CHECK = Shape(
    _AGENT | {"CheckID": text, "ServiceID": text, "ProxyHTTP": text, "ProxyGRPC": text},
    _ALIASES | {"service_id": "ServiceID"},
    in_files={"id": "CheckID"},
)
"""A check inside a service registration; its `ServiceID` is taken and means nothing."""

AGENT_CHECK = Shape(_AGENT | {"ID": text, "ServiceID": text}, _ALIASES | {"service_id": "ServiceID"})
"""The body of `agent/check/register`."""

CATALOG_CHECK = Shape(
    {
        "Node": text,
        "CheckID": text,
        "Name": text,
        "Status": text,
        "Notes": text,
        "Output": text,
        "ServiceID": text,
        "ServiceName": text,
        "ServiceTags": ListOf(text),
        "Type": text,
        "Interval": text,
        "Timeout": text,
        "ExposedPort": integer,
        "PeerName": text,
        "Definition": Shape(
            _COMMON
            | {
                "IntervalDuration": duration,
                "TimeoutDuration": duration,
                "DeregisterCriticalServiceAfterDuration": duration,
            },
            _ALIASES,
            lenient=True,
        ),
        "CreateIndex": integer,
        "ModifyIndex": integer,
    }
)
"""A check of `catalog/register`."""

_UNDEFINED = CheckDefinition()
_ACTIVE = "Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks"


def service_check(given: dict[str, Any], service_id: str, service_name: str, number: int) -> CheckSpec:
    """A check of a service registration; `number` from 1 among several, 0 for the only one."""
    definition, kind = _judged(given)
    default_id = f"service:{service_id}:{number}" if number else f"service:{service_id}"
    return CheckSpec(
        check_id=given.get("CheckID") or default_id,
        name=given.get("Name") or f"Service '{service_name}' check",
        status=_status(given, "Status for checks must 'passing', 'warning', 'critical'"),
        notes=given.get("Notes", ""),
        service_id=service_id,
        type=kind,
        interval=durations.render_given(definition.interval_ns),
        timeout=durations.render_given(definition.timeout_ns),
        definition=definition,
    )


def agent_check(given: dict[str, Any]) -> CheckSpec:
    """The check of `agent/check/register`; raises `ApiError` with Consul's refusals."""
    name = given.get("Name", "")
    if not name:
        raise ApiError(400, "Missing check name")
    status = _status(given, "Bad check status")
    definition, kind = _judged(given)
    return CheckSpec(
        check_id=given.get("ID") or name,
        name=name,
        status=status,
        notes=given.get("Notes", ""),
        service_id=given.get("ServiceID", ""),
        type=kind,
        interval=durations.render(definition.interval_ns),
        timeout=durations.render(definition.timeout_ns),
        definition=definition,
    )


def catalog_check(given: dict[str, Any], node: str) -> CheckSpec:
    """A check of `catalog/register`: taken as it is; nobody of Consul's would run it."""
    inner = given.get("Definition")
    definition = _definition(inner) if inner else _UNDEFINED
    return CheckSpec(
        check_id=given.get("CheckID") or given.get("Name", ""),
        name=given.get("Name", ""),
        status=given.get("Status") or "critical",
        notes=given.get("Notes", ""),
        output=given.get("Output", ""),
        service_id=given.get("ServiceID", ""),
        type=given.get("Type") or check_kind(definition),
        interval=given.get("Interval", ""),
        timeout=given.get("Timeout", ""),
        definition=definition,
        node=given.get("Node") or node,
    )


def check_kind(definition: CheckDefinition) -> str:
    """The `Type` that Consul reports: the first of these that is given, empty for none."""
    kinds = (
        ("grpc", definition.grpc),
        ("http", definition.http),
        ("ttl", definition.ttl_ns),
        ("tcp", definition.tcp),
        ("udp", definition.udp),
        ("alias", definition.alias_node or definition.alias_service),
        ("docker", definition.docker_container_id),
        ("script", definition.script_args),
        ("h2ping", definition.h2ping),
        ("os_service", definition.os_service),
    )
    return next((kind for kind, value in kinds if value), "")


def is_empty(given: dict[str, Any]) -> bool:
    """Whether a `Check` block says nothing at all, which Consul ignores."""
    return not any(given.values())


def _judged(given: dict[str, Any]) -> tuple[CheckDefinition, str]:
    definition = _definition(given)
    kind = check_kind(definition)
    fault = _fault(definition)
    if fault:
        raise ApiError(400, f"{INVALID_CHECK}{fault}")
    if kind not in RUNNERS:
        why = ": Scripts are disabled on this agent" if kind in _SCRIPTS else ""
        raise ApiError(400, f"{INVALID_CHECK}checks of type {kind} are not supported by this version{why}")
    return definition, kind


def _fault(definition: CheckDefinition) -> str:
    """The first broken rule of the agent's check validation, in Consul's order and wording."""
    active = bool(
        definition.script_args
        or definition.docker_container_id
        or definition.http
        or definition.tcp
        or definition.udp
        or definition.grpc
        or definition.h2ping
        or definition.os_service
    )
    alias = bool(definition.alias_node or definition.alias_service)
    if definition.interval_ns > 0 and definition.ttl_ns > 0:
        return "Interval and TTL cannot both be specified"
    if active and definition.interval_ns <= 0:
        return _ACTIVE
    if alias and definition.interval_ns > 0:
        return "Interval cannot be set for Alias checks"
    if alias and definition.ttl_ns > 0:
        return "TTL must be not be set for Alias checks"
    if not active and not alias and definition.ttl_ns <= 0:
        return "TTL must be > 0 for TTL checks"
    if definition.output_max_size < 0:
        return "MaxOutputMaxSize must be positive"
    if definition.failures_before_warning > definition.failures_before_critical:
        return "FailuresBeforeWarning can't be higher than FailuresBeforeCritical"
    return ""


def _status(given: dict[str, Any], refusal: str) -> str:
    status = given.get("Status") or "critical"
    if status not in STATUSES:
        raise ApiError(400, refusal)
    return str(status)


def _definition(given: dict[str, Any]) -> CheckDefinition:
    critical = given.get("FailuresBeforeCritical", 0)
    return CheckDefinition(
        http=given.get("HTTP", ""),
        method=given.get("Method", ""),
        header=given.get("Header", {}),
        body=given.get("Body", ""),
        disable_redirects=given.get("DisableRedirects", False),
        tcp=given.get("TCP", ""),
        tcp_use_tls=given.get("TCPUseTLS", False),
        udp=given.get("UDP", ""),
        grpc=given.get("GRPC", ""),
        grpc_use_tls=given.get("GRPCUseTLS", False),
        h2ping=given.get("H2PING", ""),
        h2ping_use_tls=given.get("H2PingUseTLS", bool(given.get("H2PING"))),
        script_args=given.get("ScriptArgs", ()),
        docker_container_id=given.get("DockerContainerID", ""),
        shell=given.get("Shell", ""),
        os_service=given.get("OSService", ""),
        alias_node=given.get("AliasNode", ""),
        alias_service=given.get("AliasService", ""),
        ttl_ns=given.get("TTL", 0),
        interval_ns=given.get("Interval") or given.get("IntervalDuration", 0),
        timeout_ns=given.get("Timeout") or given.get("TimeoutDuration", 0),
        tls_server_name=given.get("TLSServerName", ""),
        tls_skip_verify=given.get("TLSSkipVerify", False),
        success_before_passing=given.get("SuccessBeforePassing", 0),
        failures_before_warning=given.get("FailuresBeforeWarning") or critical,
        failures_before_critical=critical,
        deregister_critical_service_after_ns=given.get("DeregisterCriticalServiceAfter")
        or given.get("DeregisterCriticalServiceAfterDuration", 0),
        output_max_size=given.get("OutputMaxSize", 0),
    )

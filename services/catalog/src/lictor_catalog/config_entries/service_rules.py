"""Rules of `service-defaults`, `proxy-defaults`, `service-resolver` and `mesh`."""

import ipaddress
import re
from typing import Any

from lictor_catalog import durations
from lictor_catalog.config_entries.refusal import HTTP_LIKE, one_of, refuse

PROTOCOLS = HTTP_LIKE | {"tcp"}
MODES = frozenset({"direct", "transparent"})
MESH_GATEWAY_MODES = frozenset({"none", "local", "remote"})
MUTUAL_TLS = frozenset({"strict", "permissive"})
EXTENSIONS = frozenset(
    {
        "builtin/aws/lambda",
        "builtin/lua",
        "builtin/ext-authz",
        "builtin/property-override",
        "builtin/wasm",
        "builtin/otel-access-logging",
    }
)
BALANCERS = frozenset({"random", "round_robin", "least_request", "ring_hash", "maglev"})
HASHING = frozenset({"ring_hash", "maglev"})
HASH_FIELDS = frozenset({"header", "cookie", "query_parameter"})
TLS_VERSIONS = ("TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3")
ESCAPED_SLASHES = frozenset(
    {
        "IMPLEMENTATION_SPECIFIC_DEFAULT",
        "KEEP_UNCHANGED",
        "REJECT_REQUEST",
        "UNESCAPE_AND_REDIRECT",
        "UNESCAPE_AND_FORWARD",
    }
)
UNDERSCORES = frozenset({"ALLOW", "REJECT_REQUEST", "DROP_HEADER"})
PORT_MAX = 65535
PERCENT_MAX = 100

_SUBSET = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9*]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")


def service_defaults(_name: str, body: dict[str, Any]) -> None:
    """A service's own settings."""
    if body["Protocol"]:
        body["Protocol"] = body["Protocol"].lower()
        if body["Protocol"] not in PROTOCOLS:
            raise refuse(f"invalid value for protocol: {body['Protocol']}")
    _proxied(body)
    for name in ("MaxInboundConnections", "LocalConnectTimeoutMs", "LocalRequestTimeoutMs"):
        if body.get(name, 0) < 0:
            raise refuse(f"invalid value for {name}: must not be negative")
    one_of(
        body.get("BalanceInboundConnections", ""), {"exact_balance"}, "invalid value for balance_inbound_connections"
    )
    upstreams = body.get("UpstreamConfig", {})
    for at, override in enumerate(upstreams.get("Overrides", ())):
        if not override.get("Name"):
            raise refuse(f"error in upstream override [{at}]: Name is required")
        _upstream(override, f'error in upstream override for "{override["Name"]}"')
    if "Defaults" in upstreams:
        if upstreams["Defaults"].get("Name"):
            raise refuse("error in upstream defaults: Name must be empty")
        _upstream(upstreams["Defaults"], "error in upstream defaults")
    if "Destination" in body:
        if upstreams:
            raise refuse("UpstreamConfig and Destination are mutually exclusive for service defaults")
        _destination(body["Destination"])
    if "RateLimits" in body:
        raise refuse("invalid rate_limits config. Rate limiting is a consul enterprise feature")


def proxy_defaults(_name: str, body: dict[str, Any]) -> None:
    """What holds for every proxy."""
    _proxied(body)
    logs = body.get("AccessLogs", {})
    one_of(logs.get("Type", ""), {"file", "stderr", "stdout"}, "invalid access log type")
    if logs.get("Path") and logs.get("Type") != "file":
        raise refuse("path is only valid for file type access logs")
    if logs.get("Type") == "file" and not logs.get("Path"):
        raise refuse("path must be specified when using file type access logs")
    if logs.get("JSONFormat") and logs.get("TextFormat"):
        raise refuse("cannot specify both access log JSONFormat and TextFormat")
    _failover_policy(body.get("FailoverPolicy", {}))
    one_of(
        body.get("PrioritizeByLocality", {}).get("Mode", ""), {"none", "failover"}, "invalid PrioritizeByLocality mode"
    )


def mesh(_name: str, body: dict[str, Any]) -> None:
    """What holds for the whole mesh."""
    for side, given in body.get("TLS", {}).items():
        _tls_range(given, f"error in {side.lower()} TLS configuration")
    normal = body.get("HTTP", {}).get("Incoming", {}).get("RequestNormalization", {})
    one_of(normal.get("PathWithEscapedSlashesAction", ""), ESCAPED_SLASHES, "invalid PathWithEscapedSlashesAction")
    one_of(normal.get("HeadersWithUnderscoresAction", ""), UNDERSCORES, "invalid HeadersWithUnderscoresAction")


def _tls_range(given: dict[str, Any], where: str) -> None:
    low, high = given.get("TLSMinVersion", ""), given.get("TLSMaxVersion", "")
    for version in (low, high):
        one_of(version, {*TLS_VERSIONS, "TLS_AUTO"}, f"{where}: invalid version")
    ranks = [TLS_VERSIONS.index(one) for one in (low, high) if one in TLS_VERSIONS]
    if len(ranks) > 1 and ranks[0] > ranks[1]:
        raise refuse(f"{where}: configuring a maximum version that is less than the minimum version is invalid")
    if given.get("CipherSuites") and low == TLS_VERSIONS[-1]:
        raise refuse(
            f"{where}: configuring CipherSuites is only applicable to connections negotiated with TLS 1.2 or earlier"
        )


def _proxied(body: dict[str, Any]) -> None:
    """What `service-defaults` and `proxy-defaults` share."""
    one_of(body.get("Mode", ""), MODES, "invalid value for Mode")
    one_of(body.get("MutualTLSMode", ""), MUTUAL_TLS, "invalid MutualTLSMode")
    one_of(body.get("MeshGateway", {}).get("Mode", ""), MESH_GATEWAY_MODES, "invalid MeshGateway mode")
    for path in body.get("Expose", {}).get("Paths", ()):
        path["Protocol"] = path.get("Protocol") or "http"
        if path["Protocol"] not in {"http", "http2"}:
            raise refuse(
                f'protocol "{path["Protocol"]}" not supported for path: {path.get("Path", "")}, must be http or http2'
            )
    for at, extension in enumerate(body.get("EnvoyExtensions", ())):
        if not extension.get("Name"):
            raise refuse(f"invalid EnvoyExtensions[{at}]: Name is required")
        one_of(extension["Name"], EXTENSIONS, f"invalid EnvoyExtensions[{at}]")


def _upstream(given: dict[str, Any], where: str) -> None:
    if "Protocol" in given:
        given["Protocol"] = given["Protocol"].lower()
    if given.get("ConnectTimeoutMs", 0) < 0:
        del given["ConnectTimeoutMs"]
    one_of(given.get("MeshGateway", {}).get("Mode", ""), MESH_GATEWAY_MODES, f"{where}: invalid MeshGateway mode")
    one_of(
        given.get("BalanceOutboundConnections", ""), {"exact_balance"}, f"{where}: invalid BalanceOutboundConnections"
    )
    passive_check(given.get("PassiveHealthCheck", {}), where)


def passive_check(given: dict[str, Any], where: str) -> None:
    """An outlier detection: intervals that are times, shares that are percentages."""
    for name in ("Interval", "BaseEjectionTime"):
        if given.get(name, 0) < 0:
            raise refuse(f"{where}: passive health check {name} cannot be negative")
    for name in ("EnforcingConsecutive5xx", "MaxEjectionPercent"):
        if not 0 <= given.get(name, 0) <= PERCENT_MAX:
            raise refuse(f"{where}: passive health check {name} must be a percentage between 0 and 100")


def _destination(given: dict[str, Any]) -> None:
    addresses = given.get("Addresses", [])
    if not addresses:
        raise refuse("Destination: at least one address is required")
    for address in addresses:
        if addresses.count(address) > 1:
            raise refuse(f"Destination address '{address}' is a duplicate")
        if not _is_address(address) and not _HOST.fullmatch(address):
            raise refuse(f"Destination address '{address}' is neither an IP address nor a host name")
        if "*" in address:
            raise refuse(f"Destination address '{address}' must not have a wildcard")
    if not 1 <= given.get("Port", 0) <= PORT_MAX:
        raise refuse(f"Invalid Port number {given.get('Port', 0)}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _failover_policy(given: dict[str, Any]) -> None:
    one_of(given.get("Mode", ""), {"sequential", "order-by-locality"}, "invalid failover policy mode")


def service_resolver(_name: str, body: dict[str, Any]) -> None:
    """How a service's instances are found."""
    subsets = body.get("Subsets", {})
    for subset in subsets:
        if not subset:
            raise refuse("Subset defined with empty name")
        if not _SUBSET.fullmatch(subset):
            raise refuse(
                f'Subset "{subset}" is invalid: must be 63 characters or fewer, begin or end with lower case '
                "alphanumeric characters, and contain lower case alphanumeric characters or '-' in between"
            )
    default = body.get("DefaultSubset", "")
    if default and default not in subsets:
        raise refuse(f'DefaultSubset "{default}" is not a valid subset')
    if "Redirect" in body:
        _redirect(body["Redirect"], failover=bool(body.get("Failover")))
    for subset, failover in body.get("Failover", {}).items():
        if subset != "*" and subset not in subsets:
            raise refuse(f'Bad Failover["{subset}"]: not a valid subset')
        _failover(failover, f'Bad Failover["{subset}"]', subsets)
    for name in ("ConnectTimeout", "RequestTimeout"):
        if body.get(name, "").startswith("-"):
            raise refuse(f"Bad {name} '{body[name]}', must be >= 0")
    one_of(
        body.get("PrioritizeByLocality", {}).get("Mode", ""), {"none", "failover"}, "invalid PrioritizeByLocality mode"
    )
    if "LoadBalancer" in body:
        _balancer(body["LoadBalancer"])


def _redirect(given: dict[str, Any], *, failover: bool) -> None:
    if failover:
        raise refuse("Redirect and Failover cannot both be set")
    if not given:
        raise refuse("Redirect is empty")
    if given.get("SamenessGroup"):
        raise refuse("Redirect.SamenessGroup needs Consul Enterprise")
    if not given.get("Service"):
        for name in ("ServiceSubset", "Peer"):
            if given.get(name):
                raise refuse(f"Redirect.{name} defined without Redirect.Service")
    if given.get("Peer"):
        for name in ("ServiceSubset", "Datacenter"):
            if given.get(name):
                raise refuse(f"Redirect.{name} cannot be set with Redirect.Peer")


def _failover(given: dict[str, Any], where: str, subsets: dict[str, Any]) -> None:
    if given.get("SamenessGroup"):
        raise refuse(f"{where}.SamenessGroup needs Consul Enterprise")
    targets, datacenters = given.get("Targets", ()), given.get("Datacenters", ())
    own = [name for name in ("Service", "ServiceSubset", "Datacenters") if given.get(name)]
    if not own and not targets:
        raise refuse(
            f"{where} one of Service, ServiceSubset, Namespace, Targets, SamenessGroup, or Datacenters is required"
        )
    if targets and own:
        raise refuse(f"{where}: Targets cannot be set with {own[0]}")
    if "" in datacenters:
        raise refuse(f"{where}.Datacenters: found empty datacenter")
    subset = given.get("ServiceSubset", "")
    if subset and not given.get("Service") and subset not in subsets:
        raise refuse(f'{where}.ServiceSubset "{subset}" is not a valid subset of ""')
    for at, target in enumerate(targets):
        if target.get("Peer") and (target.get("ServiceSubset") or target.get("Datacenter")):
            raise refuse(f"{where}.Targets[{at}]: Peer cannot be set with ServiceSubset or Datacenter")
        subset = target.get("ServiceSubset", "")
        if subset and not target.get("Service") and subset not in subsets:
            raise refuse(f'{where}.Targets[{at}].ServiceSubset "{subset}" is not a valid subset')
    _failover_policy(given.get("Policy", {}))


def _balancer(given: dict[str, Any]) -> None:
    policy = given.get("Policy", "")
    if policy and policy not in BALANCERS:
        raise refuse(f'Bad LoadBalancer: "{policy}" is not a supported load balancing policy')
    if "RingHashConfig" in given and policy != "ring_hash":
        raise refuse(
            "Bad LoadBalancer configuration: RingHashConfig specified for incompatible load balancing policy "
            f'"{policy}"'
        )
    if "LeastRequestConfig" in given and policy != "least_request":
        raise refuse(
            "Bad LoadBalancer configuration: LeastRequestConfig specified for incompatible load balancing policy "
            f'"{policy}"'
        )
    policies = given.get("HashPolicies", ())
    if policies and policy not in HASHING:
        raise refuse(f'Bad LoadBalancer configuration: HashPolicies specified for non-hash-based Policy: "{policy}"')
    for at, one in enumerate(policies):
        _hash_policy(one, f"Bad LoadBalancer HashPolicy[{at}]")


def _hash_policy(given: dict[str, Any], where: str) -> None:
    field, value = given.get("Field", ""), given.get("FieldValue", "")
    if given.get("SourceIP"):
        if field:
            raise refuse(f'{where}: "{field}" cannot be specified with SourceIP')
        if value:
            raise refuse(f'{where}: FieldValue "{value}" cannot be specified with SourceIP')
    elif field not in HASH_FIELDS:
        raise refuse(f'{where}: "{field}" is not a supported field')
    elif not value:
        raise refuse(f"{where}: Field {field} was specified without a FieldValue")
    cookie = given.get("CookieConfig")
    if cookie is not None and field != "cookie":
        raise refuse(f'{where}: cookie_config provided for "{field}"')
    if cookie and cookie.get("Session") and cookie.get("TTL"):
        raise refuse(f"{where}: a session cookie cannot have an associated TTL of {durations.render(cookie['TTL'])}")

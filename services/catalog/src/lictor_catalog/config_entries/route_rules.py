"""Rules of `service-router`, `service-splitter`, the routes of API gateways, and `jwt-provider`."""

from typing import Any

from lictor_catalog.config_entries.refusal import METHODS, one_of, refuse

RETRY_ON = frozenset(
    {
        "5xx",
        "gateway-error",
        "reset",
        "connect-failure",
        "envoy-ratelimited",
        "retriable-4xx",
        "refused-stream",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    }
)
WEIGHT_SUM = 100
HUNDREDTHS = 100
"""Weights are rounded to two decimals: Envoy counts in ten-thousandths."""

CLOCK_SKEW_S = 30
HEADER_MATCHES = frozenset({"exact", "prefix", "suffix", "present", "regex"})
QUERY_MATCHES = frozenset({"exact", "present", "regex"})
PATH_MATCHES = frozenset({"exact", "prefix", "regex"})
DISCOVERY_TYPES = frozenset({"STRICT_DNS", "STATIC", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"})
_PATHS = ("PathExact", "PathPrefix", "PathRegex")


def service_router(_name: str, body: dict[str, Any]) -> None:
    """Routes by what a request looks like."""
    for at, route in enumerate(body.get("Routes", ())):
        where = f"Route[{at}]"
        http = route.get("Match", {}).get("HTTP")
        if http is not None:
            _match(http, where)
        destination = route.get("Destination", {})
        if destination.get("PrefixRewrite") and not (http or {}).keys() & {"PathExact", "PathPrefix"}:
            raise refuse(f"{where} cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix")
        for word in destination.get("RetryOn", ()):
            if word not in RETRY_ON:
                raise refuse(f'{where} RetryOn contains an invalid retry condition: "{word}"')


def _match(http: dict[str, Any], where: str) -> None:
    if sum(bool(http.get(path)) for path in _PATHS) > 1:
        raise refuse(f"{where} should only contain at most one of PathExact, PathPrefix, or PathRegex")
    for path in ("PathExact", "PathPrefix"):
        if http.get(path) and not http[path].startswith("/"):
            raise refuse(f"{where} {path} doesn't start with '/': \"{http[path]}\"")
    _named(http.get("Header", ()), f"{where} Header", ("Present", "Exact", "Prefix", "Suffix", "Regex"))
    _named(http.get("QueryParam", ()), f"{where} QueryParam", ("Present", "Exact", "Regex"))
    if "Methods" in http:
        http["Methods"] = [method.upper() for method in http["Methods"]]
    methods = http.get("Methods", [])
    for at, method in enumerate(methods):
        if method not in METHODS:
            raise refuse(f'{where} Methods contains an invalid method "{method}"')
        if method in methods[:at]:
            raise refuse(f'{where} Methods contains "{method}" more than once')


def _named(matches: list[dict[str, Any]], where: str, forms: tuple[str, ...]) -> None:
    for at, one in enumerate(matches):
        if not one.get("Name"):
            raise refuse(f"{where}[{at}] missing required Name field")
        if sum(bool(one.get(form)) for form in forms) != 1:
            words = ", ".join(forms[:-1]) + f", or {forms[-1]}"
            raise refuse(f"{where}[{at}] should only contain one of {words}")


def service_splitter(name: str, body: dict[str, Any]) -> None:
    """Shares of the traffic."""
    splits = body.get("Splits") or []
    if not splits:
        raise refuse("no splits configured")
    seen = set()
    total = 0
    for split in splits:
        hundredths = round(split["Weight"] * HUNDREDTHS)
        rounded = hundredths / HUNDREDTHS
        split["Weight"] = int(rounded) if rounded == int(rounded) else rounded
        total += hundredths
        target = (split.get("Service") or name, split.get("ServiceSubset", ""))
        if target in seen:
            raise refuse(f'split destination occurs more than once: service="{target[0]}", subset="{target[1]}"')
        seen.add(target)
    if total != WEIGHT_SUM * HUNDREDTHS:
        raise refuse(f"the sum of all split weights must be 100, not {total / HUNDREDTHS:f}")


def http_route(_name: str, body: dict[str, Any]) -> None:
    """Routes of an API gateway."""
    _parents(body)
    for host in body.get("Hostnames", ()):
        if host == "*" or "*" in host.removeprefix("*."):
            raise refuse(f'host "{host}" is not valid, a wildcard may only be the leftmost label')
    for at, rule in enumerate(body.get("Rules", ())):
        where = f"Rule[{at}]"
        for number, match in enumerate(rule.get("Matches", ())):
            _http_match(match, f"{where}.Match[{number}]")
        services = rule.get("Services", ())
        if not services and not rule.get("Filters"):
            raise refuse(f"{where}: at least one service is required")
        for number, service in enumerate(services):
            if not service.get("Name"):
                raise refuse(f"{where}.Services[{number}]: Name is required")
            service["Weight"] = service.get("Weight") if service.get("Weight", 0) > 0 else 1


def _http_match(match: dict[str, Any], where: str) -> None:
    path = match.setdefault("Path", {})
    path["Match"], path["Value"] = path.get("Match") or "prefix", path.get("Value") or "/"
    one_of(path["Match"], PATH_MATCHES, f"{where}, path match type")
    if path["Match"] != "regex" and not path["Value"].startswith("/"):
        raise refuse(f"{where}, {path['Match']} type match doesn't start with '/': \"{path['Value']}\"")
    if match.get("Method"):
        match["Method"] = match["Method"].upper()
        if match["Method"] not in METHODS:
            raise refuse(f'{where}, invalid method "{match["Method"]}"')
    for part, kinds in (("Headers", HEADER_MATCHES), ("Query", QUERY_MATCHES)):
        for number, one in enumerate(match.get(part, ())):
            if not one.get("Name"):
                raise refuse(f"{where}, {part}[{number}] missing required Name field")
            one_of(one.get("Match", ""), kinds, f"{where}, {part}[{number}] match type")


def tcp_route(_name: str, body: dict[str, Any]) -> None:
    """A plain connection through an API gateway."""
    _parents(body)
    services = body.get("Services", ())
    if len(services) > 1:
        raise refuse("tcp-route currently only supports one service")
    if any(not service.get("Name") for service in services):
        raise refuse("Service name cannot be blank")


def _parents(body: dict[str, Any]) -> None:
    seen = set()
    for parent in body.get("Parents", ()):
        parent["Kind"] = parent.get("Kind") or "api-gateway"
        if parent["Kind"] != "api-gateway":
            raise refuse(f'unsupported parent kind: "{parent["Kind"]}", must be "api-gateway"')
        identity = tuple(sorted(parent.items()))
        if identity in seen:
            raise refuse(f'route parents must be unique: "{parent.get("Name", "")}" is given more than once')
        seen.add(identity)


def jwt_provider(_name: str, body: dict[str, Any]) -> None:
    """Whose tokens are taken."""
    keys = body.get("JSONWebKeySet", {})
    if len(keys) != 1:
        raise refuse("Must specify exactly one of Local or Remote JSON Web key set")
    local, remote = keys.get("Local"), keys.get("Remote")
    if local is not None and bool(local.get("JWKS")) == bool(local.get("Filename")):
        raise refuse("Must specify exactly one of String or filename for local keyset")
    if remote is not None:
        if not remote.get("URI"):
            raise refuse("Remote JWKS URI is required")
        one_of(
            remote.get("JWKSCluster", {}).get("DiscoveryType", ""),
            DISCOVERY_TYPES,
            "unsupported jwks cluster discovery type",
        )
    locations = body.get("Locations", ())
    for location in locations:
        if len(location) != 1:
            raise refuse("Must set exactly one of: JWT location header, query param or cookie")
        [(kind, where)] = location.items()
        if not where.get("Name"):
            raise refuse(f"JWT location {kind} must have a name")
    if body.get("Forwarding") is not None and not body["Forwarding"].get("HeaderName"):
        raise refuse("Header name required for forwarding config")
    body["ClockSkewSeconds"] = body.get("ClockSkewSeconds") or CLOCK_SKEW_S
    body["Locations"] = locations or [{"Header": {"Name": "Authorization", "ValuePrefix": "Bearer "}}]

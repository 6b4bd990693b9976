"""The rules that one config entry alone shows, and its normal form (Consul's HTTP API, `/config`, per kind).

A broken rule is 500, in Consul's words where clients have met them (compared with a real one for the kinds that it
has). What only other entries can show, such as protocols along a chain, is not judged here.
"""

from collections.abc import Callable
from typing import Any

from lictor_catalog.config_entries import gateway_rules, route_rules, service_rules
from lictor_catalog.config_entries.refusal import refuse

META_PAIRS_MAX = 64
META_KEY_MAX = 128
META_VALUE_MAX = 512

_FIXED_NAMES = {"proxy-defaults": "global", "mesh": "mesh", "exported-services": "default"}
_NO_WILDCARD = frozenset({"service-defaults", "service-router", "service-splitter", "service-resolver"})

Judge = Callable[[str, dict[str, Any]], None]
"""Takes the name and the body, which it may bring into normal form; raises `ApiError`."""

_JUDGES: dict[str, Judge] = {
    "api-gateway": gateway_rules.api_gateway,
    "bound-api-gateway": gateway_rules.bound_api_gateway,
    "exported-services": gateway_rules.exported_services,
    "file-system-certificate": gateway_rules.certificate,
    "http-route": route_rules.http_route,
    "ingress-gateway": gateway_rules.ingress_gateway,
    "inline-certificate": gateway_rules.certificate,
    "jwt-provider": route_rules.jwt_provider,
    "mesh": service_rules.mesh,
    "proxy-defaults": service_rules.proxy_defaults,
    "sameness-group": gateway_rules.sameness_group,
    "service-defaults": service_rules.service_defaults,
    "service-resolver": service_rules.service_resolver,
    "service-router": route_rules.service_router,
    "service-splitter": route_rules.service_splitter,
    "tcp-route": route_rules.tcp_route,
    "terminating-gateway": gateway_rules.terminating_gateway,
}


def settled(kind: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body in normal form; raises `ApiError` 500 with the broken rule."""
    if not name:
        raise refuse("Name is required")
    fixed = _FIXED_NAMES.get(kind)
    if fixed is not None and name != fixed:
        raise refuse(f'invalid name ("{name}"), only "{fixed}" is supported')
    if kind in _NO_WILDCARD and name == "*":
        raise refuse(f'{kind} config entry name cannot be a wildcard "*"')
    _judge_meta(body.get("Meta", {}))
    judge = _JUDGES.get(kind)
    if judge is not None:
        judge(name, body)
    return body


def _judge_meta(meta: dict[str, str]) -> None:
    faults = []
    if len(meta) > META_PAIRS_MAX:
        faults.append(f"Meta exceeds maximum element count {META_PAIRS_MAX}")
    for key, value in meta.items():
        if len(key.encode()) > META_KEY_MAX:
            faults.append(f'Meta key "{key}" exceeds maximum length {META_KEY_MAX}')
        if len(value.encode()) > META_VALUE_MAX:
            faults.append(f'Meta value for key "{key}" exceeds maximum length {META_VALUE_MAX}')
    if faults:
        count = f"{len(faults)} error{'s' if len(faults) > 1 else ''} occurred:\n"
        raise refuse(count + "".join(f"\t* {fault}\n" for fault in faults) + "\n")

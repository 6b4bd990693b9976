"""Service definitions: `agent/service/register` and the `Service` of `catalog/register`, as `ServiceSpec`s.

Defaults, aliases, limits and refusals follow Consul's registration of services, with the automatic sidecar
(`Connect.SidecarService`). Everything that this body alone shows is judged here; what depends on other rows (free
sidecar ports, an existing check's status) is judged in apply.
"""

import ipaddress
import re
from typing import Any

import msgspec

from lictor_catalog.body_decoding import Decode, Later, ListOf, MapOf, Shape, flag, integer, text
from lictor_catalog.check_definition import INVALID_CHECK, SERVICE_CHECK, is_empty, service_check
from lictor_catalog.errors import ApiError, BodyError
from lictor_catalog.proxy_definition import GATEWAYS, KINDS, PROXY, gateway_faults, proxy_definition, proxy_faults
from lictor_state.apply_agent import SIDECAR_PORT_MARK
from lictor_state.commands import CheckSpec, ServiceSpec
from lictor_state.rows import CheckDefinition, ProxyDefinition, TaggedAddress, Weights

META_PAIRS_MAX = 64
META_KEY_MAX = 128
META_VALUE_MAX = 512
META_RESERVED = "consul-"
WEIGHT_MAX = 65535
SIDECAR_SUFFIX = "-sidecar-proxy"
SIDECAR_CHECK_INTERVAL_NS = 10_000_000_000

_META_KEY = re.compile(r"[A-Za-z0-9_-]+")
_FAMILIES = {"lan_ipv4": 4, "wan_ipv4": 4, "lan_ipv6": 6}
"""Consul does not look at `wan_ipv6`."""

_EVEN = Weights()
_NO_PROXY = ProxyDefinition()
ANY_ADDRESSES = frozenset({"0.0.0.0", "::", "[::]"})

_ADDRESS = Shape({"Address": text, "Port": integer})
_WEIGHTS = Shape({"Passing": integer, "Warning": integer})
_LOCALITY = Shape({"Region": text, "Zone": text})
_TAGGED = {"tagged_addresses": "TaggedAddresses", "enable_tag_override": "EnableTagOverride"}
_SHARED: dict[str, Decode] = {
    "Kind": text,
    "ID": text,
    "Tags": ListOf(text),
    "Address": text,
    "TaggedAddresses": MapOf(_ADDRESS),
    "Meta": MapOf(text),
    "Port": integer,
    "SocketPath": text,
    "Weights": _WEIGHTS,
    "EnableTagOverride": flag,
    "Proxy": PROXY,
    "Locality": _LOCALITY,
}


_CONNECT = Shape(
    {"Native": flag, "SidecarService": Later(lambda: AGENT_SERVICE)},
    {"sidecar_service": "SidecarService"},
    lenient=True,
)
AGENT_SERVICE: Shape = Shape(
    _SHARED
    | {
        "Name": text,
        "Check": SERVICE_CHECK,
        "Checks": ListOf(SERVICE_CHECK),
        "Connect": _CONNECT,
        "Token": text,
    },
    _TAGGED,
)
"""The body of `agent/service/register`."""

CATALOG_SERVICE = Shape(
    _SHARED
    | {
        "Service": text,
        "Connect": Shape({"Native": flag}, lenient=True),
        "PeerName": text,
        "CreateIndex": integer,
        "ModifyIndex": integer,
    },
    _TAGGED,
)
"""The `Service` of `catalog/register`."""


class Registration(msgspec.Struct, frozen=True):
    """What one agent registration asks for: the service, its checks, and the sidecar with its checks."""

    service: ServiceSpec
    checks: tuple[CheckSpec, ...]
    sidecar: ServiceSpec | None = None
    sidecar_checks: tuple[CheckSpec, ...] = ()


def agent_registration(given: dict[str, Any]) -> Registration:
    """Judge a decoded body of `agent/service/register`; raises `ApiError` with Consul's refusals."""
    name = given.get("Name", "")
    if not name:
        raise ApiError(400, "Missing service name")
    service = _agent_service(given, given.get("ID") or name, name)
    checks = _checks(given, service.service_id, name)
    inner = given.get("Connect", {}).get("SidecarService")
    if inner is None:
        _judge_families(service.tagged_addresses)
        return Registration(service, checks)
    sidecar, sidecar_checks = _sidecar(service, inner)
    _judge_families(service.tagged_addresses)
    _judge_families(sidecar.tagged_addresses)
    return Registration(service, checks, sidecar, sidecar_checks)


def catalog_service(given: dict[str, Any]) -> ServiceSpec:
    """Judge the decoded `Service` of `catalog/register`; its refusals are 500, as Consul's RPC layer answers them."""
    name = given.get("Service", "")
    service_id = given.get("ID") or name
    if service_id and not name:
        raise ApiError(500, "Must provide service name (Service.Service) when service ID is provided")
    if not name:
        raise ApiError(500, "failed inserting service: object missing primary index")
    if given.get("Address") in ANY_ADDRESSES:
        raise ApiError(500, "Invalid service address")
    native = given.get("Connect", {}).get("Native", False)
    try:
        spec = _spec(given, service_id, name, native=native)
        _judge_kind(spec)
        _judge_weights(spec.weights)
    except BodyError:
        raise
    except ApiError as error:
        raise ApiError(500, error.text) from None
    return spec


def _agent_service(given: dict[str, Any], service_id: str, name: str) -> ServiceSpec:
    address = given.get("Address", "")
    if address in ANY_ADDRESSES:
        raise ApiError(400, "Invalid service address")
    _judge_meta(given.get("Meta", {}))
    native = given.get("Connect", {}).get("Native", False)
    spec = _spec(given, service_id, name, native=native)
    _judge_weights(spec.weights)
    _judge_kind(spec, sidecar=given.get("Connect", {}).get("SidecarService"))
    return msgspec.structs.replace(
        spec, tagged_addresses=with_own_addresses(spec.tagged_addresses, spec.address, spec.port)
    )


def _spec(given: dict[str, Any], service_id: str, name: str, *, native: bool) -> ServiceSpec:
    kind = given.get("Kind", "")
    if kind not in KINDS:
        raise ApiError(400, f'Validation failed: Kind "{kind}" is not known')
    locality = given.get("Locality", {})
    if locality.get("Zone") and not locality.get("Region"):
        raise ApiError(400, "Validation failed: zone cannot be set without region")
    weights = given.get("Weights")
    proxied = kind == "connect-proxy" or kind in GATEWAYS
    return ServiceSpec(
        service_id=service_id,
        name=name,
        kind="" if kind == "typical" else kind,
        tags=given.get("Tags", ()),
        address=given.get("Address", ""),
        port=given.get("Port", 0),
        socket_path=given.get("SocketPath", ""),
        tagged_addresses={
            label: TaggedAddress(one.get("Address", ""), one.get("Port", 0))
            for label, one in given.get("TaggedAddresses", {}).items()
        },
        meta=given.get("Meta", {}),
        weights=_EVEN if weights is None else Weights(weights.get("Passing", 0), weights.get("Warning", 0)),
        enable_tag_override=given.get("EnableTagOverride", False),
        proxy=proxy_definition(given.get("Proxy", {})) if proxied else None,
        native=native,
        region=locality.get("Region", ""),
        zone=locality.get("Zone", ""),
    )


def with_own_addresses(tagged: dict[str, TaggedAddress], address: str, port: int) -> dict[str, TaggedAddress]:
    """Add the `lan_`/`wan_` pair of the address's family where the address is an IP and the pair is absent."""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return tagged
    own = TaggedAddress(address, port)
    return {f"lan_ipv{version}": own, f"wan_ipv{version}": own} | tagged


def _judge_families(tagged: dict[str, TaggedAddress]) -> None:
    """Addresses tagged for a family must be of it; Consul's agent finds this last, and answers 500."""
    for label, version in _FAMILIES.items():
        if label not in tagged:
            continue
        try:
            fits = ipaddress.ip_address(tagged[label].address).version == version
        except ValueError:
            fits = False
        if not fits:
            raise ApiError(500, f'Service tagged address "{label}" must be a valid ipv{version} address')


def _checks(given: dict[str, Any], service_id: str, name: str, refusal: str = INVALID_CHECK) -> tuple[CheckSpec, ...]:
    blocks = [given["Check"]] if not is_empty(given.get("Check", {})) else []
    blocks += given.get("Checks", ())
    try:
        return tuple(
            service_check(block, service_id, name, number if len(blocks) > 1 else 0)
            for number, block in enumerate(blocks, start=1)
        )
    except ApiError as error:
        raise ApiError(error.status, error.text.replace(INVALID_CHECK, refusal, 1)) from None


def _sidecar(parent: ServiceSpec, given: dict[str, Any]) -> tuple[ServiceSpec, tuple[CheckSpec, ...]]:
    full = dict(given)
    full.setdefault("Kind", "connect-proxy")
    full["Address"] = given.get("Address") or parent.address
    for name, inherited in (("Tags", parent.tags), ("Meta", parent.meta)):
        full[name] = given.get(name) or inherited
    if parent.region and "Locality" not in given:
        full["Locality"] = {"Region": parent.region, "Zone": parent.zone}
    proxy = dict(given.get("Proxy", {}))
    proxy["DestinationServiceName"] = proxy.get("DestinationServiceName") or parent.name
    proxy["DestinationServiceID"] = proxy.get("DestinationServiceID") or parent.service_id
    if not proxy.get("LocalServiceSocketPath"):
        if parent.socket_path and not proxy.get("LocalServicePort"):
            proxy["LocalServiceSocketPath"] = parent.socket_path
        else:
            proxy["LocalServiceAddress"] = proxy.get("LocalServiceAddress") or "127.0.0.1"
            proxy["LocalServicePort"] = proxy.get("LocalServicePort") or parent.port
    full["Proxy"] = proxy
    name = given.get("Name") or f"{parent.name}{SIDECAR_SUFFIX}"
    sidecar_id = f"{parent.service_id}{SIDECAR_SUFFIX}"
    _judge_meta(full["Meta"], "Invalid SidecarService: ")
    spec = _spec(full, sidecar_id, name, native=bool(given.get("Connect", {}).get("Native")))
    _judge_weights(spec.weights)
    _judge_kind(spec, port_comes_later=True)
    spec = msgspec.structs.replace(
        spec,
        sidecar_of=parent.service_id,
        tagged_addresses=with_own_addresses(spec.tagged_addresses, spec.address, spec.port),
    )
    checks = _checks(given, sidecar_id, name, refusal="Invalid check in sidecar_service: ")
    return spec, checks or _default_sidecar_checks(spec, parent)


def _default_sidecar_checks(sidecar: ServiceSpec, parent: ServiceSpec) -> tuple[CheckSpec, ...]:
    """Consul's two: the sidecar listens, and the service behind it is well."""
    proxy = sidecar.proxy or ProxyDefinition()
    host = sidecar.address or proxy.local_service_address or "127.0.0.1"
    port = sidecar.port or SIDECAR_PORT_MARK
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    listening = CheckSpec(
        check_id=f"service:{sidecar.service_id}:1",
        name="Connect Sidecar Listening",
        service_id=sidecar.service_id,
        type="tcp",
        interval="10s",
        definition=CheckDefinition(tcp=where, interval_ns=SIDECAR_CHECK_INTERVAL_NS),
    )
    aliasing = CheckSpec(
        check_id=f"service:{sidecar.service_id}:2",
        name=f"Connect Sidecar Aliasing {parent.service_id}",
        service_id=sidecar.service_id,
        type="alias",
        definition=CheckDefinition(alias_service=parent.service_id),
    )
    return (listening, aliasing)


def _judge_meta(meta: dict[str, str], refusal: str = "Invalid Service Meta: ") -> None:
    fault = meta_fault(meta)
    if fault:
        raise ApiError(400, f"{refusal}{fault}")


def judge_catalog_meta(node: str, spec: ServiceSpec, prefix: str = "") -> None:
    """Refuse what metadata may not be, also where no agent has looked at it; raises `ApiError` 500."""
    fault = meta_fault(spec.meta)
    if fault:
        raise ApiError(500, f"{prefix}Invalid Service Meta for node {node} and serviceID {spec.service_id}: {fault}")


def meta_fault(meta: dict[str, str], reserved: str = META_RESERVED) -> str:
    """The first rule that metadata breaks, in Consul's words; keys that begin with `reserved` are not the user's."""
    if len(meta) > META_PAIRS_MAX:
        return "Node metadata cannot contain more than 64 key/value pairs"
    for key, value in meta.items():
        fault = ""
        if not key:
            fault = "Key cannot be blank"
        elif not _META_KEY.fullmatch(key):
            fault = "Key contains invalid characters"
        elif len(key.encode()) > META_KEY_MAX:
            fault = f"Key is too long (limit: {META_KEY_MAX} characters)"
        elif reserved and key.startswith(reserved):
            fault = "Key prefix 'consul-' is reserved for internal use"
        elif len(value.encode()) > META_VALUE_MAX:
            fault = f"Value is too long (limit: {META_VALUE_MAX} characters)"
        if fault:
            return f"Couldn't load metadata pair ('{key}', '{value}'): {fault}"
    return ""


def _judge_weights(weights: Weights) -> None:
    if weights.passing < 1:
        raise ApiError(400, "Invalid Weights: Passing must be greater than 0")
    if weights.warning < 0:
        raise ApiError(400, "Invalid Weights: Warning must be greater or equal than 0")
    if weights.passing > WEIGHT_MAX or weights.warning > WEIGHT_MAX:
        raise ApiError(400, f"Invalid Weights: DNS Weight must be between 0 and {WEIGHT_MAX}")


def _judge_kind(spec: ServiceSpec, *, sidecar: dict[str, Any] | None = None, port_comes_later: bool = False) -> None:
    if not spec.kind and not sidecar:
        return
    faults: list[str] = []
    proxy = spec.proxy or _NO_PROXY
    if spec.kind == "connect-proxy":
        port = 1 if port_comes_later else spec.port
        faults += proxy_faults(proxy, port=port, socket_path=spec.socket_path, native=spec.native)
    elif spec.kind in GATEWAYS:
        if sidecar is not None:
            faults.append(f"A {spec.kind} cannot have a sidecar service defined")
        faults += gateway_faults(spec.kind, proxy, port=spec.port)
    if sidecar and sidecar.get("ID"):
        faults.append("A SidecarService cannot specify an ID as this is managed by the agent")
    if sidecar and sidecar.get("Connect", {}).get("SidecarService") is not None:
        faults.append("A SidecarService cannot have a nested SidecarService")
    if faults:
        count = f"{len(faults)} error{'s' if len(faults) > 1 else ''} occurred:\n"
        raise ApiError(400, "Validation failed: " + count + "".join(f"\t* {fault}\n" for fault in faults) + "\n")

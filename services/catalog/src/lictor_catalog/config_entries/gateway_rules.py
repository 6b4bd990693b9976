"""Rules of gateways, their certificates, and services exported to peers."""

import re
from typing import Any

from lictor_catalog.config_entries.refusal import HTTP_LIKE, one_of, refuse
from lictor_catalog.config_entries.service_rules import passive_check

CERTIFICATES = frozenset({"inline-certificate", "file-system-certificate"})
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def ingress_gateway(_name: str, body: dict[str, Any]) -> None:
    """Listeners for callers outside the mesh."""
    ports: dict[int, str] = {}
    passive_check(body.get("Defaults", {}).get("PassiveHealthCheck", {}), "Defaults")
    for listener in body.get("Listeners") or ():
        listener["Protocol"] = (listener.get("Protocol") or "tcp").lower()
        port, protocol = listener["Port"], listener["Protocol"]
        if port in ports:
            raise refuse(f"port {port} declared on two listeners")
        ports[port] = protocol
        if protocol not in HTTP_LIKE | {"tcp"}:
            raise refuse(f"protocol must be 'tcp', 'http', 'http2', or 'grpc'. '{protocol}' is an unsupported protocol")
        services = listener["Services"] or []
        if not services:
            raise refuse(f"No service declared for listener with port {port}")
        if protocol == "tcp" and len(services) > 1:
            raise refuse(
                "Multiple services per listener are only supported for L7 protocols, 'http', 'grpc' and 'http2' "
                f"(listener on port {port})"
            )
        encrypted = body["TLS"].get("Enabled") or listener.get("TLS", {}).get("Enabled", False)
        _ingress_services(services, f"(listener on port {port})", tcp=protocol == "tcp", encrypted=bool(encrypted))


def _ingress_services(services: list[dict[str, Any]], where: str, *, tcp: bool, encrypted: bool) -> None:
    hosts: set[str] = set()
    names: set[str] = set()
    for service in services:
        name, own = service["Name"], service["Hosts"] or []
        if name == "*" and tcp:
            raise refuse(f"Wildcard service name is only valid for L7 protocols, 'http', 'grpc' and 'http2' {where}")
        if own and tcp:
            raise refuse(f"Associating hosts to a service is not supported for the tcp protocol {where}")
        if own and name == "*":
            raise refuse(f"Associating hosts to a wildcard service is not supported {where}")
        if not name:
            raise refuse(f"Service name cannot be blank {where}")
        if name in names:
            raise refuse(f"Service {name} cannot be added multiple times {where}")
        names.add(name)
        for host in own:
            if host in hosts:
                raise refuse(f"Hosts must be unique within a specific listener {where}")
            hosts.add(host)
            if encrypted and host == "*":
                raise refuse(
                    "Host '*' is not allowed when TLS is enabled, all hosts must be valid DNS records to add as a "
                    "DNSSAN"
                )
            if "*" in host.removeprefix("*").removeprefix(".") or (host.startswith("*") and host[1:2] not in {"", "."}):
                raise refuse(f'Host "{host}" is not valid, a wildcard specifier is only allowed as the leftmost label')
        passive_check(service.get("PassiveHealthCheck", {}), f'Service "{name}"')


def terminating_gateway(_name: str, body: dict[str, Any]) -> None:
    """Services outside the mesh, called from inside."""
    seen = set()
    for service in body["Services"] or ():
        name = service.get("Name", "")
        if not name:
            raise refuse("Service name cannot be blank.")
        if name in seen:
            raise refuse(f'Service "{name}" was specified more than once within a namespace')
        seen.add(name)
        files = [bool(service.get(file)) for file in ("CAFile", "CertFile", "KeyFile")]
        if any(files[1:]) and not all(files):
            raise refuse(f'Service "{name}" must have a CertFile, CAFile, and KeyFile specified for TLS origination')


def api_gateway(_name: str, body: dict[str, Any]) -> None:
    """Listeners to which routes bind."""
    listeners = body.get("Listeners", ())
    if not listeners:
        raise refuse("api gateway must have at least one listener")
    names: set[str] = set()
    protocols: dict[int, str] = {}
    for listener in listeners:
        name, port = listener.get("Name", ""), listener.get("Port", 0)
        listener["Protocol"] = (listener.get("Protocol") or "").lower()
        if not _LABEL.fullmatch(name):
            raise refuse(
                f'listener name "{name}" is invalid, must be at least 1 character and contain only letters, numbers, '
                "or dashes"
            )
        if name in names:
            raise refuse(f'found multiple listeners with the name "{name}"')
        names.add(name)
        if listener["Protocol"] not in {"http", "tcp"}:
            raise refuse(f"unsupported listener protocol \"{listener['Protocol']}\", must be one of 'tcp', or 'http'")
        if protocols.setdefault(port, listener["Protocol"]) != listener["Protocol"]:
            raise refuse(f"listeners that share port {port} must have the same protocol")
        if listener.get("Hostname") and listener["Protocol"] == "tcp":
            raise refuse("hostname specification is not supported when using TCP")
        for certificate in listener["TLS"].get("Certificates", ()):
            certificate["Kind"] = certificate.get("Kind") or "inline-certificate"
            one_of(certificate["Kind"], CERTIFICATES, "unsupported certificate kind")


def bound_api_gateway(_name: str, _body: dict[str, Any]) -> None:
    """What gateways compute of themselves is nobody's to write."""
    raise refuse("bound-api-gateway config entries are managed by the servers")


def certificate(_name: str, body: dict[str, Any]) -> None:
    """A certificate with its key; that they match is for whoever serves them to see."""
    for name in ("Certificate", "PrivateKey"):
        if not body.get(name):
            raise refuse(f"{name} is required")


def exported_services(_name: str, body: dict[str, Any]) -> None:
    """Services for peers."""
    for at, service in enumerate(body["Services"] or ()):
        if not service.get("Name"):
            raise refuse(f"Services[{at}]: service name cannot be empty")
        consumers = service.get("Consumers", ())
        if not consumers:
            raise refuse(f"Services[{at}]: must have at least one consumer")
        for number, consumer in enumerate(consumers):
            if len(consumer) != 1:
                raise refuse(
                    f"Services[{at}].Consumers[{number}]: must define at most one of Peer, Partition, or SamenessGroup"
                )
            if consumer.get("Peer") == "*":
                raise refuse(f"Services[{at}].Consumers[{number}]: exporting to all peers (wildcard) is not supported")
            if "SamenessGroup" in consumer:
                raise refuse(f"Services[{at}].Consumers[{number}]: SamenessGroup needs Consul Enterprise")


def sameness_group(_name: str, _body: dict[str, Any]) -> None:
    """Known and refused, as in the community edition."""
    raise refuse("sameness-groups are an enterprise-only feature")

"""Identities of the mesh: SPIFFE ids, trust domain, and the server names derived from them.

The forms follow the SPIFFE-ID standard (sections 2 and 3) with Consul's paths: a service is
`spiffe://TD/ns/<namespace>/dc/<datacenter>/svc/<name>`, where `TD` is `<cluster id>.consul`. Path parts are
percent-encoded when written and decoded when read. Parsing knows one anchored form per kind and refuses everything
else. Nothing here touches certificates; `lictor_pki` does.
"""

import re

import msgspec

DEFAULT_NAMESPACE = "default"

# What Go's url.PathEscape leaves alone inside one path segment; Consul's own agents write their URIs with it.
_UNESCAPED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$&+=:@")
_URI_BYTES_MAX = 2048  # SPIFFE-ID 2.3: an id is at most 2048 bytes

_PART = r"[A-Za-z0-9._~!$&'()*+,;=:@%-]+"  # a path segment's characters, RFC 3986 section 3.3
_TRUST_DOMAIN = r"(?P<trust_domain>[a-z0-9._-]{1,255})"
_SERVICE = re.compile(
    rf"spiffe://{_TRUST_DOMAIN}(?:/ap/(?P<partition>{_PART}))?/ns/(?P<namespace>{_PART})/dc/(?P<datacenter>{_PART})"
    rf"/svc/(?P<name>{_PART})",
)
_AGENT = re.compile(
    rf"spiffe://{_TRUST_DOMAIN}(?:/ap/(?P<partition>{_PART}))?/agent/client/dc/(?P<datacenter>{_PART})/id/(?P<name>{_PART})",
)
_MESH_GATEWAY = re.compile(
    rf"spiffe://{_TRUST_DOMAIN}(?:/ap/(?P<partition>{_PART}))?/gateway/mesh/dc/(?P<datacenter>{_PART})",
)
_SERVER = re.compile(rf"spiffe://{_TRUST_DOMAIN}/agent/server/dc/(?P<datacenter>{_PART})")
_SIGNING = re.compile(rf"spiffe://{_TRUST_DOMAIN}")


class IdentityError(ValueError):
    """A URI is no identity of this mesh; the message names the rule that it breaks."""


class ServiceIdentity(msgspec.Struct, frozen=True):
    """A service of one datacenter; also terminating and ingress gateways."""

    trust_domain: str
    datacenter: str
    service: str
    namespace: str = DEFAULT_NAMESPACE

    @property
    def uri(self) -> str:
        """The SPIFFE id."""
        return (
            f"spiffe://{self.trust_domain}/ns/{escape(self.namespace)}/dc/{escape(self.datacenter)}"
            f"/svc/{escape(self.service)}"
        )


class AgentIdentity(msgspec.Struct, frozen=True):
    """The agent of a node."""

    trust_domain: str
    datacenter: str
    node: str

    @property
    def uri(self) -> str:
        """The SPIFFE id."""
        return f"spiffe://{self.trust_domain}/agent/client/dc/{escape(self.datacenter)}/id/{escape(self.node)}"


class MeshGatewayIdentity(msgspec.Struct, frozen=True):
    """Any mesh gateway of one datacenter."""

    trust_domain: str
    datacenter: str

    @property
    def uri(self) -> str:
        """The SPIFFE id."""
        return f"spiffe://{self.trust_domain}/gateway/mesh/dc/{escape(self.datacenter)}"


class ServerIdentity(msgspec.Struct, frozen=True):
    """Any server of one datacenter."""

    trust_domain: str
    datacenter: str

    @property
    def uri(self) -> str:
        """The SPIFFE id."""
        return f"spiffe://{self.trust_domain}/agent/server/dc/{escape(self.datacenter)}"


class SigningIdentity(msgspec.Struct, frozen=True):
    """The certificate authority itself."""

    trust_domain: str

    @property
    def uri(self) -> str:
        """The SPIFFE id."""
        return f"spiffe://{self.trust_domain}"


Identity = ServiceIdentity | AgentIdentity | MeshGatewayIdentity | ServerIdentity | SigningIdentity


def trust_domain(cluster_id: str) -> str:
    """The trust domain of the CA whose cluster id (a UUID) is `cluster_id`: lower case, kept for ever."""
    return f"{cluster_id}.consul".lower()


def escape(part: str) -> str:
    """Percent-encode one path segment (RFC 3986, section 3.3)."""
    return "".join(chr(byte) if byte in _UNESCAPED else f"%{byte:02X}" for byte in part.encode())


def unescape(part: str) -> str:
    """Decode one percent-encoded path segment; raises `IdentityError` on a broken escape or on broken UTF-8."""
    out = bytearray()
    raw = part.encode()
    at = 0
    while at < len(raw):
        if raw[at] != ord("%"):
            out.append(raw[at])
            at += 1
            continue
        digits = raw[at + 1 : at + 3]
        if re.fullmatch(rb"[0-9A-Fa-f]{2}", digits) is None:
            raise IdentityError(f"identity: {part!r} has a percent sign without two hexadecimal digits behind it")
        out.append(int(digits, 16))
        at += 3
    try:
        return out.decode()
    except UnicodeDecodeError as error:
        raise IdentityError(f"identity: {part!r} is not UTF-8 when decoded") from error


def parse(uri: str) -> Identity:
    """Read a SPIFFE id of one of the known kinds.

    Raises `IdentityError` for any other form, for an empty part, and for a partition other than the default one
    (this mesh has a single partition).
    """
    if len(uri.encode()) > _URI_BYTES_MAX:
        raise IdentityError(f"identity: a SPIFFE id has at most {_URI_BYTES_MAX} bytes")
    for pattern in (_SERVICE, _AGENT, _MESH_GATEWAY, _SERVER, _SIGNING):
        match = pattern.fullmatch(uri)
        if match is not None:
            return _identity(pattern, match.groupdict())
    raise IdentityError(f"identity: {uri!r} is not the SPIFFE id of a service, agent, gateway, server or CA")


def _identity(pattern: re.Pattern[str], groups: dict[str, str | None]) -> Identity:
    parts = {name: unescape(value) for name, value in groups.items() if value is not None}
    if parts.get("partition", DEFAULT_NAMESPACE) != DEFAULT_NAMESPACE:
        raise IdentityError(
            f"identity: partition {parts['partition']!r} is unknown; there is only {DEFAULT_NAMESPACE!r}"
        )
    domain = parts["trust_domain"]
    if pattern is _SERVICE:
        return ServiceIdentity(domain, parts["datacenter"], parts["name"], parts["namespace"])
    if pattern is _AGENT:
        return AgentIdentity(domain, parts["datacenter"], parts["name"])
    if pattern is _MESH_GATEWAY:
        return MeshGatewayIdentity(domain, parts["datacenter"])
    if pattern is _SERVER:
        return ServerIdentity(domain, parts["datacenter"])
    return SigningIdentity(domain)


def service_sni(service: str, datacenter: str, trust_domain: str, *, subset: str = "") -> str:
    """The TLS server name of a service, which is also the name of the cluster that leads to it."""
    prefix = f"{subset}." if subset else ""
    return f"{prefix}{service}.{DEFAULT_NAMESPACE}.{datacenter}.internal.{trust_domain}"


def upstream_id(service: str, datacenter: str = "") -> str:
    """An upstream's name in listeners: the service, with its datacenter where that is not the proxy's own."""
    return f"{service}?dc={datacenter}" if datacenter else service

"""What a name below the domain asks for (Consul's DNS interface, names): labels in, a lookup out. Pure.

    [TAG.]NAME.service   _NAME._TAG.service   NAME.connect   NAME.ingress   NAME.virtual[.PEER]
    NODE.node            NAME.query           HEX.addr       _NAME._TAG for SRV

Names are read from the right to the first reserved word; what stands behind it is the place: nothing, a datacenter
(`DC` or `DC.dc`) or a peer (`PEER.peer`). What is not one of these forms, or lies in a place that we do not reach, does
not exist (NXDOMAIN); a name outside the domain is not ours (REFUSED, or a recursor's). Names of addresses
(`in-addr.arpa`, `ip6.arpa`) are `read_reverse_name`'s.

Here, and not in `dns`, because `catalog` explains names too; labels come as bytes: nothing of the wire is needed.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

RESERVED = frozenset({b"service", b"connect", b"virtual", b"ingress", b"node", b"query", b"addr"})
RFC_PROTOCOL = "tcp"
_ADDRESS_DIGITS = (8, 32)
_IPV4_LABELS, _IPV6_LABELS = 4, 32


@dataclass(frozen=True, slots=True)
class DomainLookup:
    """The domain itself."""


@dataclass(frozen=True, slots=True)
class ServiceLookup:
    """Instances of a service, with a tag if one is named.

    With `connect` the proxies and native instances that lead to it, with `ingress` the ingress gateways.
    """

    name: str
    tag: str = ""
    connect: bool = False
    ingress: bool = False


@dataclass(frozen=True, slots=True)
class VirtualLookup:
    """The virtual address of a service of the mesh; `peer` is empty for our own."""

    name: str
    peer: str = ""


@dataclass(frozen=True, slots=True)
class NodeLookup:
    """A node by name, which may hold dots."""

    name: str


@dataclass(frozen=True, slots=True)
class QueryLookup:
    """A prepared query by name, which may hold dots, or by id."""

    name: str


@dataclass(frozen=True, slots=True)
class AddressLookup:
    """An address written into the name."""

    packed: bytes


@dataclass(frozen=True, slots=True)
class ReverseLookup:
    """Who has an address; None: the name is no whole address, and nobody has it."""

    packed: bytes | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Below the domain, and nothing that exists."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Not below the domain."""


Lookup = (
    DomainLookup
    | ServiceLookup
    | VirtualLookup
    | NodeLookup
    | QueryLookup
    | AddressLookup
    | ReverseLookup
    | Unknown
    | Foreign
)
_Place = tuple[str, str]


def read_name(labels: tuple[bytes, ...], domain: tuple[bytes, ...], datacenter: bytes, *, srv: bool = True) -> Lookup:
    """What the labels (in lower case, leftmost first) ask for.

    Args:
        labels: of the whole name.
        domain: the labels of the domain that is served.
        datacenter: ours; another one does not exist.
        srv: the question is for SRV records, where `service` may be left out of an RFC 2782 name.
    """
    if labels[len(labels) - len(domain) :] != domain or len(labels) < len(domain):
        return Foreign()
    rest = labels[: len(labels) - len(domain)]
    if not rest:
        return DomainLookup()
    for at in range(len(rest) - 1, -1, -1):
        if rest[at] in RESERVED:
            return _read(rest[at], rest[:at], rest[at + 1 :], datacenter)
        if srv and rest[at].startswith(b"_"):
            return _read(b"service", rest[: at + 1], rest[at + 1 :], datacenter)
    return Unknown()


def _read(word: bytes, body: tuple[bytes, ...], place: tuple[bytes, ...], datacenter: bytes) -> Lookup:
    if not body:
        return Unknown()
    if word == b"addr":
        return _address(body)  # true everywhere
    where = _read_place(place)
    if where is None:
        return Unknown()
    if word == b"virtual":
        # a bare label is a peer here: virtual addresses mean something in one datacenter only
        return VirtualLookup(_text(body[-1]), _text(place[0]) if len(place) == 1 else where[1])
    if where[1] or where[0] not in {"", _text(datacenter).lower()}:
        return Unknown()
    if word == b"service":
        return _service(body)
    if word in {b"connect", b"ingress"}:
        return ServiceLookup(_text(body[-1]), connect=word == b"connect", ingress=word == b"ingress")
    if word == b"query":
        return QueryLookup(_query(body))
    return NodeLookup(".".join(map(_text, body)))


def _read_place(place: tuple[bytes, ...]) -> _Place | None:
    """Datacenter and peer, each empty if not named; None for what names no place, or both."""
    if not place:
        return "", ""
    if len(place) == 1:
        return _text(place[0]), ""
    if len(place) not in {2, 4}:
        return None
    found = {b"dc": "", b"peer": ""}
    for name, kind in zip(place[::2], place[1::2], strict=True):
        if kind not in found:
            return None
        found[kind] = _text(name)
    return None if found[b"dc"] and found[b"peer"] else (found[b"dc"], found[b"peer"])


def _service(body: tuple[bytes, ...]) -> Lookup:
    if len(body) == 2 and all(label.startswith(b"_") for label in body):
        tag = _text(body[1][1:])
        return ServiceLookup(_text(body[0][1:]), "" if tag == RFC_PROTOCOL else tag)
    return ServiceLookup(_text(body[-1]), ".".join(map(_text, body[:-1])))


def _query(body: tuple[bytes, ...]) -> str:
    if len(body) > 1 and body[0].startswith(b"_") and body[-1].startswith(b"_"):
        return ".".join(map(_text, body[:-1]))[1:]
    return ".".join(map(_text, body))


def _address(body: tuple[bytes, ...]) -> Lookup:
    if len(body) != 1 or len(body[0]) not in _ADDRESS_DIGITS or not body[0].isalnum():
        return Unknown()
    try:
        return AddressLookup(bytes.fromhex(body[0].decode("ascii")))
    except ValueError:
        return Unknown()


def read_reverse_name(labels: tuple[bytes, ...]) -> ReverseLookup | None:
    """What a name below `arpa` asks for (RFC 1035, section 3.5; RFC 3596, section 2.5); None for any other name."""
    if labels[-1:] != (b"arpa",):
        return None
    if labels[-2:] == (b"in-addr", b"arpa"):
        return ReverseLookup(_ipv4(labels[:-2]))
    if labels[-2:] == (b"ip6", b"arpa"):
        return ReverseLookup(_ipv6(labels[:-2]))
    return ReverseLookup(None)


def _ipv4(labels: tuple[bytes, ...]) -> bytes | None:
    if len(labels) != _IPV4_LABELS:
        return None
    try:
        return IPv4Address(b".".join(reversed(labels)).decode("ascii")).packed
    except ValueError:
        return None


def _ipv6(labels: tuple[bytes, ...]) -> bytes | None:
    if len(labels) != _IPV6_LABELS or any(len(label) != 1 for label in labels):
        return None
    try:
        return IPv6Address(bytes.fromhex(b"".join(reversed(labels)).decode("ascii"))).packed
    except ValueError:
        return None


def _text(label: bytes) -> str:
    return label.decode("utf-8", errors="replace")

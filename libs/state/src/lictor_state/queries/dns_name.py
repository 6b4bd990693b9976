"""What a name below the domain asks for (Consul's DNS interface, names): labels in, a lookup out. Pure.

    [tag.]NAME.service[.DC]   _NAME._tag.service[.DC]   NAME.connect[.DC]   NAME.node[.DC]   HEX.addr[.DC]

Names are read from the right to the first reserved word. `DC` may also be written `DC.dc`. What is not one of these
forms does not exist (NXDOMAIN); a name outside the domain is not ours (REFUSED, or a recursor's).

Here, and not in `dns`, because `catalog` explains names too; labels come as bytes: nothing of the wire is needed.
"""

from dataclasses import dataclass

RESERVED = (b"service", b"connect", b"node", b"addr")
RFC_PROTOCOL = "tcp"
_ADDRESS_DIGITS = (8, 32)


@dataclass(frozen=True, slots=True)
class DomainLookup:
    """The domain itself."""


@dataclass(frozen=True, slots=True)
class ServiceLookup:
    """Instances of a service, with a tag if one is named; with `connect`, the proxies that lead to it."""

    name: str
    tag: str = ""
    connect: bool = False


@dataclass(frozen=True, slots=True)
class NodeLookup:
    """A node by name, which may hold dots."""

    name: str


@dataclass(frozen=True, slots=True)
class AddressLookup:
    """An address written into the name."""

    packed: bytes


@dataclass(frozen=True, slots=True)
class Unknown:
    """Below the domain, and nothing that exists."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Not below the domain."""


Lookup = DomainLookup | ServiceLookup | NodeLookup | AddressLookup | Unknown | Foreign


def read_name(labels: tuple[bytes, ...], domain: tuple[bytes, ...], datacenter: bytes) -> Lookup:
    """What the labels (in lower case, leftmost first) ask for.

    Args:
        labels: of the whole name.
        domain: the labels of the domain that is served.
        datacenter: ours; another one does not exist.
    """
    if labels[len(labels) - len(domain) :] != domain or len(labels) < len(domain):
        return Foreign()
    rest = labels[: len(labels) - len(domain)]
    if not rest:
        return DomainLookup()
    if len(rest) > 2 and rest[-1] == b"dc" and rest[-2] == datacenter:
        rest = rest[:-2]
    elif len(rest) > 1 and rest[-1] == datacenter and (rest[-2] in RESERVED or rest[-2].startswith(b"_")):
        rest = rest[:-1]
    if rest[-1] not in RESERVED:
        return _service(rest) if len(rest) == 2 and _is_rfc(rest) else Unknown()
    word, body = rest[-1], rest[:-1]
    if not body:
        return Unknown()
    if word == b"service":
        return _service(body)
    if word == b"connect":
        return ServiceLookup(_text(body[-1]), connect=True)
    if word == b"node":
        return NodeLookup(".".join(map(_text, body)))
    return _address(body)


def _service(body: tuple[bytes, ...]) -> Lookup:
    if _is_rfc(body):
        tag = _text(body[1][1:])
        return ServiceLookup(_text(body[0][1:]), "" if tag == RFC_PROTOCOL else tag)
    return ServiceLookup(_text(body[-1]), ".".join(map(_text, body[:-1])))


def _is_rfc(body: tuple[bytes, ...]) -> bool:
    return len(body) == 2 and all(label.startswith(b"_") and len(label) > 1 for label in body)


def _address(body: tuple[bytes, ...]) -> Lookup:
    if len(body) != 1 or len(body[0]) not in _ADDRESS_DIGITS:
        return Unknown()
    try:
        return AddressLookup(bytes.fromhex(body[0].decode("ascii")))
    except ValueError:
        return Unknown()


def _text(label: bytes) -> str:
    return label.decode("utf-8", errors="replace")

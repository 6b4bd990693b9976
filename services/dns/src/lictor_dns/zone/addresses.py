"""Texts of rows as data of records: addresses, host names, the names of nodes, and meta pairs (RFC 1464)."""

import re
from functools import lru_cache
from typing import Final

from lictor_dns.client_address import packed_address
from lictor_dnswire import AAAA, NAME_BYTES_MAX, TXT, A, Name, NameTextError, RRType
from lictor_dnswire.name import LABEL_BYTES_MAX

IPV4_BYTES: Final = 4
TEXTS_KEPT_MAX: Final = 16_384
"""Addresses remembered as records' data: each instance's is read again at every change of its service."""

RAW_PREFIX: Final = "rfc1035-"
_OUTER_SPACES: Final = re.compile(r"^ +| +$")
EVERY_FAMILY: Final = frozenset({int(RRType.A), int(RRType.AAAA)})
_FAMILIES: Final = {
    int(RRType.A): frozenset({int(RRType.A)}),
    int(RRType.AAAA): frozenset({int(RRType.AAAA)}),
    int(RRType.ANY): EVERY_FAMILY,
    # Consul's quirk, which somebody may rely on
    int(RRType.TXT): EVERY_FAMILY,
}
_NO_FAMILY: Final = frozenset[int]()


def families(qtype: int) -> frozenset[int]:
    """The types of addresses that a question about a service asks for."""
    return _FAMILIES.get(qtype, _NO_FAMILY)


def of_packed(found: bytes) -> A | AAAA:
    """The record's data for 4 or 16 bytes."""
    return A(found) if len(found) == IPV4_BYTES else AAAA(found)


def packed(text: str) -> bytes | None:
    """The 4 or 16 bytes of an address; None for what is none."""
    try:
        return packed_address.__wrapped__(text)
    except (OSError, ValueError):  # ValueError: a zero byte in the text
        return None


@lru_cache(TEXTS_KEPT_MAX)
def address(text: str) -> A | AAAA | None:
    """The record's data for an address; None for what is none."""
    found = packed(text)
    return None if found is None else of_packed(found)


def host(text: str) -> Name | None:
    """A host name as a name; None for what DNS cannot carry."""
    try:
        return Name.from_text(text.rstrip(".") + ".") if text.rstrip(".") else None
    except NameTextError:
        return None


def node_name(node: str, suffix: bytes) -> bytes | None:
    """The wire form of a node's name; None for what DNS cannot carry.

    Args:
        node: dots separate labels, as in every name.
        suffix: the wire form of what follows.
    """
    labels = node.encode().split(b".")
    if any(not 0 < len(label) <= LABEL_BYTES_MAX for label in labels):
        return None
    wire = b"".join([bytes((len(label),)) + label for label in labels]) + suffix
    return wire if len(wire) <= NAME_BYTES_MAX else None


def meta(pairs: dict[str, str]) -> list[TXT]:
    """A node's meta, one text a pair, in the order of the keys; a key that begins with `rfc1035-` gives its value."""
    return [
        TXT.from_text(value if key.lower().startswith(RAW_PREFIX) else _attribute(key, value))
        for key, value in sorted(pairs.items())
    ]


def _attribute(key: str, value: str) -> str:
    """`key=value` with backquotes before what would be misread (RFC 1464, section 3)."""
    name = key.replace("`", "``").replace("=", "`=")
    name = _OUTER_SPACES.sub(lambda spaces: "` " * len(spaces[0]), name)
    return f"{name}={value.replace('`', '``')}"

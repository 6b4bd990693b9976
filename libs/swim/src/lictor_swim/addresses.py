"""Network addresses as peers write them (4 or 16 bytes) and as sockets take them (text).

An IPv4 address in its IPv6 form goes to the IPv4 host, but stays another address for memberlist: only the text that
a socket is given is unified, never the bytes that are passed on.
"""

import ipaddress
from typing import NamedTuple

from lictor_swim.wire.errors import WireError

_IPV4_BYTES = 4
_IPV6_BYTES = 16


class Endpoint(NamedTuple):
    """A host (IP address as text) and port, as sockets take them."""

    host: str
    port: int


def endpoint_of(address: bytes, port: int) -> Endpoint:
    """Where to send for an address on the wire.

    Raises:
        WireError: the address has neither 4 nor 16 bytes.
    """
    if len(address) == _IPV4_BYTES:
        # Every packet sent comes through here; `ipaddress` would take ten times as long.
        return Endpoint("{}.{}.{}.{}".format(*address), port)
    if len(address) != _IPV6_BYTES:
        raise WireError(f"address has {len(address)} bytes, neither 4 nor 16")
    ipv6 = ipaddress.IPv6Address(address)
    return Endpoint(str(ipv6.ipv4_mapped or ipv6), port)


def address_bytes(host: str) -> bytes:
    """The shortest wire form of an IP address in text.

    Raises:
        ValueError: not an IP address.
    """
    return ipaddress.ip_address(host).packed

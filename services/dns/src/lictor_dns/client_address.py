"""The address of a client as bytes, as the socket tells it. Pure."""

import socket
from functools import lru_cache

CLIENTS_KEPT_MAX = 4096
"""Clients whose bytes are remembered: a few resolvers ask nearly everything, and reading text costs each time."""


@lru_cache(CLIENTS_KEPT_MAX)
def packed_address(host: str) -> bytes:
    """The 4 or 16 bytes of an address in text; an IPv4 client of an IPv6 socket is an IPv4 client.

    Raises:
        OSError: it is no address.
    """
    if ":" not in host:
        return socket.inet_pton(socket.AF_INET, host)
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return packed[12:] if packed.startswith(_MAPPED) else packed


_MAPPED = bytes(10) + b"\xff\xff"
"""IPv4 addresses within IPv6 (RFC 4291, section 2.5.5.2)."""

"""Sockets bound to the addresses of the DNS port, alike for UDP and TCP."""

import socket


def addresses_of(listed: str, fallback: str) -> list[str]:
    """The addresses in a list with commas, each once; `fallback` when there are none."""
    return list(dict.fromkeys(filter(None, map(str.strip, listed.split(","))))) or [fallback]


def bound(host: str, port: int, kind: socket.SocketKind, *, shared: bool = False) -> socket.socket:
    """A socket that does not block, bound to one address; `shared`: other processes bind it too (SO_REUSEPORT).

    `::` takes IPv4 as well, unless IPv4 has the port already: then it takes IPv6 alone.

    Raises:
        OSError: the address is not this machine's, or the port is not free.
    """
    if ":" not in host:
        return _bound(socket.AF_INET, host, port, kind, shared=shared)
    if host != "::":
        return _bound(socket.AF_INET6, host, port, kind, shared=shared)
    try:
        return _bound(socket.AF_INET6, host, port, kind, shared=shared, only_ipv6=False)
    except OSError:
        return _bound(socket.AF_INET6, host, port, kind, shared=shared)


def _bound(
    family: socket.AddressFamily,
    host: str,
    port: int,
    kind: socket.SocketKind,
    *,
    shared: bool,
    only_ipv6: bool = True,
) -> socket.socket:
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only_ipv6))
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made

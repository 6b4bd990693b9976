"""Addresses in Envoy's form."""

from envoy.config.core.v3.address_pb2 import Address, Pipe, SocketAddress


def socket_address(address: str, port: int) -> Address:
    """A TCP address."""
    return Address(socket_address=SocketAddress(address=address, port_value=port))


def socket_or_pipe(address: str, port: int, path: str) -> Address:
    """The Unix socket `path` where there is one, else a TCP address."""
    return Address(pipe=Pipe(path=path)) if path else socket_address(address, port)

"""Dialling: addresses, TLS and the words for what went wrong.

Shared by the probes that open TCP streams. TLS contexts are made once: reading the trusted roots takes longer than
most probes.
"""

import asyncio
import functools
import socket
import ssl

STREAM_BYTES_MAX = 64 * 1024
"""What one connection may buffer before the reader has taken it."""


class AddressError(ValueError):
    """The check names an address that cannot be dialled."""


def split_address(address: str) -> tuple[str, int]:
    """Take `host:port` apart; IPv6 hosts stand in brackets.

    Raises:
        AddressError: no port, or no number from 1 to 65535.
    """
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise AddressError(f"address {address}: too many colons in address")
    if not colon or not host:
        raise AddressError(f"address {address}: missing port in address")
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise AddressError(f"address {address}: invalid port")
    return host, int(port)


@functools.cache
def tls_context(skip_verify: bool) -> ssl.SSLContext:
    """How to speak TLS: against the system's roots, or with anybody."""
    context = ssl.create_default_context()
    if skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def dial(
    host: str, port: int, tls: ssl.SSLContext | None = None, server_name: str = ""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, with the TLS handshake when `tls` is given.

    Raises:
        AddressError: the host cannot be a name at all.
        OSError: nobody there, no such name, no trust (`ssl.SSLError` is one).
    """
    name = (server_name or host) if tls is not None else None
    try:
        return await asyncio.open_connection(host, port, ssl=tls, server_hostname=name, limit=STREAM_BYTES_MAX)
    except ssl.CertificateError:
        raise  # an OSError that is a ValueError too
    except ValueError as error:  # names that IDNA, the resolver or the TLS library refuse
        raise AddressError(f"address {host}: invalid host name") from error


def reason(error: OSError) -> str:
    """An error in one line, without Python's numbers."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"tls: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ConnectionRefusedError):
        return "connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return "connection reset by peer"
    return (error.strerror or str(error) or type(error).__name__).lower()

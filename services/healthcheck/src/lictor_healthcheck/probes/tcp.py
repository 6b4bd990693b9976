"""The TCP probe: a connection that opens is a pass; with TLS the handshake counts too.

Nothing is sent. Consul's `tcp` check: `TCP connect <address>: Success`.
"""

import asyncio

from lictor_healthcheck.checks import CRITICAL, PASSING, Verdict, timeout_s
from lictor_healthcheck.probes.dial import AddressError, dial, reason, split_address, tls_context
from lictor_state.rows import CheckDefinition


async def probe_tcp(definition: CheckDefinition) -> Verdict:
    """Run a TCP check once; never raises but for cancellation."""
    address = definition.tcp
    try:
        host, port = split_address(address)
        tls = tls_context(definition.tls_skip_verify) if definition.tcp_use_tls else None
        async with asyncio.timeout(timeout_s(definition)):
            _reader, writer = await dial(host, port, tls, definition.tls_server_name)
        writer.transport.abort()  # nothing was said that would need an orderly end
    except AddressError as error:
        return Verdict(CRITICAL, f"dial tcp: {error}")
    except OSError as error:
        return Verdict(CRITICAL, f"dial tcp {address}: {reason(error)}")
    return Verdict(PASSING, f"TCP connect {address}: Success")

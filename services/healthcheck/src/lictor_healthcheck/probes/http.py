"""The HTTP probe: one request, the status decides.

Consul's `http` check: 2xx passes, 429 warns, anything else and every error is critical; the output is
`HTTP <method> <url>: <status line> Output: <the body's last bytes>`. Redirects are followed up to ten times, as Go's
client does, unless the check disables them. The head must arrive within the timeout; a body that does not end in time
is judged by its head, with what came of it. No connection is kept, nothing is cached.
"""

import asyncio
import base64
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from lictor_healthcheck.checks import CRITICAL, PASSING, WARNING, Verdict, output_bytes_max, timeout_s
from lictor_healthcheck.probes.dial import AddressError, dial, reason, tls_context
from lictor_healthcheck.probes.http_exchange import Answer, MalformedError, Request, exchange
from lictor_state.rows import CheckDefinition

REDIRECTS_MAX = 10
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
# These keep method and body; the others continue with GET, as browsers and Go's client do.
KEEP_METHOD_STATUSES = frozenset({307, 308})
# What must not follow a redirect to another host.
PRIVATE_HEADERS = frozenset({"authorization", "cookie", "cookie2", "www-authenticate"})

DEFAULT_HEADERS = {"User-Agent": "Consul Health Check", "Accept": "text/plain, text/*, */*"}


async def probe_http(definition: CheckDefinition, output_limit: int) -> Verdict:
    """Run an HTTP check once; never raises but for cancellation.

    Args:
        definition: the check's.
        output_limit: bytes of the body kept unless the check says less.
    """
    method = definition.method.upper() or "GET"
    try:
        async with asyncio.timeout(timeout_s(definition)):
            answer = await _follow(definition, method, output_bytes_max(definition, output_limit))
    except OSError as error:  # TimeoutError is one
        return Verdict(CRITICAL, f"HTTP {method} {definition.http}: {reason(error)}")
    except ValueError as error:  # an address, URL or header that cannot be, from the check or from a redirect
        return Verdict(CRITICAL, f"HTTP {method} {definition.http}: {error}")
    body = answer.body.decode(errors="replace")
    output = f"HTTP {method} {definition.http}: {answer.status} {answer.reason_phrase} Output: {body}"
    if 200 <= answer.status < 300:
        return Verdict(PASSING, output)
    return Verdict(WARNING if answer.status == 429 else CRITICAL, output)


async def _follow(definition: CheckDefinition, method: str, body_bytes_max: int) -> Answer:
    headers = [(name, value) for name, values in definition.header.items() for value in values]
    body = definition.body.encode()
    url = definition.http
    started = asyncio.get_running_loop().time()
    for _ in range(REDIRECTS_MAX + 1):
        remaining_s = timeout_s(definition) - (asyncio.get_running_loop().time() - started)
        answer = await _once(definition, url, method, headers, body, body_bytes_max, remaining_s)
        target = answer.location
        if definition.disable_redirects or answer.status not in REDIRECT_STATUSES or not target:
            return answer
        following = urljoin(url, target)
        if urlsplit(following).netloc != urlsplit(url).netloc:
            headers = [pair for pair in headers if pair[0].lower() not in PRIVATE_HEADERS | {"host"}]
        if answer.status not in KEEP_METHOD_STATUSES:
            method, body = ("HEAD" if method == "HEAD" else "GET"), b""
        url = following
    raise MalformedError(f"stopped after {REDIRECTS_MAX} redirects")


async def _once(
    definition: CheckDefinition,
    url: str,
    method: str,
    headers: list[tuple[str, str]],
    body: bytes,
    body_bytes_max: int,
    remaining_s: float,
) -> Answer:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"invalid URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise AddressError(f"unsupported URL {url!r}: http:// or https:// and a host are needed")
    given = {name.lower() for name, _ in headers}
    host = next((value for name, value in headers if name.lower() == "host"), parts.netloc.rpartition("@")[2])
    request = Request(
        method=method,
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        host=host,
        headers=[
            *((name, value) for name, value in DEFAULT_HEADERS.items() if name.lower() not in given),
            *((name, value) for name, value in headers if name.lower() != "host"),
            *_credentials(parts, given),
        ],
        body=body,
    )
    head = request.head()  # before dialling: a malformed check disturbs nobody
    tls = tls_context(definition.tls_skip_verify) if parts.scheme == "https" else None
    reader, writer = await dial(
        parts.hostname, port or (443 if tls else 80), tls, definition.tls_server_name if tls else ""
    )
    try:
        return await exchange(reader, writer, request, head, body_bytes_max, remaining_s)
    finally:
        writer.transport.abort()  # the connection is not kept, and a TLS farewell would wait for the peer


def _credentials(parts: SplitResult, given: set[str]) -> list[tuple[str, str]]:
    """A user and password in the URL become Basic authentication, unless the check brings its own."""
    if parts.username is None or "authorization" in given:
        return []
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return [("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())]

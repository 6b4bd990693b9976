"""Probes against real servers on the loopback."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lictor_healthcheck.checks import Verdict
from lictor_healthcheck.probes import probe_http, probe_tcp
from lictor_healthcheck.probes.dial import AddressError, split_address
from lictor_healthcheck.probes.http_exchange import MalformedError, Request
from lictor_state.rows import CheckDefinition

TESTDATA = Path(__file__).parent / "testdata"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Script = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(script: Script, tls: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer each request with `script`; yields host:port and the request heads (and bodies) seen."""
    seen: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                ),
                0,
            )
            seen.append(head + await reader.readexactly(length))
            await script(seen[-1], writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TESTDATA / "localhost.cert.pem", TESTDATA / "localhost.key.pem")
    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield f"127.0.0.1:{port}", seen
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def says(raw: bytes) -> Script:
    async def script(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return script


async def silence(_request: bytes, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def definition(address: str, path: str = "/health", timeout_s: float = 2.0, **more: object) -> CheckDefinition:
    return CheckDefinition(
        http=f"http://{address}{path}",
        timeout_ns=int(timeout_s * 1e9),
        interval_ns=10**9,
        **more,  # type: ignore[arg-type]
    )


def probe(raw: bytes | Script, **more: object) -> tuple[Verdict, str, list[bytes]]:
    async def story() -> tuple[Verdict, str, list[bytes]]:
        async with server(raw if callable(raw) else says(raw)) as (address, seen):
            verdict = await probe_http(definition(address, **more), 4096)  # type: ignore[arg-type]
            return verdict, address, seen

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("200 OK", "passing"),
        ("204 No Content", "passing"),
        ("299 Odd", "passing"),
        ("429 Too Many Requests", "warning"),
        ("301 Moved Permanently", "critical"),
        ("404 Not Found", "critical"),
        ("503 Service Unavailable", "critical"),
    ],
)
def test_the_status_line_decides(line: str, status: str) -> None:
    body = b"" if line.startswith("204") else b"hello"
    verdict, address, _ = probe(f"HTTP/1.1 {line}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert verdict == Verdict(status, f"HTTP GET http://{address}/health: {line} Output: {body.decode()}")


def test_the_request_says_who_asks_and_keeps_no_connection() -> None:
    _, address, seen = probe(EMPTY, path="/a?b=c")
    head = seen[0].decode()
    assert head.startswith("GET /a?b=c HTTP/1.1\r\n")
    for line in (
        f"Host: {address}",
        "User-Agent: Consul Health Check",
        "Accept: text/plain, text/*, */*",
        "Connection: close",
    ):
        assert f"\r\n{line}\r\n" in head


def test_method_headers_body_and_host_are_the_check_s() -> None:
    _, _, seen = probe(
        EMPTY,
        method="post",
        body="ping",
        header={"Host": ("inner.example",), "X-Two": ("1", "2"), "User-Agent": ("me",), "Content-Length": ("99",)},
    )
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /health HTTP/1.1\r\nHost: inner.example\r\n")
    assert head.count(b"Host:") == 1
    assert b"X-Two: 1\r\nX-Two: 2" in head
    assert b"User-Agent: me" in head
    assert b"Consul Health Check" not in head
    assert b"Content-Length: 4" in head
    assert b"99" not in head
    assert body == b"ping"


def test_credentials_in_the_url_become_basic_authentication() -> None:
    async def story() -> bytes:
        async with server(says(EMPTY)) as (address, seen):
            await probe_http(definition(f"me:p%40ss@{address}"), 4096)
            return seen[0]

    head = asyncio.run(story())
    assert b"Authorization: Basic bWU6cEBzcw==" in head
    assert b"Host: 127.0.0.1:" in head


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello and more",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
    ],
)
def test_every_framing_of_a_body_is_read(raw: bytes) -> None:
    verdict, _, _ = probe(raw)
    assert verdict.status == "passing"
    assert verdict.output.endswith("200 OK Output: hello")


def test_head_has_no_body_to_wait_for() -> None:
    verdict, _, _ = probe(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method="HEAD", timeout_s=1.0)
    assert verdict.status == "passing"


def test_only_the_last_bytes_of_a_body_are_kept() -> None:
    body = b"x" * 300_000 + b"the end"
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    verdict, _, _ = probe(raw, output_max_size=10)
    assert verdict.output.endswith(" Output: xxxthe end")
    verdict, _, _ = probe(raw)
    assert len(verdict.output.partition("Output: ")[2]) == 4096


def test_an_endless_body_is_judged_by_its_head() -> None:
    async def flood(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"z" * 65536)
            await writer.drain()

    verdict, _, _ = probe(flood)
    assert verdict.status == "passing"

    async def trickle(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nwait")
        await writer.drain()
        await asyncio.Event().wait()

    verdict, _, _ = probe(trickle, timeout_s=0.2)
    assert verdict.status == "critical"
    assert verdict.output.endswith("503 Busy Output: wait")


def test_silence_ends_at_the_timeout() -> None:
    verdict, address, _ = probe(silence, timeout_s=0.1)
    assert verdict == Verdict("critical", f"HTTP GET http://{address}/health: timeout")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "malformed HTTP response"),
        (b"", "closed before the response ended"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "head is too long"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "switched protocols"),
    ],
)
def test_what_is_no_answer_is_critical_and_says_why(raw: bytes, words: str) -> None:
    verdict, _, _ = probe(raw)
    assert verdict.status == "critical"
    assert words in verdict.output


def test_nobody_there_is_critical() -> None:
    async def story() -> Verdict:
        async with server(silence) as (address, _):
            pass
        return await probe_http(definition(address), 4096)

    verdict = asyncio.run(story())
    assert verdict.status == "critical"
    assert verdict.output.endswith(": connection refused")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "http://",
        "nonsense",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://a..b.invalid/",
        "http://127.0.0.1:1/with space",
        "http://127.0.0.1:1/\r\nX-Evil: 1",
        "https://" + "a" * 300 + "/",
    ],
)
def test_an_impossible_url_is_critical_and_harms_nobody(url: str) -> None:
    verdict = asyncio.run(probe_http(CheckDefinition(http=url, interval_ns=1, timeout_ns=2 * 10**9), 4096))
    assert verdict.status == "critical"
    assert verdict.output.startswith(f"HTTP GET {url}: ")


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET x", "/", "h", []),
        Request("GET", "/ HTTP/1.1\r\nX: 1", "h", []),
        Request("GET", "/", "h\r\nX: 1", []),
        Request("GET", "/", "h", [("X", "1\r\nY: 2")]),
        Request("GET", "/", "h", [("X:", "1")]),
    ],
)
def test_a_check_cannot_smuggle_a_second_request(request_: Request) -> None:
    with pytest.raises(MalformedError):
        request_.head()


def redirecting(target: str, code: int = 302, times: int = 1) -> Script:
    left = times

    async def script(_request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            writer.write(f"HTTP/1.1 {code} Go\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin")
        await writer.drain()

    return script


def test_redirects_are_followed_up_to_ten() -> None:
    verdict, _, seen = probe(redirecting("/next", times=10))
    assert verdict.status == "passing"
    assert [head.split(b" ")[1] for head in seen] == [b"/health", *[b"/next"] * 10]
    verdict, _, seen = probe(redirecting("/next", times=11))
    assert verdict.status == "critical"
    assert "stopped after 10 redirects" in verdict.output
    assert len(seen) == 11


def test_a_check_may_disable_redirects() -> None:
    verdict, _, seen = probe(redirecting("/next"), disable_redirects=True)
    assert verdict.status == "critical"
    assert "302 Go" in verdict.output
    assert len(seen) == 1


@pytest.mark.parametrize(("code", "method"), [(301, b"GET"), (303, b"GET"), (307, b"POST"), (308, b"POST")])
def test_a_redirect_keeps_the_method_only_where_it_says_so(code: int, method: bytes) -> None:
    _, _, seen = probe(redirecting("/next", code), method="POST", body="x")
    assert seen[1].startswith(method + b" /next ")
    assert seen[1].endswith(b"x") is (method == b"POST")


def test_secrets_do_not_follow_a_redirect_to_another_host() -> None:
    async def story() -> tuple[list[bytes], list[bytes]]:
        async with contextlib.AsyncExitStack() as servers:
            other, there = await servers.enter_async_context(server(says(EMPTY)))
            address, here = await servers.enter_async_context(server(redirecting(f"http://{other}/x")))
            header = {"Authorization": ("Bearer t",), "X-Open": ("1",)}
            await probe_http(definition(address, header=header), 4096)
            return here, there

    here, there = asyncio.run(story())
    assert b"Bearer t" in here[0]
    assert b"Bearer t" not in there[0]
    assert b"X-Open: 1" in there[0]


def test_a_redirect_to_nonsense_is_critical() -> None:
    verdict, _, _ = probe(redirecting("http://[bad"))
    assert verdict.status == "critical"


@pytest.mark.parametrize(("skip", "status"), [(True, "passing"), (False, "critical")])
def test_tls_is_verified_unless_the_check_skips_it(skip: bool, status: str) -> None:
    async def story() -> tuple[Verdict, Verdict]:
        async with server(says(EMPTY), tls=True) as (address, _):
            over_http = CheckDefinition(http=f"https://{address}/", interval_ns=1, tls_skip_verify=skip)
            over_tcp = CheckDefinition(tcp=address, tcp_use_tls=True, interval_ns=1, tls_skip_verify=skip)
            return await probe_http(over_http, 4096), await probe_tcp(over_tcp)

    over_http, over_tcp = asyncio.run(story())
    assert (over_http.status, over_tcp.status) == (status, status)
    if not skip:
        assert "failed to verify certificate" in over_http.output
        assert "failed to verify certificate" in over_tcp.output


def test_a_tcp_connection_that_opens_is_a_pass() -> None:
    async def story() -> tuple[str, Verdict, Verdict]:
        async with server(silence) as (address, _):
            there = await probe_tcp(CheckDefinition(tcp=address, interval_ns=1))
        return address, there, await probe_tcp(CheckDefinition(tcp=address, interval_ns=1))

    address, there, gone = asyncio.run(story())
    assert there == Verdict("passing", f"TCP connect {address}: Success")
    assert gone == Verdict("critical", f"dial tcp {address}: connect: connection refused")


def test_tls_with_a_server_that_does_not_speak_it_ends_at_the_timeout() -> None:
    async def story() -> Verdict:
        async with server(silence) as (address, _):
            return await probe_tcp(CheckDefinition(tcp=address, tcp_use_tls=True, interval_ns=1, timeout_ns=10**8))

    assert asyncio.run(story()).status == "critical"


@pytest.mark.parametrize(
    ("address", "parts"),
    [("a:1", ("a", 1)), ("127.0.0.1:65535", ("127.0.0.1", 65535)), ("[::1]:80", ("::1", 80))],
)
def test_addresses_are_taken_apart(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["a", "a:", ":1", "a:0", "a:65536", "a:x", "::1:80", "a:\uff11"])
def test_addresses_that_cannot_be_dialled_are_refused(address: str) -> None:
    with pytest.raises(AddressError):
        split_address(address)
    verdict = asyncio.run(probe_tcp(CheckDefinition(tcp=address, interval_ns=1)))
    assert verdict.status == "critical"


def test_a_cancelled_probe_leaves_no_connection_behind() -> None:
    async def story() -> int:
        asked, closed = asyncio.Event(), asyncio.Event()

        async def watch(_request: bytes, writer: asyncio.StreamWriter) -> None:
            asked.set()
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.005)
            closed.set()

        async with server(watch) as (address, _):
            task = asyncio.create_task(probe_http(definition(address, timeout_s=30), 4096))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(closed.wait(), 5)
        return len([one for one in asyncio.all_tasks() if one is not asyncio.current_task()])

    assert asyncio.run(story()) == 0

"""One small HTTP call at a time, for setting up and for looking at answers; load comes from `load/`."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 5.0


class HttpCallError(Exception):
    """A call had no answer or not a good one; the message tells the address and what came instead."""


def call(method: str, url: str, body: bytes | None = None) -> bytes:
    """Make a call; the body of a 200 answer.

    Raises:
        HttpCallError: no answer in time, or another status.
    """
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read()
            if answer.status != http.client.OK:
                raise HttpCallError(f"{method} {url}: status {answer.status}")
            return content
    except urllib.error.HTTPError as error:
        text = error.read(200).decode(errors="replace").strip()
        raise HttpCallError(f"{method} {url}: status {error.code} {text}") from error
    except (OSError, http.client.HTTPException) as error:
        raise HttpCallError(f"{method} {url}: {error}") from error


def get(url: str) -> Any:
    """The JSON value at a URL.

    Raises:
        HttpCallError: no good answer, or not JSON.
    """
    content = call("GET", url)
    try:
        return json.loads(content)
    except ValueError as error:
        raise HttpCallError(f"GET {url}: not JSON: {content[:80]!r}") from error


def put(url: str, value: Any) -> None:
    """PUT a JSON value; Consul answers `true` where it wrote something.

    Raises:
        HttpCallError: no good answer, or another one than `true`.
    """
    content = call("PUT", url, json.dumps(value).encode())
    if content.strip() not in (b"true", b""):
        raise HttpCallError(f"PUT {url}: answered {content[:80]!r}")

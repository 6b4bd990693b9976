"""Who may ask what, by path and address, and what every answer carries: Consul's `http_config` that makes sense here.

`block_endpoints` and `allow_write_http_from` as settings, judged before anything else of a request, and the form of
`response_headers`, which the server puts before every answer. Rights of tokens are not here: there are no ACLs yet.
"""

import ipaddress
import json
import re
from typing import Annotated

import msgspec
from pydantic import BeforeValidator

from lictor_catalog.errors import ApiError

PARTS_MAX = 64
"""Prefixes, networks or headers in one setting: they are looked at one by one for each request."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_OURS = frozenset({"connection", "content-encoding", "content-length", "content-type", "date", "transfer-encoding"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_prefixes(given: object) -> object:
    """Paths that begin with `/v1/`, separated by commas; raises `ValueError`."""
    parts = _parts(given)
    for part in parts:
        if not part.startswith("/v1/"):
            raise ValueError(f"{part!r} does not begin with /v1/")
    return parts


def parse_networks(given: object) -> object:
    """Networks as address and length, separated by commas; raises `ValueError`."""
    return tuple(ipaddress.ip_network(part) for part in _parts(given))


def parse_headers(given: object) -> object:
    """A JSON object of names and values, as pairs; raises `ValueError`."""
    if not isinstance(given, str):
        return given
    try:
        found = json.loads(given)
    except ValueError:
        found = None
    if not isinstance(found, dict) or len(found) > PARTS_MAX:
        raise ValueError(f"not a JSON object of at most {PARTS_MAX} headers")
    for name, value in found.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            raise ValueError(f"header {name!r} cannot be set")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the value of header {name!r} is no printable text")
    return tuple(found.items())


def _parts(given: object) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in given.split(",")) if isinstance(given, str) else given
    if not isinstance(parts, tuple) or len(parts) > PARTS_MAX:
        raise ValueError(f"more than {PARTS_MAX} parts")
    return parts


Prefixes = Annotated[tuple[str, ...], BeforeValidator(parse_prefixes)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(parse_networks)]
Headers = Annotated[tuple[tuple[str, str], ...], BeforeValidator(parse_headers)]


class Access(msgspec.Struct, frozen=True):
    """Blocked path prefixes, and the networks that may write; without networks everybody may."""

    blocked: tuple[str, ...] = ()
    writers: tuple[Network, ...] = ()

    def is_blocked(self, path: str) -> bool:
        """Whether an endpoint is switched off."""
        return bool(self.blocked) and path.startswith(self.blocked)

    def judge(self, method: str, path: str, client: str) -> None:
        """Refuse what is switched off and writes from elsewhere; raises `ApiError` 403 with Consul's words."""
        if self.is_blocked(path):
            raise ApiError(403, "Endpoint is blocked by agent configuration")
        if not self.writers or method in _READING:
            return
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            raise ApiError(403, "Access is restricted") from None
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if not any(address in network for network in self.writers):
            raise ApiError(403, "Access is restricted")

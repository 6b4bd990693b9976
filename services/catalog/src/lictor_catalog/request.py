"""A request's query string and the rules that hold for every endpoint.

Follows Consul's common parameters: the query string is parsed once, the first of repeated values counts, presence is
enough for most flags. Namespaces and partitions are refused as the community edition does, another datacenter is
unknown, and peers are refused rather than ignored.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qsl

from lictor_catalog.errors import ApiError

PARAMETERS_MAX = 1024
"""More parameters than this is no query that any client makes; parsing them would only cost time."""

QUERIES_KEPT_MAX = 1024
QUERY_KEPT_BYTES_MAX = 256
"""Queries whose parameters are kept: clients repeat a few short ones, and no client may fill the memory with others."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})(.{0,2})")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_ENTERPRISE = (
    ("ns", "Namespaces are a Consul Enterprise feature"),
    ("partition", "Partitions are a Consul Enterprise feature"),
)
_COMMON = frozenset({"ns", "partition", "datacenter", "dc", "peer"})
_ENTERPRISE_HEADERS = {
    b"x-consul-namespace": ("X-Consul-Namespace", "Namespaces are a Consul Enterprise feature"),
    b"x-consul-partition": ("X-Consul-Partition", "Partitions are a Consul Enterprise feature"),
}


def judge_path(raw_path: bytes) -> None:
    """Refuse a path that is wrongly escaped, as Go's server does before any routing; raises `ApiError`."""
    if b"%" in raw_path and _BAD_ESCAPE.search(raw_path.decode("latin-1")):
        raise ApiError(400, "400 Bad Request", ((b"connection", b"close"),))


class Params:
    """The parameters of a query string; never changed."""

    __slots__ = ("_values",)

    def __init__(self, query: bytes) -> None:
        self._values: dict[str, list[str]] = {}
        if not query:
            return
        text = query.decode("latin-1")
        bad = _BAD_ESCAPE.search(text)
        if bad:
            raise ApiError(500, f'invalid URL escape "{bad[0]}"')
        if ";" in text:
            raise ApiError(500, "invalid semicolon separator in query")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=PARAMETERS_MAX, errors="replace")
        except ValueError:
            raise ApiError(400, f"more than {PARAMETERS_MAX} query parameters") from None
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def has(self, name: str) -> bool:
        """Whether the parameter is there, with or without a value."""
        return name in self._values

    def any_of(self, names: frozenset[str]) -> bool:
        """Whether one of these parameters is there."""
        return not names.isdisjoint(self._values)

    def only(self, names: frozenset[str]) -> bool:
        """Whether there are no other parameters than these."""
        return names.issuperset(self._values)

    def first(self, name: str) -> str:
        """Its first value, empty when it is absent."""
        values = self._values.get(name)
        return values[0] if values else ""

    def all(self, name: str) -> tuple[str, ...]:
        """All its values, in order."""
        return tuple(self._values.get(name, ()))

    def __bool__(self) -> bool:
        return bool(self._values)


_short_query = lru_cache(QUERIES_KEPT_MAX)(Params)


def parse(query: bytes) -> Params:
    """The parameters of a query string, shared by requests that ask alike; raises `ApiError`."""
    return _short_query(query) if len(query) <= QUERY_KEPT_BYTES_MAX else Params(query)


def boolean(text: str) -> bool | None:
    """Go's `ParseBool`; None when the text is neither."""
    return True if text in _TRUE else False if text in _FALSE else None


def judge_common(params: Params, headers: Iterable[tuple[bytes, bytes]], datacenter: str | None) -> None:
    """Refuse what no endpoint can honour; raises `ApiError`.

    `datacenter` is the one that we are of; None at endpoints that speak for the agent alone and look at no `dc`.
    """
    for key, value in headers:
        if value and key in _ENTERPRISE_HEADERS:
            header, text = _ENTERPRISE_HEADERS[key]
            raise ApiError(400, f'Invalid header: "{header}" - {text}')
    if not params.any_of(_COMMON):
        return
    for name, text in _ENTERPRISE:
        if params.first(name):
            raise ApiError(400, f'Invalid query parameter: "{name}" - {text}')
    asked = params.first("datacenter") or params.first("dc")
    if asked and datacenter is not None and asked != datacenter:
        raise ApiError(500, "No path to datacenter")
    if params.first("peer"):
        raise ApiError(400, "cluster peering is not supported by this version")


def node_meta(params: Params) -> tuple[tuple[str, str], ...]:
    """The `node-meta` pairs; all must hold."""
    pairs = []
    for one in params.all("node-meta"):
        key, _, value = one.partition(":")
        pairs.append((key, value))
    return tuple(pairs)

"""An answer as bytes, shared by all who asked the same: the body, its pretty and its compressed form on demand."""

import gzip

from lictor_catalog import consul_json

GZIP_BYTES_MIN = 1400
"""Below one packet compression saves nothing (Consul's limit is about this)."""

GZIP_LEVEL = 1
"""Ten times as fast as the default level and nearly as small on this repetitive JSON."""

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"


class Page:
    """One encoded answer and the index that it is reported with."""

    __slots__ = ("_forms", "absent", "body", "content_hash", "content_type", "headers", "heads", "index", "status")

    def __init__(
        self,
        body: bytes,
        *,
        index: int = 0,
        status: int = 200,
        content_type: bytes = JSON,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        content_hash: str = "",
        absent: bool = False,
    ) -> None:
        self.body = body
        self.index = index
        self.status = status
        self.content_type = content_type
        self.headers = headers
        self.content_hash = content_hash
        self.absent = absent
        self._forms: dict[tuple[bool, bool], bytes] = {}
        self.heads: dict[object, bytes] = {}
        """Header blocks as they were last sent, by what they tell beside the page (`hot_reads`)."""

    def form(self, *, pretty: bool, compressed: bool) -> tuple[bytes, bool]:
        """The body in the form asked for, and whether it is compressed (small bodies never are)."""
        pretty = pretty and self.content_type is JSON
        compressed = compressed and len(self.body) >= GZIP_BYTES_MIN
        if not pretty and not compressed:
            return self.body, False
        known = self._forms.get((pretty, compressed))
        if known is None:
            known = consul_json.indented(self.body) if pretty else self.body
            if compressed:
                known = gzip.compress(known, GZIP_LEVEL, mtime=0)
            self._forms[pretty, compressed] = known
        return known, compressed


def json_page(value: object, *, index: int = 0, absent: bool = False) -> Page:
    """A page of one JSON value; `absent` when it says that the one object asked for is not there."""
    return Page(consul_json.encode(value), index=index, absent=absent)


def missing_page(index: int, *, absent: bool) -> Page:
    """404 without a body, as Consul answers for keys that are not there."""
    return Page(b"", index=index, status=404, content_type=b"", absent=absent)


def text_page(text: str, status: int, *, index: int = 0, absent: bool = False) -> Page:
    """A plain text, as errors are."""
    return Page(text.encode(), index=index, status=status, content_type=TEXT, absent=absent)

"""`/docs` and `/openapi.json`: what the front door answers beside the API, made when it is asked for first."""

from functools import cache

from lictor_catalog.openapi import document, page
from lictor_catalog.page import JSON, Page

HTML = b"text/html; charset=utf-8"
POLICY = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"),
    (b"x-content-type-options", b"nosniff"),
)
"""Nothing is loaded from anywhere, whatever an example may hold."""

PATHS = frozenset({"/docs", "/openapi.json"})
METHODS = ("GET", "HEAD")


@cache
def served(path: str) -> Page:
    """The page of one of `PATHS`."""
    if path == "/docs":
        return Page(page.encoded(), content_type=HTML, headers=POLICY)
    return Page(document.encoded(), content_type=JSON)

"""Versions made from contents, so that every server gives equal contents an equal version.

A client that reconnects, to any server, says which versions it holds; only content versions let that server send just
what is missing. Not a security measure: the hash is there to tell contents apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from lictor_xdsproto.resource import Resource


def content_version(body: bytes) -> str:
    """The SHA-256 of the body in hexadecimal; the body must be encoded deterministically."""
    return hashlib.sha256(body).hexdigest()


def collection_version(resources: Iterable[Resource]) -> str:
    """One version for a set of resources, whatever their order: what a state-of-the-world response carries."""
    digest = hashlib.sha256()
    for name, version in sorted((resource.name, resource.version) for resource in resources):
        for part in (name.encode(), version.encode()):
            digest.update(len(part).to_bytes(4, "big"))  # lengths keep neighbours from running together
            digest.update(part)
    return digest.hexdigest()

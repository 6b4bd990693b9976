"""Which keys of the key-value store a path of the HTTP API leads to (Consul's HTTP API, general rules).

A path is cleaned before it is served: empty segments and those of dots go, and a path that changes by that is answered
with a redirect to another key. Paths with unprintable characters are refused. Keys like that are written by clients
that use transactions, and reached by them only.
"""

from urllib.parse import quote

_CLEANED = frozenset({"", ".", ".."})


def path_of(key: str) -> str | None:
    """The path that leads to a key, or with a `/` at its end to the tree below; None if there is none."""
    inner, _, last = key.rpartition("/")
    segments = [*inner.split("/"), last or "x"] if inner or key.startswith("/") else [last]
    if not key.isprintable() or any(one in _CLEANED for one in segments):
        return None
    return f"/v1/kv/{quote(key, safe='/')}"

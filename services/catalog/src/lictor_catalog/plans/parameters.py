"""What many reads ask for in the same way, and how they are refused without it."""

from lictor_catalog.errors import ApiError
from lictor_catalog.request import Params, node_meta


def needed(rest: str, what: str) -> str:
    """What follows the route in the path; raises `ApiError` 400 when nothing does."""
    if not rest:
        raise ApiError(400, f"Missing {what}")
    return rest


def meta_key(params: Params) -> tuple[tuple[str, str], ...]:
    """The `node-meta` pairs in an order of their own, so that equal sets of them are one plan."""
    return tuple(sorted(node_meta(params)))

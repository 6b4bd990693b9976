"""A config entry that breaks a rule: 500 with the rule, as Consul's RPC layer answers it."""

from collections.abc import Collection

from lictor_catalog.errors import ApiError

HTTP_LIKE = frozenset({"http", "http2", "grpc"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"})


def refuse(rule: str) -> ApiError:
    """The error of a broken rule."""
    return ApiError(500, rule)


def one_of(value: str, allowed: Collection[str], what: str) -> None:
    """Refuse a word that is none of the allowed ones; an empty one is always allowed."""
    if value and value not in allowed:
        words = ", ".join(f'"{word}"' for word in sorted(allowed))
        raise refuse(f'{what}: "{value}" is not one of {words}')

"""Requests to the key-value store: parameters of reads, and bodies and parameters of writes as commands.

Follows Consul's KV API: which flags conflict, which numbers must parse (500 with Go's wording when they do not), when a
key may be empty. Whether a session may take or give back a lock is judged in apply.
"""

import msgspec

from lictor_catalog.errors import ApiError
from lictor_catalog.request import Params
from lictor_state.commands import KVDelete, KVDeleteTree, KVSet

VALUE_BYTES_MAX = 512 * 1024
"""Consul's `kv_max_value_size`."""


class KVRead(msgspec.Struct, frozen=True):
    """What a GET asks for; `keys` wins over `recurse`."""

    key: str
    recurse: bool
    keys: bool
    separator: str
    raw: bool


def read(key: str, params: Params) -> KVRead:
    """The read that path and parameters ask for; raises `ApiError`."""
    keys = params.has("keys")
    recurse = params.has("recurse")
    if not key and not keys and not recurse:
        raise ApiError(400, "Missing key name")
    separator = params.first("separator") or params.first("seperator") if keys else ""
    return KVRead(key, recurse and not keys, keys, separator, params.has("raw") and not keys and not recurse)


def put(key: str, params: Params, value: bytes) -> KVSet:
    """The command of a PUT; raises `ApiError`."""
    if not key:
        raise ApiError(400, "Missing key name")
    if not params and len(value) <= VALUE_BYTES_MAX:
        return KVSet(key, value or None)
    _refuse_conflicts(params, ("cas", "acquire", "release"))
    flags = _number(params, "flags") or 0
    cas = _number(params, "cas")
    if len(value) > VALUE_BYTES_MAX:
        raise ApiError(413, f'Value for key "{key}" is too large ({len(value)} > {VALUE_BYTES_MAX} bytes)')
    acquire, release = params.first("acquire"), params.first("release")
    if (params.has("acquire") and not acquire) or (params.has("release") and not release):
        raise ApiError(500, "raft apply failed: missing session")
    return KVSet(key, value or None, flags, cas, acquire, release)


def delete(key: str, params: Params) -> KVDelete | KVDeleteTree:
    """The command of a DELETE; raises `ApiError`."""
    _refuse_conflicts(params, ("cas", "recurse"))
    if params.has("recurse"):
        return KVDeleteTree(key)
    if not key:
        raise ApiError(400, "Missing key name")
    return KVDelete(key, _number(params, "cas"))


def _refuse_conflicts(params: Params, names: tuple[str, ...]) -> None:
    given = [name for name in names if params.has(name)]
    if len(given) > 1:
        shown = "&".join(f"{name}={params.first(name)}" for name in sorted(given))
        raise ApiError(400, f"Conflicting flags: {shown}")


def _number(params: Params, name: str) -> int | None:
    if not params.has(name):
        return None
    text = params.first(name)
    if not text.isascii() or not text.isdigit():
        raise ApiError(500, f'strconv.ParseUint: parsing "{text}": invalid syntax')
    number = int(text)
    if number >= 1 << 64:
        raise ApiError(500, f'strconv.ParseUint: parsing "{text}": value out of range')
    return number

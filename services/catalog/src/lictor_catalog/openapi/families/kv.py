"""`/v1/kv`: the key-value store; and `/v1/txn`, which writes many things at once."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family, Parameter

_WRITE = (
    Parameter("flags", "A number of the client's own.", "integer"),
    *p.CAS,
    Parameter("acquire", "Lock the key by this session."),
    Parameter("release", "Give the lock of this session back."),
)
_RECURSE = Parameter("recurse", "Every key with this prefix.", "flag")
_READ = (
    *p.READ,
    _RECURSE,
    Parameter("keys", "Only the names of keys with this prefix.", "flag"),
    Parameter("separator", "With `keys`: names end at the first one of these after the prefix."),
    Parameter("raw", "The value as it is, in place of JSON.", "flag"),
)

FAMILY = Family(
    "kv",
    "Keys and values, with locks and compare-and-set.",
    (
        Endpoint("PUT", "/v1/kv/{key}", "Write a key",
            Example("/v1/kv/shop/banner?flags=42", b"spring sale"), _WRITE),
        Endpoint("GET", "/v1/kv/{key}", "Read a key, or all below a prefix", Example("/v1/kv/shop/banner"), _READ),
        Endpoint("DELETE", "/v1/kv/{key}", "Delete a key, or all below a prefix",
            Example("/v1/kv/shop/old?recurse"), (_RECURSE, *p.CAS)),
    ),
)  # fmt: skip

"""`/v1/txn`: many operations in one index, or none."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family

_OPERATIONS = [
    {"KV": {"Verb": "set", "Key": "shop/currency", "Value": "RVVS"}},
    {"KV": {"Verb": "get", "Key": "shop/banner"}},
]

FAMILY = Family(
    "txn",
    "Transactions over keys, nodes, services and checks.",
    (
        Endpoint("PUT", "/v1/txn", "Run operations together: all of them, or none (409 with the reasons)",
            Example("/v1/txn", _OPERATIONS), p.CONSISTENCY),
    ),
)  # fmt: skip

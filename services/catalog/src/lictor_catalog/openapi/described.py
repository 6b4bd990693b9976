"""Everything that is described, in the order in which the examples make a story, and what each was answered."""

from functools import cache
from importlib import resources

import msgspec

from lictor_catalog.openapi.endpoint import Answer, Endpoint
from lictor_catalog.openapi.families import (
    acl,
    agent,
    catalog,
    config,
    connect,
    coordinate,
    event,
    health,
    internal,
    kv,
    operator,
    query,
    session,
    snapshot,
    status,
    txn,
)

FAMILIES = tuple(
    one.FAMILY
    for one in (
        agent, catalog, health, kv, session, txn, event, query, coordinate, connect, config, operator, status, snapshot,
        acl, internal,
    )
)  # fmt: skip


@cache
def recorded(family: str) -> dict[str, Answer]:
    """The recorded answers of a family, by `Endpoint.key`."""
    text = resources.files("lictor_catalog.openapi").joinpath("answers", f"{family}.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Answer])


def answer_of(family: str, endpoint: Endpoint) -> Answer:
    """What an endpoint's example is answered."""
    return endpoint.example.answer or recorded(family)[endpoint.key]

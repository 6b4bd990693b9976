"""In which order changes of different types may reach a client: make before break.

Follows Envoy's xDS protocol documentation, "Eventual consistency considerations", and what Envoy does in practice:

    SECRET upserts            what is asked for is waited for: never held back
    CLUSTER upserts
    ENDPOINT upserts          together with the clusters: a client acknowledges a cluster only once it has endpoints
    LISTENER                  after clusters and endpoints are acknowledged
    ROUTE upserts             the same; a client does not check that a route's clusters exist
    ROUTE removals            after the listeners that do not need them any more are acknowledged
    CLUSTER removals          after listeners and routes are acknowledged
    ENDPOINT removals         after the clusters are gone
    SECRET removals           after everything that could use them

A type that the client has not asked for holds nothing back: a stream may carry only some of the types. The table is
walked from top to bottom; what was just sent is in flight and closes the gates below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from lictor_xdsproto.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET


class Step(msgspec.Struct, frozen=True):
    """One row of the table.

    Attributes:
        type_url: what is sent in this step.
        upserts: whether new and changed resources are. removals: whether removals are.
        after_upserts: types whose upserts must be sent and acknowledged before.
        after_all: types of which nothing at all may be outstanding.
    """

    type_url: str
    upserts: bool = False
    removals: bool = False
    after_upserts: tuple[str, ...] = ()
    after_all: tuple[str, ...] = ()


class Outstanding(msgspec.Struct, frozen=True, gc=False):
    """How far one type is: a response waits for its answer, something is to be sent, something is to be removed."""

    in_flight: bool = False
    upserts: bool = False
    removals: bool = False


ADS_ORDER: Final = (
    Step(SECRET, upserts=True),
    Step(CLUSTER, upserts=True),
    Step(ENDPOINT, upserts=True),
    Step(LISTENER, upserts=True, removals=True, after_upserts=(CLUSTER, ENDPOINT)),
    Step(ROUTE, upserts=True, after_upserts=(CLUSTER, ENDPOINT)),
    Step(ROUTE, removals=True, after_all=(LISTENER,)),
    Step(CLUSTER, removals=True, after_all=(LISTENER, ROUTE)),
    Step(ENDPOINT, removals=True, after_all=(CLUSTER,)),
    Step(SECRET, removals=True, after_all=(CLUSTER, LISTENER)),
)
_ORDERED: Final = frozenset(step.type_url for step in ADS_ORDER)


def steps_for(type_urls: list[str]) -> list[Step]:
    """The table's rows for these types; types that it does not know come last, without gates."""
    steps = [step for step in ADS_ORDER if step.type_url in type_urls]
    steps.extend(Step(url, upserts=True, removals=True) for url in type_urls if url not in _ORDERED)
    return steps


def is_open(step: Step, progress: Mapping[str, Outstanding]) -> bool:
    """Whether the step may be taken, given how far the types are that the client has asked for."""
    own = progress[step.type_url]
    if own.in_flight:  # one response per type at a time
        return False
    for type_url in step.after_upserts:
        other = progress.get(type_url)
        if other is not None and (other.in_flight or other.upserts):
            return False
    for type_url in step.after_all:
        other = progress.get(type_url)
        if other is not None and (other.in_flight or other.upserts or other.removals):
            return False
    return True

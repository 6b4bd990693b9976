"""`GET /v1/event/list` (Consul's HTTP API, events)."""

import base64

from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.event_request import ShownEvent
from lictor_catalog.page import json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params
from lictor_state import Store, queries


def events(_rest: str, params: Params, who: Identity) -> Plan:
    """`event/list`: what concerns this node. Its index names the last event; a waiter is released by any other."""
    name = params.first("name")

    def run(store: Store) -> Outcome:
        answer = queries.events.events(store, who.node, name)
        shown = [
            ShownEvent(
                event_id=row.event_id,
                name=row.name,
                payload=base64.b64encode(row.payload).decode() if row.payload is not None else None,
                node_filter=row.node_filter,
                service_filter=row.service_filter,
                tag_filter=row.tag_filter,
                version=row.version,
                l_time=row.ltime,
            )
            for row in answer.value
        ]
        return Outcome(json_page(shown, index=answer.index), answer.tokens)

    return Plan(("event/list", name), run, any_other_index=True)

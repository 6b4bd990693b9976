"""`GET /v1/operator/usage`: counts of this datacenter, which is also all that `?global` knows of."""

from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.page import json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params
from lictor_state import Store, queries


def usage(_rest: str, _params: Params, who: Identity) -> Plan:
    """`operator/usage`."""

    def run(store: Store) -> Outcome:
        answer = queries.usage.usage(store)
        counts = answer.value
        shown = {
            "Usage": {
                who.datacenter: {
                    "Nodes": counts.nodes,
                    "Services": counts.services,
                    "ServiceInstances": counts.instances,
                    "ConnectServiceInstances": counts.of_kind,
                    "BillableServiceInstances": counts.billable,
                }
            },
            "Index": answer.index,
            "LastContact": 0,
            "KnownLeader": True,
            "ConsistencyLevel": "leader",
            "NotModified": False,
            "Backend": 0,
            "ResultsFilteredByACLs": False,
        }
        return Outcome(json_page(shown, index=answer.index), answer.tokens)

    return Plan(("operator/usage",), run)

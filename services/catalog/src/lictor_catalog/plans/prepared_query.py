"""The list of prepared queries (Consul's HTTP API, prepared queries); the other reads are in `http.query`."""

from lictor_catalog import query_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.page import json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params
from lictor_state import Store, queries


def prepared_queries(_rest: str, _params: Params, _who: Identity) -> Plan:
    """`query`."""

    def run(store: Store) -> Outcome:
        answer = queries.prepared_query.prepared_queries(store)
        shown = [query_json.query(row) for row in answer.value]
        return Outcome(json_page(shown, index=answer.index), answer.tokens)

    return Plan(("query",), run)

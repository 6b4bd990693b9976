"""Reads of `/v1/connect/ca` and its twin at the agent (Consul's HTTP API, connect CA)."""

from lictor_catalog import mesh_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.errors import ApiError
from lictor_catalog.page import Page, json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params, boolean
from lictor_mesh.identity import trust_domain
from lictor_state import Store, queries

PEM_CHAIN = b"application/pem-certificate-chain"


def roots(_rest: str, params: Params, _who: Identity) -> Plan:
    """`connect/ca/roots` and `agent/connect/ca/roots`."""
    pem = False
    if params.first("pem"):
        judged = boolean(params.first("pem"))
        if judged is None:
            raise ApiError(400, "The 'pem' query parameter must be a boolean value")
        pem = judged

    def run(store: Store) -> Outcome:
        answer = queries.ca.roots(store)
        if pem:
            body = "".join(row.root_cert for row in answer.value).encode()
            return Outcome(Page(body, index=answer.index, content_type=PEM_CHAIN), answer.tokens)
        domain = trust_domain(store.meta.cluster_id)
        return Outcome(json_page(mesh_json.roots(answer.value, domain), index=answer.index), answer.tokens)

    return Plan(("connect/ca/roots", pem), run)

"""Reads of `/v1/session` (Consul's HTTP API, sessions)."""

from collections.abc import Callable, Hashable

from lictor_catalog import consul_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.page import json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.plans.parameters import needed
from lictor_catalog.request import Params
from lictor_state import Store, queries
from lictor_state.queries import Answer
from lictor_state.rows import SessionRow


def info(rest: str, _params: Params, _who: Identity) -> Plan:
    """`session/info/:id`: a list of one, or an empty one."""
    name = needed(rest, "session")

    def run(store: Store) -> Outcome:
        answer = queries.sessions.info(store, name)
        shown = [] if answer.value is None else [consul_json.session(answer.value)]
        return Outcome(json_page(shown, index=answer.index, absent=not shown), answer.tokens, floating=True)

    return Plan(("session/info", name), run)


def of_node(rest: str, _params: Params, _who: Identity) -> Plan:
    """`session/node/:node`."""
    name = needed(rest, "node name")
    return _list(("session/node", name), lambda store: queries.sessions.of_node(store, name))


def sessions(_rest: str, _params: Params, _who: Identity) -> Plan:
    """`session/list`."""
    return _list(("session/list",), queries.sessions.sessions)


def _list(key: Hashable, query: Callable[[Store], Answer[list[SessionRow]]]) -> Plan:
    def run(store: Store) -> Outcome:
        answer = query(store)
        shown = [consul_json.session(row) for row in answer.value]
        return Outcome(json_page(shown, index=answer.index), answer.tokens)

    return Plan(key, run)

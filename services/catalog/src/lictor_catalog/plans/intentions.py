"""Reads of `/v1/connect/intentions` (Consul's HTTP API, intentions)."""

from collections.abc import Callable, Hashable

from lictor_catalog import intention_request, mesh_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.errors import ApiError
from lictor_catalog.filtering import filter_of
from lictor_catalog.page import json_page, text_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params
from lictor_state import Store, queries
from lictor_state.filter import kinds
from lictor_state.queries import Answer


def intentions(_rest: str, params: Params, _who: Identity) -> Plan:
    """`connect/intentions`."""
    keep = filter_of(params, kinds.INTENTION)

    def run(store: Store) -> Outcome:
        answer = queries.intentions.intentions(store)
        shown = [mesh_json.intention(one) for one in keep.kept(answer.value)]
        return Outcome(json_page(shown, index=answer.index), answer.tokens)

    return Plan(("connect/intentions", keep.text), run)


def exact(_rest: str, params: Params, _who: Identity) -> Plan:
    """`connect/intentions/exact`."""
    source, destination = intention_request.exact_names(params)
    key = ("connect/intentions/exact", source, destination)
    return _one_intention(key, lambda store: queries.intentions.exact(store, source, destination))


def by_id(rest: str, _params: Params, _who: Identity) -> Plan:
    """`connect/intentions/:uuid` (legacy)."""
    given = intention_request.legacy_id(rest)
    return _one_intention(("connect/intentions/id", given), lambda store: queries.intentions.by_id(store, given))


def _one_intention(key: Hashable, query: Callable[[Store], Answer[queries.Intention | None]]) -> Plan:
    def run(store: Store) -> Outcome:
        answer = query(store)
        if answer.value is None:
            page = text_page("Intention not found", 404, index=answer.index, absent=True)
        else:
            page = json_page(mesh_json.intention(answer.value), index=answer.index)
        return Outcome(page, answer.tokens, floating=True)

    return Plan(key, run, sleeps_while_same=True)


def match(_rest: str, params: Params, _who: Identity) -> Plan:
    """`connect/intentions/match`; a name without any has `null`."""
    by, names = intention_request.match_names(params)
    plain = {name: intention_request.service_name(name) for name in names}

    def run(store: Store) -> Outcome:
        answer = queries.intentions.match(store, tuple(plain.values()), by)
        shown = {
            name: [mesh_json.intention(one) for one in answer.value[service]] or None for name, service in plain.items()
        }
        return Outcome(json_page(shown, index=answer.index), answer.tokens, floating=True)

    return Plan(("connect/intentions/match", by, names), run, sleeps_while_same=True)


def check(_rest: str, params: Params, who: Identity) -> Plan:
    """`connect/intentions/check`: the first that applies decides; without one the default policy does."""
    source, destination = intention_request.exact_names(params)
    source_type = params.first("source-type")
    if source_type not in {"", "consul"}:
        raise ApiError(500, f'unsupported SourceType: "{source_type}"')

    def run(store: Store) -> Outcome:
        answer = queries.intentions.match(store, (destination,))
        applies = (one for one in answer.value[destination] if one.source in {source, "*"} and not one.source_peer)
        decisive = next(applies, None)
        allowed = who.allow_by_default
        if decisive is not None:
            allowed = decisive.action == "allow" and not decisive.permissions
        return Outcome(json_page({"Allowed": allowed}), answer.tokens)

    return Plan(("connect/intentions/check", source, destination), run)

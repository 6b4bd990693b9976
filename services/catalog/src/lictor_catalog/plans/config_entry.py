"""Reads of `/v1/config` (Consul's HTTP API, config entries): one entry, and all of a kind."""

from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.config_entries import request
from lictor_catalog.config_entries.kinds import fields_of
from lictor_catalog.errors import ApiError
from lictor_catalog.filtering import EVERYTHING, Filter, filter_of
from lictor_catalog.page import json_page, text_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params
from lictor_state import Store, queries
from lictor_state.apply_config import KINDS
from lictor_state.filter.config_kinds import SERVICE_DEFAULTS

FILTERED = "service-defaults"
"""The kind whose list takes a filter, as in Consul."""


def entry(rest: str, params: Params, _who: Identity) -> Plan:
    """`config/:kind/:name` or, without a name, `config/:kind`; `config/` alone lists every kind, as Consul does."""
    kind, slash, name = rest.partition("/")
    if kind and fields_of(kind) is None:
        raise ApiError(500, f"invalid config entry kind: {kind}")
    if slash:
        return _one(kind, name)
    keep = EVERYTHING
    if kind == FILTERED:
        keep = filter_of(params, SERVICE_DEFAULTS)
    elif params.first("filter"):
        raise ApiError(500, f"filtering not supported for config entry kind={kind}")
    return _all((kind,) if kind else tuple(sorted(KINDS)), keep)


def _one(kind: str, name: str) -> Plan:
    def run(store: Store) -> Outcome:
        answer = queries.config.entry(store, kind, name)
        if answer.value is None:
            missing = f'Config entry not found for "{kind}" / "{name}"'
            page = text_page(missing, 404, index=answer.index, absent=True)
        else:
            page = json_page(request.shown(answer.value), index=answer.index)
        return Outcome(page, answer.tokens, floating=True)

    return Plan(("config", kind, name), run, sleeps_while_same=True)


def _all(kinds: tuple[str, ...], keep: Filter) -> Plan:
    def run(store: Store) -> Outcome:
        answers = [queries.config.entries(store, kind) for kind in kinds]
        shown = [request.shown(row) for answer in answers for row in keep.kept(answer.value)]
        tokens = [token for answer in answers for token in answer.tokens]
        return Outcome(json_page(shown, index=answers[0].index), tokens, floating=True)

    return Plan(("config", kinds, keep.text), run, sleeps_while_same=True)

"""Reads of `/v1/coordinate` (Consul's HTTP API, coordinates)."""

from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.coordinate_json import STARTING, coordinate
from lictor_catalog.filtering import filter_of
from lictor_catalog.page import json_page, missing_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params
from lictor_state import Store, queries
from lictor_state.distance import coordinates_of
from lictor_state.filter import kinds as filter_kinds
from lictor_state.rows import Table


def nodes(_rest: str, params: Params, _who: Identity) -> Plan:
    """`coordinate/nodes`; with `segment`, even an empty one, those of that segment only."""
    segment, keep = _segment(params), filter_of(params, filter_kinds.COORDINATE)

    def run(store: Store) -> Outcome:
        answer = queries.coordinates.nodes(store)
        rows = keep.kept(answer.value)
        shown = [coordinate(row) for row in rows if segment is None or row.segment == segment]
        return Outcome(json_page(shown, index=answer.index), answer.tokens)

    return Plan(("coordinate/nodes", segment, keep.text), run)


def node(rest: str, params: Params, _who: Identity) -> Plan:
    """`coordinate/node/:node`: 404 without a body when there is nothing."""
    segment = _segment(params)

    def run(store: Store) -> Outcome:
        answer = queries.coordinates.node(store, rest)
        shown = [coordinate(row) for row in answer.value if segment is None or row.segment == segment]
        page = json_page(shown, index=answer.index) if shown else missing_page(answer.index, absent=False)
        return Outcome(page, answer.tokens)

    return Plan(("coordinate/node", rest.lower(), segment), run)


def datacenters(_rest: str, _params: Params, who: Identity) -> Plan:
    """`coordinate/datacenters`: the servers of this one; one that has not been measured is where all begin."""

    def run(store: Store) -> Outcome:
        members = queries.members.members(store)
        shown = []
        for row in members.value:
            if row.role == "consul" and row.status != "left":
                known = coordinates_of(store, row.node).get("")
                shown.append(coordinate(known) if known is not None else coordinate(STARTING, row.node))
        areas = [{"Datacenter": who.datacenter, "AreaID": "wan", "Coordinates": shown}]
        return Outcome(json_page(areas), (*members.tokens, ("table", Table.COORDINATES)))

    return Plan(("coordinate/datacenters",), run)


def _segment(params: Params) -> str | None:
    return params.first("segment") if params.has("segment") else None

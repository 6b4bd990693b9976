"""Reads of `/v1/agent`: what was registered with this node's agent, and the pool (Consul's HTTP API, agent)."""

import hashlib

import msgspec

from lictor_catalog import consul_json, mesh_json
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.errors import ApiError
from lictor_catalog.filtering import filter_of
from lictor_catalog.page import Page, json_page, text_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params
from lictor_state import Store, queries
from lictor_state.filter import kinds
from lictor_state.queries import Answer


def services(_rest: str, params: Params, who: Identity) -> Plan:
    """`agent/services`."""
    keep = filter_of(params, kinds.SERVICE)

    def run(store: Store) -> Outcome:
        answer = queries.agent.services(store, who.node)
        shown = {row.service_id: consul_json.agent_service(row, who.datacenter) for row in keep.kept(answer.value)}
        return Outcome(json_page(shown), answer.tokens)

    return Plan(("agent/services", keep.text), run)


def service(rest: str, _params: Params, who: Identity) -> Plan:
    """`agent/service/:id`, with the hash that a client blocks on; a proxy with its central configuration."""

    def run(store: Store) -> Outcome:
        answer = queries.agent.service(store, who.node, rest)
        if answer.value is None:
            return Outcome(text_page(f"unknown service ID: {rest}", 404), answer.tokens)
        alone = Answer(answer.index, [answer.value], answer.tokens)
        central = queries.central_config.merged(store, alone, lambda row: row, lambda _, row: row)
        (row,) = central.value
        plain = consul_json.encode(consul_json.agent_service(row, who.datacenter))
        content_hash = f"{int.from_bytes(hashlib.blake2b(plain, digest_size=8).digest(), 'big'):x}"
        shown = consul_json.agent_service(row, who.datacenter, content_hash)
        headers = ((b"x-consul-contenthash", content_hash.encode()),)
        page = Page(consul_json.encode(shown), headers=headers, content_hash=content_hash)
        return Outcome(page, central.tokens)

    return Plan(("agent/service", rest), run)


def checks(_rest: str, params: Params, who: Identity) -> Plan:
    """`agent/checks`; indexes are the catalog's and shown as 0."""
    keep = filter_of(params, kinds.CHECK)

    def run(store: Store) -> Outcome:
        answer = queries.agent.checks(store, who.node)
        shown = {
            row.check_id: msgspec.structs.replace(consul_json.health_check(row), create_index=0, modify_index=0)
            for row in keep.kept(answer.value)
        }
        return Outcome(json_page(shown), answer.tokens)

    return Plan(("agent/checks", keep.text), run)


def members(_rest: str, params: Params, who: Identity) -> Plan:
    """`agent/members`; with `wan` the servers alone, by their names across datacenters."""
    wan = bool(params.first("wan"))
    if params.first("segment") not in {"", "_all"}:
        raise ApiError(400, "Network segments are a Consul Enterprise feature")
    keep = filter_of(params, kinds.MEMBER)

    def run(store: Store) -> Outcome:
        answer = queries.members.members(store)
        rows = [row for row in answer.value if not wan or row.role == "consul"]
        shown = keep.kept(mesh_json.member(row, who.datacenter, who.version, wan=wan) for row in rows)
        return Outcome(json_page(shown), answer.tokens)

    return Plan(("agent/members", wan, keep.text), run)

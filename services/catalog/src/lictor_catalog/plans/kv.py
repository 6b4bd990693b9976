"""Reads of `/v1/kv` (Consul's HTTP API, KV store)."""

from lictor_catalog import consul_json, kv_request
from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.page import Page, json_page, missing_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params
from lictor_state import Store, queries

RAW_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox"))


def entry(rest: str, params: Params, _who: Identity) -> Plan:
    """`kv/:key`: one entry, a tree, or names."""
    read = kv_request.read(rest, params)

    def run(store: Store) -> Outcome:
        if read.keys:
            names = queries.kv.keys(store, read.key, read.separator)
            found = bool(names.value) or not read.key
            page = json_page(names.value, index=names.index) if found else missing_page(names.index, absent=False)
            return Outcome(page, names.tokens, floating=not names.value)
        if read.recurse:
            tree = queries.kv.entries(store, read.key)
            shown = [consul_json.kv_entry(row) for row in tree.value]
            page = json_page(shown, index=tree.index) if shown else missing_page(tree.index, absent=False)
            return Outcome(page, tree.tokens, floating=not shown)
        one = queries.kv.key(store, read.key)
        if one.value is None:
            return Outcome(missing_page(one.index, absent=True), one.tokens, floating=True)
        if read.raw:
            value = one.value.value or b""
            raw = Page(value, index=one.index, content_type=b"text/plain", headers=RAW_HEADERS)
            return Outcome(raw, one.tokens)
        return Outcome(json_page([consul_json.kv_entry(one.value)], index=one.index), one.tokens)

    return Plan(("kv", read), run)

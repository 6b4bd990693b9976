"""`GET /v1/internal/dns/explain`: what a DNS question is answered, and why (Lictor's own).

`dns` processes answer by settings of their own; what differs from their defaults is handed in as a parameter.
"""

from typing import Any

from lictor_catalog.blocking_query import Outcome, Plan
from lictor_catalog.errors import ApiError
from lictor_catalog.page import json_page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params, boolean
from lictor_state import Store, queries
from lictor_state.queries.dns_verdicts import DnsRules, Explanation, Verdict
from lictor_state.queries.usable import AnswerLimits

TYPES = frozenset({"A", "AAAA", "ANY", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"})
NAME_MAX, LABEL_MAX = 253, 63
"""Characters of a name and of each of its labels (RFC 1035, section 2.3.4)."""

ANSWERS_MAX = 65_535


def explain(_rest: str, params: Params, who: Identity) -> Plan:
    """`internal/dns/explain?name=`."""
    name = params.first("name").rstrip(".").lower()
    labels = _labels(name, "name")
    qtype = params.first("type").upper() or "A"
    if qtype not in TYPES:
        raise ApiError(400, f"Invalid type {qtype!r}: one of {', '.join(sorted(TYPES))}")
    asked = params.first("only-passing")
    only_passing = boolean(asked) if asked else True
    if only_passing is None:
        raise ApiError(400, "Invalid value for ?only-passing")
    limits = AnswerLimits(_number(params, "udp-answer-limit", 3), _number(params, "a-record-limit", 0))
    domain = (params.first("domain") or who.domain).strip(".").lower()
    rules = DnsRules(_labels(domain, "domain"), who.datacenter, only_passing, limits)

    def run(store: Store) -> Outcome:
        answer = queries.dns_explain.explain(store, labels, qtype, rules)
        shown = {"Name": name, "Type": qtype, **_shown(answer.value), "Rules": _rules_shown(rules, domain)}
        return Outcome(json_page(shown, index=answer.index), answer.tokens, floating=True)

    return Plan(("internal/dns/explain", name, qtype, rules), run)


def _labels(text: str, what: str) -> tuple[bytes, ...]:
    labels = tuple(text.encode().split(b"."))
    if not text or len(text) > NAME_MAX or any(not 0 < len(label) <= LABEL_MAX for label in labels):
        raise ApiError(400, f"Invalid or missing {what}: labels of 1 to {LABEL_MAX} characters, {NAME_MAX} in all")
    return labels


def _number(params: Params, name: str, default: int) -> int:
    text = params.first(name)
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and int(text) <= ANSWERS_MAX):
        raise ApiError(400, f"Invalid value for ?{name}")
    return int(text)


def _shown(found: Explanation) -> dict[str, Any]:
    return {
        "Meaning": found.meaning,
        "Rcode": found.rcode,
        "Answers": found.answers,
        "Reason": found.reason,
        "Notes": found.notes,
        "Instances": [_verdict(one) for one in found.verdicts],
    }


def _verdict(one: Verdict) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Status": one.status,
        "Reason": one.reason,
        "Detail": one.detail,
        "Record": one.record,
        "Node": one.node.node,
        "Address": one.node.address,
    }
    if one.instance is not None:
        shown |= {
            "Service": one.instance.name,
            "ServiceID": one.instance.service_id,
            "ServiceAddress": one.instance.address,
            "ServicePort": one.instance.port,
            "ServiceTags": one.instance.tags,
        }
    if one.check is not None:
        check = one.check
        shown["Check"] = {
            "CheckID": check.check_id,
            "Name": check.name,
            "Status": check.status,
            "Output": check.output,
        }
    return shown


def _rules_shown(rules: DnsRules, domain: str) -> dict[str, Any]:
    return {
        "Domain": domain,
        "Datacenter": rules.datacenter,
        "OnlyPassing": rules.only_passing,
        "UDPAnswerLimit": rules.limits.udp_answers,
        "ARecordLimit": rules.limits.addresses,
    }

"""Why a DNS answer is what it is: what a name means, which instances are in its answer, which are out, and why each is.

It goes the way of the zone that answers (names: `dns_name`; who may be answered: `usable`, `prepared_execution`), says
at every fork which way was taken, and reads no more than an answer does. What recursors would say is not known here.
"""

import difflib
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from lictor_state.prepared_query_rows import PreparedQueryRow, QueryService
from lictor_state.queries import gateways, health
from lictor_state.queries.answer import Answer, Instance, whole
from lictor_state.queries.dns_name import (
    AddressLookup,
    DomainLookup,
    Foreign,
    Lookup,
    NodeLookup,
    QueryLookup,
    ReverseLookup,
    ServiceLookup,
    Unknown,
    VirtualLookup,
    read_name,
    read_reverse_name,
)
from lictor_state.queries.dns_verdicts import (
    Case,
    DnsRules,
    Explanation,
    Verdict,
    answered,
    checked_out,
    family_of,
    left_out,
)
from lictor_state.queries.prepared_execution import counted, left_out_by
from lictor_state.queries.prepared_query import TemplateByIdError, resolve
from lictor_state.queries.usable import kept_out_by
from lictor_state.reported_indexes import NODES, PREPARED_QUERIES, SERVICES
from lictor_state.rows import NodeRow, ServiceRow, Table
from lictor_state.store import Store
from lictor_state.virtual_ips import address_of

NAMES_COMPARED_MAX: Final = 5_000
"""Names that a misspelt one is compared with; with more, nothing is suggested, for it would take too long."""

FORMS: Final = "NAME.service, NAME.connect, NAME.node, NAME.query, NAME.virtual, NAME.ingress and HEX.addr"


def explain(store: Store, labels: tuple[bytes, ...], qtype: str, rules: DnsRules) -> Answer[Explanation]:
    """Explain the answer to a question.

    Args:
        store: the view.
        labels: of the name, in lower case, leftmost first.
        qtype: the type's name, in capitals.
        rules: how answers are made.
    """
    case = Case(store, rules, qtype, name_bytes=sum(len(label) + 1 for label in labels) + 1)
    case.seen(*whole(store, NODES, SERVICES))
    lookup: Lookup | None = read_reverse_name(labels)
    if lookup is None:
        lookup = read_name(labels, rules.domain, rules.datacenter.encode(), srv=qtype == "SRV")
    found = _explained(case, lookup, labels)
    return Answer(case.index, found, tuple(case.tokens))


def _explained(case: Case, lookup: Lookup, labels: tuple[bytes, ...]) -> Explanation:
    if isinstance(lookup, ServiceLookup):
        return _service(case, lookup)
    if isinstance(lookup, NodeLookup):
        return _node(case, lookup)
    if isinstance(lookup, QueryLookup):
        return _query(case, lookup)
    if isinstance(lookup, VirtualLookup):
        return _virtual(case, lookup)
    if isinstance(lookup, AddressLookup):
        text = str(ip_address(lookup.packed))
        if case.qtype in {family_of(text), "ANY"}:
            return Explanation("an address in hexadecimal digits", "NOERROR", 1, f"the name says it: {text}")
        reason = f"{text} has no {case.qtype}; it stands in the additional section"
        return Explanation("an address in hexadecimal digits", "NOERROR", 0, reason)
    if isinstance(lookup, ReverseLookup):
        return _reverse(case, lookup)
    if isinstance(lookup, DomainLookup):
        return _domain(case)
    if isinstance(lookup, Foreign):
        domain = b".".join(case.rules.domain).decode("ascii", "replace")
        reason = f"it does not end in {domain}: recursors are asked if there are any, else it is refused"
        return Explanation("a name outside the domain", "REFUSED", 0, reason)
    assert isinstance(lookup, Unknown)
    return Explanation("nothing", "NXDOMAIN", 0, _why_unknown(case.rules, labels))


def _why_unknown(rules: DnsRules, labels: tuple[bytes, ...]) -> str:
    """Why a name below the domain is of no form that exists."""
    rest = labels[: len(labels) - len(rules.domain)]
    here = rules.datacenter.encode()
    for at in (len(rest) - 1, len(rest) - 2):
        if at < 1 or rest[at] in {here, b"dc"}:
            continue
        shortened = (*rest[:at], *rules.domain)
        if not isinstance(read_name(shortened, rules.domain, here), Unknown | DomainLookup):
            place = b".".join(rest[at:]).decode("utf-8", "replace")
            return f"{place!r} would be a datacenter or a peer; this is {rules.datacenter!r}, and no other is reached"
    return f"it has none of the forms {FORMS}"


# -- services


def _service(case: Case, lookup: ServiceLookup) -> Explanation:
    what = _service_meaning(lookup)
    if lookup.ingress:
        found = case.read(gateways.ingress(case.store, lookup.name))
    elif lookup.connect:
        found = case.read(health.connect(case.store, lookup.name))
    else:
        found = case.read(health.service(case.store, lookup.name))
    if not found:
        return Explanation(what, "NXDOMAIN", 0, _why_no_instance(case.store, lookup))
    out: list[Verdict] = []
    usable: list[Instance] = []
    for one in found:
        if lookup.tag and lookup.tag.lower() not in {tag.lower() for tag in one.service.tags}:
            tags = ", ".join(one.service.tags) or "none"
            out.append(left_out(one, "tag", f"it lacks the tag {lookup.tag!r}; its tags: {tags}"))
            continue
        check = kept_out_by(one, only_passing=case.rules.only_passing)
        if check is None:
            usable.append(one)
        else:
            out.append(checked_out(one, check))
    return answered(case, what, usable, out)


def _service_meaning(lookup: ServiceLookup) -> str:
    if lookup.ingress:
        return f"ingress gateways that serve {lookup.name!r}"
    if lookup.connect:
        return f"proxies and native instances of the mesh that lead to {lookup.name!r}"
    return f"instances of the service {lookup.name!r}" + (f" with the tag {lookup.tag!r}" if lookup.tag else "")


def _why_no_instance(store: Store, lookup: ServiceLookup) -> str:
    name = lookup.name.lower()
    known = name in store.by.services_by_name
    if lookup.ingress:
        return f"no ingress gateway serves {lookup.name!r}"
    if lookup.connect and known:
        return f"{lookup.name!r} has no sidecar and is not native: it is not in the mesh"
    dotted = f"; what stands left of {lookup.name!r} is one tag" if "." in lookup.tag else ""
    return f"no service is called {lookup.name!r}{_suggested(name, store.by.services_by_name)}{dotted}"


def _suggested(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, 3) if len(names) <= NAMES_COMPARED_MAX else []
    return f"; there are {', '.join(map(repr, close))}" if close else ""


# -- other kinds of names


def _node(case: Case, lookup: NodeLookup) -> Explanation:
    meaning = f"the node {lookup.name!r}"
    case.seen(case.index, [("row", Table.NODES, (lookup.name.lower(),))])
    node = case.store.node(lookup.name)
    if node is None:
        names = (row.node.lower() for _, row in case.store.unsorted_rows(Table.NODES) if isinstance(row, NodeRow))
        known = _suggested(lookup.name.lower(), names)
        return Explanation(
            meaning, "NXDOMAIN", 0, f"no node of {case.rules.datacenter!r} is called {lookup.name!r}{known}"
        )
    family = family_of(node.address)
    note = ("a node is answered whatever its health",)
    metas = len(node.meta) if case.qtype in {"TXT", "ANY"} else 0
    if case.qtype in {family, "ANY"} or (not family and case.qtype in {"A", "AAAA", "CNAME"}):
        record = node.address if family else f"CNAME {node.address}"
        verdict = Verdict(node, None, "in", record=record)
        return Explanation(meaning, "NOERROR", 1 + metas, "it is registered", (verdict,), note)
    detail = f"its address {node.address} is no {case.qtype}"
    reason = f"its meta has {metas} pairs" if case.qtype == "TXT" else detail
    return Explanation(meaning, "NOERROR", metas, reason, (Verdict(node, None, "out", "family", detail),), note)


def _query(case: Case, lookup: QueryLookup) -> Explanation:
    meaning = f"the prepared query {lookup.name!r}"
    case.seen(*whole(case.store, PREPARED_QUERIES))
    try:
        row = resolve(case.store, lookup.name)
    except TemplateByIdError as error:
        return Explanation(meaning, "NXDOMAIN", 0, str(error))
    if row is None:
        return Explanation(meaning, "NXDOMAIN", 0, f"no prepared query has the name or id {lookup.name!r}")
    return _executed(case, meaning, row)


def _executed(case: Case, meaning: str, row: PreparedQueryRow) -> Explanation:
    query = row.definition.service
    found = case.read((health.connect if query.connect else health.service)(case.store, query.service))
    kind = "the mesh's way to" if query.connect else "the service"
    meaning += f", which finds {kind} {query.service!r}"
    if not found:
        return Explanation(meaning, "NXDOMAIN", 0, f"{kind} {query.service!r} has no instance")
    out: list[Verdict] = []
    usable: list[Instance] = []
    for one in found:
        verdict = _left_out(one, query)
        if verdict is None:
            usable.append(one)
        else:
            out.append(verdict)
    return answered(case, meaning, usable, out)


def _left_out(one: Instance, query: QueryService) -> Verdict | None:
    rule = left_out_by(one, query)
    if rule is None:
        return None
    if rule == "check":
        check = kept_out_by(counted(one, query), only_passing=query.only_passing)
        assert check is not None, "the rule names a check"
        return checked_out(one, check)
    wanted = {
        "node-meta": f"its node lacks the meta that the query wants: {query.node_meta}",
        "service-meta": f"it lacks the meta that the query wants: {query.service_meta}",
        "tag": f"its tags ({', '.join(one.service.tags) or 'none'}) are not what the query wants: "
        f"{', '.join(query.tags or ())}",
    }
    return left_out(one, rule, wanted[rule])


def _virtual(case: Case, lookup: VirtualLookup) -> Explanation:
    meaning = f"the virtual address of {lookup.name!r} in the mesh"
    case.seen(case.index, [("row", Table.VIRTUAL_IPS, (lookup.name.lower(),))])
    if lookup.peer:
        return Explanation(meaning, "NOERROR", 0, f"{lookup.peer!r} would be a peer, and there are none")
    row = case.store.virtual_ip(lookup.name)
    if row is None:
        return Explanation(meaning, "NOERROR", 0, "it has none: no instance of it is, or has been, in the mesh")
    return Explanation(meaning, "NOERROR", 1, f"it is {address_of(row)}, for whatever type is asked")


def _reverse(case: Case, lookup: ReverseLookup) -> Explanation:
    if lookup.packed is None:
        return Explanation("who has an address", "NXDOMAIN", 0, "the name holds no whole address")
    address: IPv4Address | IPv6Address = ip_address(lookup.packed)
    meaning = f"who has the address {address}"
    nodes = (row for _, row in case.store.unsorted_rows(Table.NODES) if isinstance(row, NodeRow))
    node = min((row for row in nodes if _is(row.address, address)), key=lambda row: row.node.lower(), default=None)
    if node is not None:
        verdict = Verdict(node, None, "in", record=f"PTR {node.node}.node.{case.rules.datacenter}")
        return Explanation(meaning, "NOERROR", 1, "a node has it", (verdict,))
    services = (row for _, row in case.store.unsorted_rows(Table.SERVICES) if isinstance(row, ServiceRow))
    holding = (row for row in services if row.address and _is(row.address, address))
    service = min(holding, key=lambda row: (row.node.lower(), row.service_id), default=None)
    if service is None:
        return Explanation(
            meaning, "NXDOMAIN", 0, "no node and no service has it; recursors are asked if there are any"
        )
    holder = case.store.node(service.node)
    assert holder is not None, "a service is on a node"
    verdict = Verdict(holder, service, "in", record=f"PTR {service.name}.service.{case.rules.datacenter}")
    return Explanation(meaning, "NOERROR", 1, "a service has it", (verdict,))


def _is(text: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return ip_address(text) == address
    except ValueError:
        return False


def _domain(case: Case) -> Explanation:
    if case.qtype in {"SOA", "NS", "ANY"}:
        return Explanation("the domain itself", "NOERROR", 1, "it has SOA, and the servers of the store as NS")
    return Explanation("the domain itself", "NOERROR", 0, f"it has no {case.qtype}; it has SOA and NS")

"""Instances in and out of a DNS answer, each with the reason: what names of several kinds share in `dns_explain`.

What is here follows the zone's rules for a set of instances: each record once, host names only where no instance has an
address, limits at the end. Which instances are usable is judged before.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from typing import Final, Literal, NamedTuple

from lictor_state.queries.answer import Answer, Instance
from lictor_state.queries.usable import CRITICAL, AnswerLimits, srv_weight
from lictor_state.rows import CheckRow, NodeRow, ServiceRow
from lictor_state.store import Store
from lictor_state.watches import Token

SERF_HEALTH: Final = "serfHealth"
MAINTENANCE: Final = ("_node_maintenance", "_service_maintenance:")
DEFAULT_LIMITS: Final = AnswerLimits()
EVERY_FAMILY: Final = frozenset({"ANY", "TXT"})
"""Types that are answered with addresses of both families (TXT: Consul's quirk, kept)."""

EDNS_BYTES: Final = 1_232
"""What clients that know EDNS mostly take over UDP (DNS flag day 2020)."""

FIXED_BYTES: Final = 12 + 4 + 11
"""Of a reply: header, type and class of the question, OPT record."""

ADDRESS_BYTES: Final = {"A": 16, "AAAA": 28}
"""Of one record that points back at the question's name."""

Status = Literal["in", "in turns", "out"]


@dataclass(frozen=True, slots=True)
class DnsRules:
    """The settings of the dns processes whose answers are explained."""

    domain: tuple[bytes, ...] = (b"consul",)
    datacenter: str = "dc1"
    only_passing: bool = True
    limits: AnswerLimits = DEFAULT_LIMITS


class Verdict(NamedTuple):
    """One instance or node: whether it is in the answer, and why.

    Attributes:
        instance: None for a node by itself.
        status: `in turns` where each answer has only some of those that are in.
        reason: one word for programs, empty for what is in. detail: a sentence.
        check: the one that keeps it out.
        record: the data that stands for it in the answer.
    """

    node: NodeRow
    instance: ServiceRow | None
    status: Status
    reason: str = ""
    detail: str = ""
    check: CheckRow | None = None
    record: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a question is answered, and why.

    Attributes:
        meaning: what the name asks for.
        rcode: `NOERROR`, `NXDOMAIN`, or `REFUSED` for a name that is not ours.
        answers: records in one answer that nothing cuts but the limits that hold for every client.
        reason: why, in a sentence.
        notes: what else decides.
    """

    meaning: str
    rcode: str
    answers: int
    reason: str
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Case:
    """One question on its way: where index and tokens are gathered."""

    store: Store
    rules: DnsRules
    qtype: str
    name_bytes: int
    """Of the name that is asked for, on the wire."""
    index: int = 0
    tokens: dict[Token, None] = field(default_factory=dict)

    def read(self, answer: Answer[list[Instance]]) -> list[Instance]:
        """The instances that a query gives; the answer is then as new as they are."""
        self.seen(answer.index, answer.tokens)
        return answer.value

    def seen(self, index: int, tokens: Iterable[Token]) -> None:
        """Something was read, or looked for in vain."""
        self.index = max(self.index, index)
        self.tokens.update(dict.fromkeys(tokens))


def checked_out(one: Instance, check: CheckRow) -> Verdict:
    """An instance that a check keeps out."""
    whose = "the node's" if not check.service_id else "its"
    if check.check_id == SERF_HEALTH:
        reason, detail = "node-failed", "the node has failed: gossip does not reach it"
    elif check.check_id.startswith(MAINTENANCE):
        reason, detail = "maintenance", f"{'the node is' if not check.service_id else 'it is'} in maintenance"
    elif check.status == CRITICAL:
        reason, detail = "check-critical", f"{whose} check {check.check_id!r} is critical"
    else:
        reason = "check-not-passing"
        detail = f"{whose} check {check.check_id!r} is {check.status}, and only passing instances are answered"
    return Verdict(one.node, one.service, "out", reason, detail, check)


def left_out(one: Instance, reason: str, detail: str) -> Verdict:
    """An instance that something else keeps out."""
    return Verdict(one.node, one.service, "out", reason, detail)


def answered(case: Case, meaning: str, usable: list[Instance], out: list[Verdict]) -> Explanation:
    """What usable instances have of the type: records, each once, and the rest with the reason."""
    if not usable:
        return Explanation(meaning, "NXDOMAIN", 0, "none of its instances may be answered", _sorted(out))
    if case.qtype == "SRV":
        records = [(one, _srv_record(one)) for one in usable]
        missing: list[Verdict] = []
    else:
        records, missing = _addresses(case.qtype, usable)
    held: dict[str, Instance] = {}
    for one, record in records:
        first = held.setdefault(record, one)
        if first is not one:
            said = f"the same record stands for {first.service.service_id!r} on {first.node.node!r}"
            missing.append(Verdict(one.node, one.service, "out", "duplicate", said, None, record))
    addresses = case.qtype != "SRV"
    count = case.rules.limits.of(len(held), addresses=addresses, plain_udp=False)
    status: Status = "in" if count == len(held) else "in turns"
    chosen = [Verdict(one.node, one.service, status, record=record) for record, one in held.items()]
    reason = (
        f"{len(held)} of {len(usable) + len(out)} instances have a record" if held else "no usable instance has one"
    )
    verdicts = _sorted([*chosen, *missing, *out])
    return Explanation(meaning, "NOERROR", count, reason, verdicts, _limit_notes(case, len(held), count))


def _limit_notes(case: Case, held: int, count: int) -> tuple[str, ...]:
    found = []
    if count < held:
        found.append(f"every answer has at most {count} of the {held} records; they take turns")
    plain = case.rules.limits.of(held, addresses=case.qtype != "SRV", plain_udp=True)
    if plain < count:
        found.append(f"over UDP without EDNS an answer has at most {plain} of the {held} records; they take turns")
    fitting = (EDNS_BYTES - FIXED_BYTES - case.name_bytes) // ADDRESS_BYTES.get(case.qtype, 1)
    if case.qtype in ADDRESS_BYTES and fitting < count:
        found.append(f"a datagram of {EDNS_BYTES} bytes, as most clients take, holds {fitting} of them; TCP all")
    return tuple(found)


def _addresses(qtype: str, usable: list[Instance]) -> tuple[list[tuple[Instance, str]], list[Verdict]]:
    """Instances with their address, where it is of the type; a host name stands in only if nobody has an address."""
    records: list[tuple[Instance, str]] = []
    out: list[Verdict] = []
    hosts: list[tuple[Instance, str]] = []
    for one in usable:
        text = one.service.address or one.node.address
        family = family_of(text)
        if not family:
            hosts.append((one, text))
        elif qtype == family or qtype in EVERY_FAMILY:
            records.append((one, text))
        else:
            out.append(left_out(one, "family", f"its address {text} is no {qtype}"))
    if hosts and not records:
        records, hosts = [(hosts[0][0], f"CNAME {hosts[0][1]}")], hosts[1:]
    for one, text in hosts:
        detail = f"{text!r} is a host name: one of those stands in only where no instance has an address"
        out.append(left_out(one, "host-name", detail))
    return records, out


def _srv_record(one: Instance) -> str:
    return f"1 {srv_weight(one)} {one.service.port} {one.service.address or one.node.node}"


def family_of(text: str) -> str:
    """`A` or `AAAA`; empty for what is no address."""
    try:
        return "A" if isinstance(ip_address(text), IPv4Address) else "AAAA"
    except ValueError:
        return ""


def _sorted(verdicts: list[Verdict]) -> tuple[Verdict, ...]:
    """Those in the answer first, each group by node and instance."""
    return tuple(
        sorted(
            verdicts,
            key=lambda one: (
                one.status == "out",
                one.node.node.lower(),
                one.instance.service_id if one.instance else "",
            ),
        )
    )

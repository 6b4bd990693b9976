"""Asking two DNS servers the same, and what of their replies is compared.

Answers are shuffled and cut, so over UDP the shapes are compared: response code, flags, counts, owners, types, TTLs, EDNS
and size. Over TCP both say everything, so that the data is compared too. A record that one side gives twice counts once:
a set of records has none twice (RFC 2181, section 5). Serial numbers and the names and ports of the servers themselves
are masked.
"""

import socket
import struct
from typing import NamedTuple

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

TIMEOUT_S = 5.0


class Way(NamedTuple):
    """How a question is asked."""

    name: str
    edns: int | None = None
    tcp: bool = False
    subnet: str = ""

    @property
    def limit(self):
        """The largest reply that is right."""
        return 65_535 if self.tcp else max(512, self.edns or 0)


UDP = Way("udp")
EDNS = Way("edns 1232", 1232)
TCP = Way("tcp", tcp=True)


def ask(port, name, rtype, way):
    """The reply, and its size in bytes."""
    options = [dns.edns.ECSOption(way.subnet, 24)] if way.subnet else None
    query = dns.message.make_query(
        name, rtype, use_edns=0 if way.edns else False, payload=way.edns or 0, options=options
    )
    wire = _over_tcp(port, query.to_wire()) if way.tcp else _over_udp(port, query.to_wire())
    reply = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert reply.id == query.id
    assert reply.question == query.question
    return reply, len(wire)


def _over_udp(port, wire):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(TIMEOUT_S)
        client.connect(("127.0.0.1", port))
        client.send(wire)
        return client.recv(65_535)


def _over_tcp(port, wire):
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
        client.sendall(struct.pack(">H", len(wire)) + wire)
        with client.makefile("rb") as stream:
            (length,) = struct.unpack(">H", stream.read(2))
            return stream.read(length)


def shown(reply, size, way, *, whole=True):
    """What of a reply is compared; `whole`: over TCP nothing is left out, so that data is compared too."""
    data = whole and way.tcp
    facts = {"rcode": dns.rcode.to_text(reply.rcode()), "flags": dns.flags.to_text(reply.flags)}
    for name, section in (
        ("answer", reply.answer),
        ("authority", reply.authority),
        ("additional", reply.additional),
    ):
        records = {(str(one.name), one.ttl, dns.rdatatype.to_text(one.rdtype), _data(one[0])) for one in section}
        # over UDP it is chance which targets are named, and so whose addresses are told
        known = slice(0, 4) if data else slice(1, 3) if name == "additional" else slice(0, 3)
        facts[name] = sorted(record[known] for record in records)
    facts["targets"] = _orphans(reply)
    facts["edns"] = (reply.edns, int(reply.payload), reply.ednsflags & 0xFFFF, [one.to_wire() for one in reply.options])
    facts["fits"] = size <= way.limit
    facts["size"] = size
    return facts


def _orphans(reply):
    """Addresses beside SRV answers that no answer points at, or that a target lacks though others have them."""
    targets = {one[0].target for one in reply.answer if one.rdtype == dns.rdatatype.SRV}
    owners = {one.name for one in reply.additional if one.rdtype in {dns.rdatatype.A, dns.rdatatype.AAAA}}
    return [] if not targets else sorted(str(one) for one in owners - targets)


def _data(rdata):
    if rdata.rdtype == dns.rdatatype.SOA:
        return f"{rdata.mname} {rdata.rname} {rdata.refresh} {rdata.retry} {rdata.expire} {rdata.minimum}"
    return str(rdata)


def differences(theirs, ours):
    """The facts that differ, with both sides' values; sizes only where nothing else does."""
    found = {name: (theirs[name], ours[name]) for name in theirs if theirs[name] != ours[name]}
    if len(found) > 1:
        found.pop("size", None)
    return found

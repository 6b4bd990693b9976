"""A question about a foreign name: what a recursor is asked, and what our client gets of its reply. Pure.

The recursor is asked what the client asked, and is told of EDNS only what is meant for whoever answers: DNSSEC, the
client's subnet (RFC 7871). Cookies and the like are between two neighbours (RFC 7873, section 5.2) and stay here. Its
reply is passed through as it is, but for the id, the name as our client spelt it, RA, and what does not fit.
"""

import struct
from collections.abc import Callable
from typing import Final

from lictor_dns.outcome import Recurse
from lictor_dnswire import (
    CLIENT_SUBNET,
    Opt,
    Question,
    Rcode,
    encode_reply,
)
from lictor_dnswire.header import RA, RD, TC

FLAGS_PASSED_ON: Final = 0x0130
"""RD, AD and CD: what the client wants of the answer (RFC 4035, section 3.2; RFC 6840, section 5.7)."""

PAYLOAD_BYTES: Final = 4_096
"""The largest reply over UDP that we ask recursors for; larger ones come over TCP."""

_HEADER: Final = struct.Struct(">6H")
_RCODE_BITS: Final = 0x0F


def pass_on(question: Question, max_bytes: int, edns: Opt | None, count: Callable[[int], None]) -> Recurse:
    """The question for recursors.

    Args:
        question: a client's, with RD set.
        max_bytes: what the client takes.
        edns: our OPT record for replies that we make ourselves; given exactly when the client sent one.
        count: is told each reply's response code.
    """
    assert question.flags & RD, "nobody is asked on behalf of a client that does not want it"

    def finish(answer: bytes | None) -> bytes:
        if answer is None:
            count(Rcode.SERVFAIL)
            return encode_reply(
                question,
                max_bytes=max_bytes,
                rcode=Rcode.SERVFAIL,
                authoritative=False,
                recursion_available=True,
                edns=edns,
            )
        count(answer[3] & _RCODE_BITS)
        return _for_client(answer, question, max_bytes, edns)

    return Recurse(_query(question), finish)


def _query(question: Question) -> bytes:
    opt = b""
    if question.edns is not None:
        subnet = question.edns.option(CLIENT_SUBNET)
        opt = Opt(
            payload_bytes=PAYLOAD_BYTES,
            dnssec_ok=question.edns.dnssec_ok,
            options=() if subnet is None else (subnet,),
        ).to_wire()
    header = _HEADER.pack(0, question.flags & FLAGS_PASSED_ON, 1, 0, 0, 1 if opt else 0)
    return header + question.section() + opt


def _for_client(answer: bytes, question: Question, max_bytes: int, edns: Opt | None) -> bytes:
    """A recursor's reply, whose question was found to be ours, as the client's reply."""
    section = question.section()
    rest = answer[_HEADER.size + len(section) :]
    flags, counts = answer[2:4], answer[4:12]
    whole = b"".join(
        (question.message_id.to_bytes(2, "big"), flags[:1], bytes((flags[1] | RA,)), counts, section, rest)
    )
    if len(whole) <= max_bytes:
        return whole
    # Nothing of the records: some hold pointers into this very message (RFC 1035, section 4.1.4), so none can be left
    # out without knowing its type, and a client that sees TC asks again over TCP anyway.
    opt = b"" if edns is None else edns.to_wire()
    cut = int.from_bytes(flags, "big") | TC | RA
    return _HEADER.pack(question.message_id, cut, 1, 0, 0, 1 if opt else 0) + section + opt

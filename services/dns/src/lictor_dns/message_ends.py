"""The two ends of a message, without reading what is between: its question, and the OPT record at its end. Pure.

RFC 6891 (EDNS) and RFC 7873 (the COOKIE option). A query of any other shape than one question and one OPT behind it is
left as it is. Our replies have their OPT last.
"""

import struct
from typing import NamedTuple

HEADER_BYTES = 12
TC = 0x02
"""In the third byte of a header."""

_COUNTS = struct.Struct("!4H")
_OPT = struct.Struct("!BHHIH")  # root, type, payload bytes, flags, length
_OPTION = struct.Struct("!2H")
_OPT_TYPE = 41
_SUBNET, _COOKIE = 8, 10
_LABEL_MAX = 63
_TYPE_AND_CLASS_BYTES = 4
UDP_BYTES_MIN = 512
COOKIE_ROOM_BYTES = _OPTION.size + 24
"""What our COOKIE option adds to a reply."""


class OptionsError(ValueError):
    """Options that run past their record, or two cookies: the query is malformed."""


class Query(NamedTuple):
    """A query that has a cookie, or other options.

    Attributes:
        plain: the query without the options that make no difference to its answer; if it has a cookie, with that much
            less room for the reply, so that our cookie fits too.
        cookie: the COOKIE option's data, None without one.
        repeated_bytes: of the options that are left in `plain`.
        udp_bytes: the largest reply that the client takes over UDP.
        asks: whether there is a question; without one, only a cookie is asked for (RFC 7873, section 5.4).
    """

    plain: bytes
    cookie: bytes | None
    repeated_bytes: int
    udp_bytes: int
    asks: bool


def question_end(message: bytes) -> int:
    """Where the one question ends that begins behind the header; 0 if it does not end there."""
    at = HEADER_BYTES
    while at < len(message):
        size = message[at]
        at += 1 + size
        if not size:
            at += _TYPE_AND_CLASS_BYTES
            return at if at <= len(message) else 0
        if size > _LABEL_MAX:
            return 0
    return 0


def read_options(query: bytes) -> Query | None:
    """What a query's options say; None if it has none, or is of another shape.

    Raises:
        OptionsError: they are malformed.
    """
    if len(query) < HEADER_BYTES + _OPT.size:
        return None
    questions, *others = _COUNTS.unpack_from(query, 4)
    if questions > 1 or others != [0, 0, 1]:
        return None
    at = question_end(query) if questions else HEADER_BYTES
    if not at or at + _OPT.size > len(query):
        return None
    root, kind, payload_bytes, flags, length = _OPT.unpack_from(query, at)
    if root or kind != _OPT_TYPE or not length or at + _OPT.size + length != len(query):
        return None
    cookie: bytes | None = None
    kept = b""
    begin = at + _OPT.size
    while begin < len(query):
        if begin + _OPTION.size > len(query):
            raise OptionsError("an option is cut off")
        code, size = _OPTION.unpack_from(query, begin)
        end = begin + _OPTION.size + size
        if end > len(query):
            raise OptionsError("an option runs past its record")
        if code == _COOKIE:
            if cookie is not None:
                raise OptionsError("two cookies")
            cookie = query[begin + _OPTION.size : end]
        elif code == _SUBNET:
            kept += query[begin:end]
        begin = end
    udp_bytes = max(payload_bytes, UDP_BYTES_MIN)
    if cookie is not None and payload_bytes - COOKIE_ROOM_BYTES > UDP_BYTES_MIN:
        payload_bytes -= COOKIE_ROOM_BYTES
    plain = query[:at] + _OPT.pack(0, kind, payload_bytes, flags, len(kept)) + kept
    return Query(plain, cookie, len(kept), udp_bytes, bool(questions))


def with_cookie(reply: bytes, cookie: bytes, repeated_bytes: int = 0) -> bytes:
    """A reply with a COOKIE option behind what its OPT record has; a reply of another shape as it is.

    `repeated_bytes` are those of the query's options that a reply may repeat, all or none of them.
    """
    for held in (0, repeated_bytes):
        at = len(reply) - held - _OPT.size
        if at < HEADER_BYTES:
            continue
        root, kind, payload_bytes, flags, length = _OPT.unpack_from(reply, at)
        if not root and kind == _OPT_TYPE and length == held:
            option = _OPTION.pack(_COOKIE, len(cookie)) + cookie
            opt = _OPT.pack(root, kind, payload_bytes, flags, length + len(option))
            return reply[:at] + opt + reply[at + _OPT.size :] + option
    return reply


def only_cookie(query: bytes, cookie: bytes) -> bytes:
    """The reply to a query without a question: an OPT record, and a cookie in it."""
    head = query[:2] + bytes((0x80 | query[2] & 0x79, 0)) + _COUNTS.pack(0, 0, 0, 1)
    return with_cookie(head + _OPT.pack(0, _OPT_TYPE, UDP_BYTES_MIN, 0, 0), cookie)


def truncated(reply: bytes) -> bytes:
    """A reply with nothing but its question and a bare OPT record, and TC set."""
    end = question_end(reply)
    if not end or not (reply[4] or reply[5]):
        return reply[:2] + bytes((reply[2] | TC,)) + reply[3:4] + bytes(8)
    opt = reply[-_OPT.size :]
    has_opt = len(reply) >= end + _OPT.size and opt[:3] == b"\x00\x00\x29" and not opt[-1] and not opt[-2]
    counts = _COUNTS.pack(1, 0, 0, int(has_opt))
    return reply[:2] + bytes((reply[2] | TC, reply[3])) + counts + reply[HEADER_BYTES:end] + (opt if has_opt else b"")

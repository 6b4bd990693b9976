"""DNS messages and records as values, and a fast path for servers. See README.md for the map."""

from __future__ import annotations

from lictor_dnswire.answer_template import (
    QUESTION_POINTER,
    AnswerTemplate,
    RecordGroup,
    answer_template,
    compressed_soa,
    encode_error,
    encode_reply,
    owned_template,
    record_bytes,
    record_group,
    srv_template,
)
from lictor_dnswire.codes import MESSAGE_BYTES_MAX, TTL_MAX, UDP_BYTES_MIN, Opcode, Rcode, RRClass, RRType
from lictor_dnswire.errors import DnsWireError, EncodeError, FormatError, NameTextError
from lictor_dnswire.framing import FrameReader, frame
from lictor_dnswire.header import Header, reply_flags
from lictor_dnswire.message import Message, QuestionEntry, Record, parse_message
from lictor_dnswire.name import LABEL_BYTES_MAX, NAME_BYTES_MAX, ROOT, Name
from lictor_dnswire.question import Question, parse_question
from lictor_dnswire.rdata import (
    AAAA,
    CLIENT_SUBNET,
    CNAME,
    NS,
    PTR,
    SOA,
    SRV,
    TXT,
    A,
    ClientSubnet,
    EdnsOption,
    Opaque,
    Opt,
    Rdata,
)

__all__ = [
    "AAAA",
    "CLIENT_SUBNET",
    "CNAME",
    "LABEL_BYTES_MAX",
    "MESSAGE_BYTES_MAX",
    "NAME_BYTES_MAX",
    "NS",
    "PTR",
    "QUESTION_POINTER",
    "ROOT",
    "SOA",
    "SRV",
    "TTL_MAX",
    "TXT",
    "UDP_BYTES_MIN",
    "A",
    "AnswerTemplate",
    "ClientSubnet",
    "DnsWireError",
    "EdnsOption",
    "EncodeError",
    "FormatError",
    "FrameReader",
    "Header",
    "Message",
    "Name",
    "NameTextError",
    "Opaque",
    "Opcode",
    "Opt",
    "Question",
    "QuestionEntry",
    "RRClass",
    "RRType",
    "Rcode",
    "Rdata",
    "Record",
    "RecordGroup",
    "answer_template",
    "compressed_soa",
    "encode_error",
    "encode_reply",
    "frame",
    "owned_template",
    "parse_message",
    "parse_question",
    "record_bytes",
    "record_group",
    "reply_flags",
    "srv_template",
]

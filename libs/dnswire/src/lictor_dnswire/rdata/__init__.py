"""The data of records, one module a type: a value with `rtype`, `read` from a reader and `write` to a writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from lictor_dnswire.codes import RRClass
from lictor_dnswire.rdata.a import A
from lictor_dnswire.rdata.aaaa import AAAA
from lictor_dnswire.rdata.cname import CNAME
from lictor_dnswire.rdata.ns import NS
from lictor_dnswire.rdata.opaque import Opaque
from lictor_dnswire.rdata.opt import CLIENT_SUBNET, ClientSubnet, EdnsOption, Opt
from lictor_dnswire.rdata.ptr import PTR
from lictor_dnswire.rdata.soa import SOA
from lictor_dnswire.rdata.srv import SRV
from lictor_dnswire.rdata.txt import TXT

if TYPE_CHECKING:
    from lictor_dnswire.reader import Reader

Rdata: TypeAlias = A | AAAA | CNAME | NS | PTR | SOA | SRV | TXT | Opaque
_Known: TypeAlias = type[A | AAAA | CNAME | NS | PTR | SOA | SRV | TXT]

_BY_TYPE: Final[dict[int, _Known]] = {cls.rtype: cls for cls in (A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT)}


def read_rdata(rtype: int, rclass: int, reader: Reader) -> Rdata:
    """The data of one record from a reader that ends where the record does.

    A type whose meaning is bound to the Internet class is opaque in any other (RFC 3597, section 2 and 5).

    Raises:
        FormatError: the data is malformed. The caller checks that nothing is left over.
    """
    known = _BY_TYPE.get(rtype)
    if known is None or (known.internet_only and rclass != RRClass.IN):
        return Opaque.read_as(rtype, reader)
    return known.read(reader)


__all__ = [
    "AAAA",
    "CLIENT_SUBNET",
    "CNAME",
    "NS",
    "PTR",
    "SOA",
    "SRV",
    "TXT",
    "A",
    "ClientSubnet",
    "EdnsOption",
    "Opaque",
    "Opt",
    "Rdata",
    "read_rdata",
]

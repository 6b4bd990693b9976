"""OPT: the pseudo-record of EDNS(0) (RFC 6891, section 6), and the client subnet option (RFC 7871, section 6).

An OPT uses the fields of a record for other things: the class is the sender's UDP payload size, the TTL holds the
upper bits of the response code, the version and the DO flag. It is therefore read and written as a whole record.
Options are kept as code and bytes; only the client subnet has a typed form. Cookies are not judged here.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from lictor_dnswire.codes import UDP_BYTES_MIN, RRType
from lictor_dnswire.errors import EncodeError, FormatError
from lictor_dnswire.reader import Reader
from lictor_dnswire.writer import Writer

CLIENT_SUBNET: Final = 8
"""Option code of the client subnet (RFC 7871, section 6)."""

_BARE: Final = struct.Struct(">BHHBBHH")
_DO: Final = 0x8000
_FLAGS_MASK: Final = 0xFFFF
_FAMILY_BITS: Final = {1: 32, 2: 128}


class EdnsOption(msgspec.Struct, frozen=True, gc=False):
    """One option: its code and its data."""

    code: int
    data: bytes


class Opt(msgspec.Struct, frozen=True, gc=False):
    """What one side says with EDNS.

    Attributes:
        payload_bytes: the largest UDP payload that the sender can take; below 512 it counts as 512.
        extended_rcode: the upper eight bits of the response code.
        version: 0; a server answers BADVERS to a higher one.
        dnssec_ok: DO.
        options: in the order on the wire.
    """

    payload_bytes: int = 1232
    extended_rcode: int = 0
    version: int = 0
    dnssec_ok: bool = False
    options: tuple[EdnsOption, ...] = ()

    def udp_bytes(self) -> int:
        """The largest UDP reply that the sender takes (RFC 6891, section 6.2.3)."""
        return max(UDP_BYTES_MIN, self.payload_bytes)

    def option(self, code: int) -> EdnsOption | None:
        """The first option with that code, or None."""
        for option in self.options:
            if option.code == code:
                return option
        return None

    @classmethod
    def from_fields(cls, rclass: int, ttl: int, reader: Reader) -> Opt:
        """From the class and TTL of the record and a reader over its data.

        Raises:
            FormatError: an option runs past the end of the data.
        """
        options = []
        while reader.remaining():
            code = reader.u16("OPT option code")
            options.append(EdnsOption(code, reader.take(reader.u16("OPT option length"), "OPT option")))
        return cls(
            payload_bytes=rclass,
            extended_rcode=ttl >> 24,
            version=ttl >> 16 & 0xFF,
            dnssec_ok=bool(ttl & _DO),
            options=tuple(options),
        )

    def write_record(self, writer: Writer) -> None:
        """Append the whole record, owned by the root; EncodeError if a number does not fit its field."""
        writer.raw(b"\0")
        writer.u16(RRType.OPT, "OPT type")
        writer.u16(self.payload_bytes, "OPT payload_bytes")
        writer.u8(self.extended_rcode, "OPT extended_rcode")
        writer.u8(self.version, "OPT version")
        writer.u16(_DO if self.dnssec_ok else 0, "OPT flags")
        mark = writer.begin_length()
        for option in self.options:
            writer.u16(option.code, "OPT option code")
            writer.u16(len(option.data), "OPT option length")
            writer.raw(option.data)
        writer.end_length(mark, "OPT data")

    def to_wire(self) -> bytes:
        """The whole record as bytes, for a reply that is put together from ready parts."""
        if not self.options:  # the usual reply: no writer needed
            try:
                do = _DO if self.dnssec_ok else 0
                return _BARE.pack(0, RRType.OPT, self.payload_bytes, self.extended_rcode, self.version, do, 0)
            except struct.error as error:
                raise EncodeError(f"OPT: a number does not fit its field: {self}") from error
        writer = Writer()
        self.write_record(writer)
        return bytes(writer.data)


class ClientSubnet(msgspec.Struct, frozen=True, gc=False):
    """The network that a recursor asks for: family (1 IPv4, 2 IPv6), prefix lengths in bits, the prefix's bytes."""

    family: int
    source_bits: int
    scope_bits: int
    address: bytes

    @classmethod
    def from_option(cls, option: EdnsOption) -> ClientSubnet:
        """Read the option.

        Raises:
            FormatError: unknown family, prefix longer than the family's addresses, a number of address bytes other
                than the prefix needs, bits set beyond the prefix (RFC 7871, section 6: all of these are FORMERR).
        """
        reader = Reader(option.data)
        family = reader.u16("client subnet family")
        source_bits = reader.u8("client subnet source prefix")
        scope_bits = reader.u8("client subnet scope prefix")
        bits_max = _FAMILY_BITS.get(family)
        if bits_max is None:
            raise FormatError(f"client subnet family: 1 or 2, not {family}", offset=0)
        if source_bits > bits_max or scope_bits > bits_max:
            raise FormatError(f"client subnet prefix: at most {bits_max} bits", offset=2)
        address = reader.take(-(-source_bits // 8), "client subnet address")
        if reader.remaining():
            raise FormatError("client subnet address: more bytes than the prefix needs", offset=reader.offset)
        if source_bits % 8 and address[-1] & (0xFF >> source_bits % 8):
            raise FormatError("client subnet address: bits beyond the prefix must be zero", offset=reader.offset - 1)
        return cls(family, source_bits, scope_bits, address)

    def packed(self) -> bytes:
        """The address in full length, zero beyond the prefix: 4 or 16 bytes."""
        return self.address.ljust(_FAMILY_BITS[self.family] // 8, b"\0")

    def to_option(self, *, scope_bits: int) -> EdnsOption:
        """The option for the reply: everything repeated, with the scope that the answer is valid for."""
        writer = Writer()
        writer.u16(self.family, "client subnet family")
        writer.u8(self.source_bits, "client subnet source prefix")
        writer.u8(scope_bits, "client subnet scope prefix")
        writer.raw(self.address)
        return EdnsOption(CLIENT_SUBNET, bytes(writer.data))

"""The MessagePack dialect of memberlist and Serf: the "old spec" of go-msgpack.

Text and bytes share one family on output (`fixraw`, `raw16`, `raw32`): there is no `str8` and no `bin`, because
go-msgpack 0.5.5 refuses them in places. On input `str8` is accepted everywhere and `bin` for byte fields. Non-negative
integers take the smallest unsigned form; signed forms of newer peers are accepted. `nil` stands for the zero value of
any type.

A reader allocates no more than the bytes it was given: counts and lengths are checked against what remains first.
It does not know extension types: memberlist and Serf send none.
"""

import struct

from lictor_swim.wire.errors import TruncatedError, WireError

_NIL = 0xC0
_FALSE = 0xC2
_TRUE = 0xC3
_UINT64_MAX = 0xFFFF_FFFF_FFFF_FFFF
_INT64_MIN = -(1 << 63)

_UNSIGNED = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_SIGNED = {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FLOATS = {0xCA: (">f", 4), 0xCB: (">d", 8)}
_TEXT_LENGTH_BYTES = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_BYTES_LENGTH_BYTES = {**_TEXT_LENGTH_BYTES, 0xC4: 1, 0xC5: 2, 0xC6: 4}


def put_nil(out: bytearray) -> None:
    """Append nil."""
    out.append(_NIL)


def put_bool(out: bytearray, value: bool) -> None:
    """Append a boolean."""
    out.append(_TRUE if value else _FALSE)


def put_int(out: bytearray, value: int) -> None:
    """Append an integer of at most 64 bits in its smallest form, unsigned when it is not negative."""
    assert _INT64_MIN <= value <= _UINT64_MAX, f"integer {value} does not fit 64 bits"
    if 0 <= value <= 0x7F:
        out.append(value)
    elif value > 0:
        for code, size in _UNSIGNED.items():
            if value < 1 << (8 * size):
                out.append(code)
                out += value.to_bytes(size, "big")
                return
    elif value >= -32:
        out.append(value & 0xFF)
    else:
        for code, size in _SIGNED.items():
            if value >= -(1 << (8 * size - 1)):
                out.append(code)
                out += value.to_bytes(size, "big", signed=True)
                return


def put_float(out: bytearray, value: float) -> None:
    """Append a double."""
    out.append(0xCB)
    out += struct.pack(">d", value)


def put_bytes(out: bytearray, value: bytes) -> None:
    """Append bytes in the raw family."""
    size = len(value)
    if size < 32:
        out.append(0xA0 | size)
    elif size < 1 << 16:
        out.append(0xDA)
        out += size.to_bytes(2, "big")
    else:
        out.append(0xDB)
        out += size.to_bytes(4, "big")
    out += value


def put_text(out: bytearray, value: str) -> None:
    """Append text as UTF-8; bytes that were not UTF-8 when they came in go out as they were (surrogateescape)."""
    put_bytes(out, value.encode("utf-8", "surrogateescape"))


def put_array_length(out: bytearray, length: int) -> None:
    """Append an array's header; the elements follow."""
    _put_length(out, length, 0x90, 0xDC)


def put_map_length(out: bytearray, length: int) -> None:
    """Append a map's header; keys and values follow in turn."""
    _put_length(out, length, 0x80, 0xDE)


def _put_length(out: bytearray, length: int, small: int, sixteen: int) -> None:
    if length < 16:
        out.append(small | length)
    elif length < 1 << 16:
        out.append(sixteen)
        out += length.to_bytes(2, "big")
    else:
        out.append(sixteen + 1)
        out += length.to_bytes(4, "big")


class Reader:
    """A cursor over bytes that reads one value after another.

    Every method raises `TruncatedError` when the bytes end too early and `WireError` when the value has another type.
    """

    __slots__ = ("data", "position")

    def __init__(self, data: bytes | bytearray, position: int = 0) -> None:
        self.data = data
        self.position = position

    @property
    def remaining(self) -> int:
        """How many bytes have not been read yet."""
        return len(self.data) - self.position

    def take(self, size: int) -> bytes:
        """Read exactly `size` raw bytes."""
        end = self.position + size
        if end > len(self.data):
            raise TruncatedError(f"value ends at byte {end} but only {len(self.data)} bytes are there")
        piece = bytes(self.data[self.position : end])
        self.position = end
        return piece

    def _code(self) -> int:
        if self.position >= len(self.data):
            raise TruncatedError(f"value starts at byte {self.position} but nothing is there")
        code = self.data[self.position]
        self.position += 1
        return code

    def _big_endian(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "big", signed=signed)

    def integer(self) -> int:
        """Read an integer of any form; nil is 0."""
        code = self._code()
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 0x100
        if code in _UNSIGNED:
            return self._big_endian(_UNSIGNED[code])
        if code in _SIGNED:
            return self._big_endian(_SIGNED[code], signed=True)
        if code == _NIL:
            return 0
        raise WireError(f"expected an integer, found type byte {code:#04x}")

    def unsigned(self, bits: int) -> int:
        """Read a non-negative integer below 2**bits; nil is 0."""
        value = self.integer()
        if not 0 <= value < 1 << bits:
            raise WireError(f"integer {value} is not an unsigned {bits}-bit number")
        return value

    def signed(self) -> int:
        """Read a signed 64-bit integer; nil is 0."""
        value = self.integer()
        if value >= 1 << 63:
            raise WireError(f"integer {value} is not a signed 64-bit number")
        return value

    def boolean(self) -> bool:
        """Read a boolean; 0 and 1 are accepted, nil is false."""
        code = self._code()
        if code in (_FALSE, _NIL, 0):
            return False
        if code in (_TRUE, 1):
            return True
        raise WireError(f"expected a boolean, found type byte {code:#04x}")

    def double(self) -> float:
        """Read a floating point number; integers are accepted, nil is 0."""
        code = self._code()
        if code in _FLOATS:
            layout, size = _FLOATS[code]
            number: float = struct.unpack(layout, self.take(size))[0]
            return number
        self.position -= 1
        return float(self.integer())

    def optional_bytes(self) -> bytes | None:
        """Read bytes: raw family, `str8` or `bin`; nil is None."""
        code = self._code()
        if code == _NIL:
            return None
        return self._sized(code, _BYTES_LENGTH_BYTES)

    def bytes_(self) -> bytes:
        """Read bytes; nil is empty."""
        return self.optional_bytes() or b""

    def text(self) -> str:
        """Read text: raw family or `str8`, never `bin`; nil is empty. Invalid UTF-8 is kept by surrogateescape."""
        code = self._code()
        if code == _NIL:
            return ""
        return self._sized(code, _TEXT_LENGTH_BYTES).decode("utf-8", "surrogateescape")

    def _sized(self, code: int, length_bytes: dict[int, int]) -> bytes:
        if 0xA0 <= code <= 0xBF:
            return self.take(code & 0x1F)
        if code in length_bytes:
            return self.take(self._big_endian(length_bytes[code]))
        raise WireError(f"expected text or bytes, found type byte {code:#04x}")

    def array_length(self) -> int | None:
        """Read an array's header; nil is None. The count never exceeds the bytes that remain."""
        return self._length(0x90, 0xDC, 1, "an array")

    def at_array(self) -> bool:
        """Whether the next value is an array."""
        if self.position >= len(self.data):
            return False
        code = self.data[self.position]
        return 0x90 <= code <= 0x9F or code in (0xDC, 0xDD)

    def map_length(self) -> int | None:
        """Read a map's header; nil is None. Twice the count never exceeds the bytes that remain."""
        return self._length(0x80, 0xDE, 2, "a map")

    def _length(self, small: int, sixteen: int, values: int, what: str) -> int | None:
        code = self._code()
        if code == _NIL:
            return None
        if small <= code < small + 16:
            length = code & 0x0F
        elif code in (sixteen, sixteen + 1):
            length = self._big_endian(2 if code == sixteen else 4)
        else:
            raise WireError(f"expected {what}, found type byte {code:#04x}")
        if length * values > self.remaining:
            raise TruncatedError(
                f"{what} of {length} entries needs more than the {self.remaining} bytes that are there"
            )
        return length

    def step(self) -> int:
        """Pass over one scalar, or over the header of an array or map; how many values follow inside it.

        A caller who counts what is still to come passes over any value without recursion, and can stop and go on when
        the bytes of a stream arrive piecemeal.
        """
        code = self._code()
        if code < 0x80 or code >= 0xE0 or code in (_NIL, _FALSE, _TRUE):
            return 0
        if code in _FLOATS:
            self.take(_FLOATS[code][1])
        elif code in _UNSIGNED or code in _SIGNED:
            self.take(_UNSIGNED.get(code) or _SIGNED[code])
        elif 0xA0 <= code <= 0xBF or code in _BYTES_LENGTH_BYTES:
            self._sized(code, _BYTES_LENGTH_BYTES)
        else:
            self.position -= 1
            return self._nested_values(code)
        return 0

    def skip(self) -> None:
        """Pass over one value of any type and depth."""
        values = 1
        while values:
            values += self.step() - 1

    def _nested_values(self, code: int) -> int:
        if code <= 0x8F or code in (0xDE, 0xDF):
            return 2 * (self.map_length() or 0)
        if code <= 0x9F or code in (0xDC, 0xDD):
            return self.array_length() or 0
        raise WireError(f"unknown type byte {code:#04x}")

"""Lempel-Ziv-Welch as memberlist uses it: GIF-style codes, least significant bit first, eight-bit literals.

Codes 0 to 255 are literals, 256 clears the dictionary, 257 ends the data, entries start at 258. Codes start nine bits
wide and grow to twelve. The encoder follows Go's: it opens with a clear code and clears again when the code space is
used up, so its output is the same, byte for byte. Decoding is bounded by the caller's limit: a few bytes may stand for
megabytes.
"""

from lictor_swim.wire.errors import WireError

_CLEAR = 256
_END = 257
_FIRST_WIDTH = 9
_WIDTH_MAX = 12
_CODE_MAX = (1 << _WIDTH_MAX) - 1
_LITERALS = tuple(bytes((literal,)) for literal in range(256))


def decompress(data: bytes, limit: int) -> bytes:
    """Undo `compress`.

    Args:
        data: the compressed bytes.
        limit: the largest output accepted, in bytes.

    Raises:
        WireError: an impossible code, no end code, or more output than `limit`.
    """
    out = bytearray()
    table: list[bytes] = [*_LITERALS, b"", b""]
    last = b""
    top = _END
    width = _FIRST_WIDTH
    bits = bit_count = position = 0
    size = len(data)
    while True:
        while bit_count < width:
            if position == size:
                raise WireError("LZW data ends without an end code")
            bits |= data[position] << bit_count
            position += 1
            bit_count += 8
        code = bits & ((1 << width) - 1)
        bits >>= width
        bit_count -= width
        if code == _CLEAR:
            del table[_END + 1 :]
            last, top, width = b"", _END, _FIRST_WIDTH
            continue
        if code == _END:
            return bytes(out)
        if code < len(table):
            entry = table[code]
        elif code == top and last:
            entry = last + last[:1]
        else:
            raise WireError(f"LZW code {code} is not in the dictionary")
        if len(out) + len(entry) > limit:
            raise WireError(f"decompressed data is larger than {limit} bytes")
        out += entry
        if last:
            table.append(last + entry[:1])
        last = entry
        top += 1
        if top == 1 << width:
            if width == _WIDTH_MAX:
                # The dictionary is full: codes stay valid, none is added until the next clear.
                last = b""
                top -= 1
            else:
                width += 1


class _BitWriter:
    """Packs codes into bytes, least significant bit first."""

    __slots__ = ("_bit_count", "_bits", "out")

    def __init__(self) -> None:
        self.out = bytearray()
        self._bits = 0
        self._bit_count = 0

    def put(self, code: int, width: int) -> None:
        self._bits |= code << self._bit_count
        self._bit_count += width
        while self._bit_count >= 8:
            self.out.append(self._bits & 0xFF)
            self._bits >>= 8
            self._bit_count -= 8

    def finish(self) -> bytes:
        if self._bit_count:
            self.out.append(self._bits & 0xFF)
        return bytes(self.out)


def compress(data: bytes) -> bytes:
    """Compress; the result may be longer than the input when there is nothing to gain."""
    writer = _BitWriter()
    table: dict[int, int] = {}
    top = _END
    width = _FIRST_WIDTH
    writer.put(_CLEAR, width)
    code = -1
    for byte in data:
        if code < 0:
            code = byte
            continue
        key = code << 8 | byte
        found = table.get(key)
        if found is not None:
            code = found
            continue
        writer.put(code, width)
        code = byte
        top += 1
        if top == 1 << width:
            width += 1
        if top == _CODE_MAX:
            writer.put(_CLEAR, width)
            table.clear()
            top, width = _END, _FIRST_WIDTH
        else:
            table[key] = top
    if code >= 0:
        writer.put(code, width)
        top += 1
        if top == 1 << width:
            width += 1
        if top == _CODE_MAX:
            writer.put(_CLEAR, width)
            width = _FIRST_WIDTH
    writer.put(_END, width)
    return writer.finish()

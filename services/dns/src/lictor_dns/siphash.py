"""SipHash-2-4 (Aumasson and Bernstein, 2012), the keyed hash of DNS server cookies (RFC 9018, section 4.4). Pure.

About 15 µs for a cookie: who calls this for strangers bounds how often.
"""

import struct

KEY_BYTES = 16
_MASK = (1 << 64) - 1
_WORD = struct.Struct("<Q")
_KEY = struct.Struct("<QQ")
_FINAL_ROUNDS = 4


def siphash24(key: bytes, data: bytes) -> bytes:
    """The 8 bytes of the hash under a key of 16 bytes."""
    k0, k1 = _KEY.unpack(key)
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    whole = len(data) & ~7
    words = [word for (word,) in _WORD.iter_unpack(data[:whole])]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v3 ^= word
        v0, v1, v2, v3 = _round(*_round(v0, v1, v2, v3))
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(_FINAL_ROUNDS):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return _WORD.pack(v0 ^ v1 ^ v2 ^ v3)


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    mask = _MASK
    v0 = v0 + v1 & mask
    v1 = (v1 << 13 & mask | v1 >> 51) ^ v0
    v0 = v0 << 32 & mask | v0 >> 32
    v2 = v2 + v3 & mask
    v3 = (v3 << 16 & mask | v3 >> 48) ^ v2
    v0 = v0 + v3 & mask
    v3 = (v3 << 21 & mask | v3 >> 43) ^ v0
    v2 = v2 + v1 & mask
    v1 = (v1 << 17 & mask | v1 >> 47) ^ v2
    return v0, v1, v2 << 32 & mask | v2 >> 32, v3

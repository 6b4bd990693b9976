"""Tags: a member's key-value pairs, carried as memberlist metadata.

The metadata is the byte ff and a map of text to text. Metadata without that byte is the older form: the whole of it is
the value of the tag `role`.
"""

from lictor_swim.wire.errors import WireError
from lictor_swim.wire.messages import META_BYTES_MAX
from lictor_swim.wire.msgpack import Reader
from lictor_swim.wire.schema import TEXT, map_of

_MAGIC = 0xFF
_TAGS = map_of(TEXT)


def encode_tags(tags: dict[str, str]) -> bytes:
    """The metadata for these tags, keys in order.

    Raises:
        ValueError: the encoded tags exceed 512 bytes.
    """
    out = bytearray((_MAGIC,))
    _TAGS.put(out, tags)
    if len(out) > META_BYTES_MAX:
        raise ValueError(f"encoded tags take {len(out)} bytes, more than {META_BYTES_MAX}")
    return bytes(out)


def decode_tags(meta: bytes) -> dict[str, str]:
    """The tags in a member's metadata. A map that cannot be read gives what an older peer would see: no tags."""
    if not meta:
        return {}
    if meta[0] != _MAGIC:
        return {"role": meta.decode("utf-8", "surrogateescape")}
    try:
        tags: dict[str, str] = _TAGS.read(Reader(meta, 1))
    except WireError:
        return {}
    return tags

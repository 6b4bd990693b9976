"""Structs on the wire: a map of Go field names, sorted bytewise, to values.

A `StructCodec` ties a Python struct to its wire fields. Unknown keys are skipped and missing keys leave the struct's
defaults, as go-msgpack does, so old and new peers understand each other. go-msgpack also reads a struct that comes as
an array of its fields in the order of their declaration; so do we, and neither of us sends one.
"""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from lictor_swim.wire import msgpack
from lictor_swim.wire.errors import WireError
from lictor_swim.wire.msgpack import Reader

StructT = TypeVar("StructT")


class Kind(NamedTuple):
    """How one type of value is written and read."""

    put: Callable[[bytearray, Any], None]
    read: Callable[[Reader], Any]


class Field(NamedTuple):
    """One field: its name on the wire, the struct's attribute, its kind, and whether an empty value is left out."""

    key: str
    attribute: str
    kind: Kind
    omit_empty: bool = False


def _put_optional_bytes(out: bytearray, value: bytes | None) -> None:
    if value is None:
        msgpack.put_nil(out)
    else:
        msgpack.put_bytes(out, value)


def _unsigned(bits: int) -> Kind:
    def put(out: bytearray, value: int) -> None:
        assert 0 <= value < 1 << bits, f"{value} is not an unsigned {bits}-bit number"
        msgpack.put_int(out, value)

    return Kind(put, lambda reader: reader.unsigned(bits))


U8 = _unsigned(8)
U16 = _unsigned(16)
U32 = _unsigned(32)
U64 = _unsigned(64)
INT = Kind(msgpack.put_int, Reader.signed)
BOOL = Kind(msgpack.put_bool, Reader.boolean)
FLOAT = Kind(msgpack.put_float, Reader.double)
TEXT = Kind(msgpack.put_text, Reader.text)
BYTES = Kind(msgpack.put_bytes, Reader.bytes_)
OPTIONAL_BYTES = Kind(_put_optional_bytes, Reader.optional_bytes)


def list_of(kind: Kind, *, optional: bool = False) -> Kind:
    """A tuple of values. With `optional`, nil on the wire is None; without, it is the empty tuple."""

    def put(out: bytearray, values: tuple[Any, ...] | None) -> None:
        if values is None:
            msgpack.put_nil(out)
            return
        msgpack.put_array_length(out, len(values))
        for value in values:
            kind.put(out, value)

    def read(reader: Reader) -> tuple[Any, ...] | None:
        length = reader.array_length()
        if length is None:
            return None if optional else ()
        return tuple([kind.read(reader) for _ in range(length)])

    return Kind(put, read)


def map_of(kind: Kind) -> Kind:
    """A dict from text to values, written in the order of its keys; nil is empty."""

    def put(out: bytearray, values: dict[str, Any]) -> None:
        msgpack.put_map_length(out, len(values))
        for key in sorted(values):
            msgpack.put_text(out, key)
            kind.put(out, values[key])

    def read(reader: Reader) -> dict[str, Any]:
        return {reader.text(): kind.read(reader) for _ in range(reader.map_length() or 0)}

    return Kind(put, read)


class StructCodec(Generic[StructT]):
    """Writes and reads one struct type.

    Args:
        type_: the struct; every field has a default, which is what a missing key leaves.
        fields: its wire fields, in the order in which Go declares them.
    """

    def __init__(self, type_: type[StructT], *fields: Field) -> None:
        self._type = type_
        self._fields = tuple(sorted(fields, key=lambda field: field.key.encode()))
        self._declared = fields
        self._by_key = {field.key: field for field in fields}

    def put(self, out: bytearray, value: StructT) -> None:
        """Append the struct."""
        present = [
            (field, attribute)
            for field in self._fields
            if (attribute := getattr(value, field.attribute)) or not field.omit_empty
        ]
        msgpack.put_map_length(out, len(present))
        for field, attribute in present:
            msgpack.put_text(out, field.key)
            field.kind.put(out, attribute)

    def read(self, reader: Reader) -> StructT:
        """Read the struct; nil gives all defaults.

        Raises:
            WireError: neither map nor array, or a field of the wrong type or range; the text names the field.
        """
        values: dict[str, Any] = {}
        if reader.at_array():
            self._read_array(reader, values)
            return self._type(**values)
        for _ in range(reader.map_length() or 0):
            key = reader.text()
            field = self._by_key.get(key)
            if field is None:
                reader.skip()
                continue
            self._read_field(field, reader, values)
        return self._type(**values)

    def _read_array(self, reader: Reader, values: dict[str, Any]) -> None:
        """Fields by position: those that are missing at the end keep their defaults, further ones are skipped."""
        length = reader.array_length() or 0
        for field in self._declared[:length]:
            self._read_field(field, reader, values)
        for _ in range(length - len(self._declared)):
            reader.skip()

    def _read_field(self, field: Field, reader: Reader, values: dict[str, Any]) -> None:
        try:
            values[field.attribute] = field.kind.read(reader)
        except WireError as error:
            raise type(error)(f"{self._type.__name__}.{field.key}: {error}") from None

    def encode(self, value: StructT) -> bytes:
        """The struct's bytes."""
        out = bytearray()
        self.put(out, value)
        return bytes(out)

    def decode(self, data: bytes) -> StructT:
        """The struct at the start of `data`; trailing bytes are ignored, as peers ignore them."""
        return self.read(Reader(data))

    def kind(self) -> Kind:
        """This struct as a field of another."""
        return Kind(self.put, self.read)

    def optional_kind(self) -> Kind:
        """This struct, or nil for None, as a field or element of another."""

        def put(out: bytearray, value: StructT | None) -> None:
            if value is None:
                msgpack.put_nil(out)
            else:
                self.put(out, value)

        def read(reader: Reader) -> StructT | None:
            if reader.remaining and reader.data[reader.position] == 0xC0:
                reader.position += 1
                return None
            return self.read(reader)

        return Kind(put, read)

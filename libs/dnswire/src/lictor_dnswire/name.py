r"""Domain names as values (RFC 1035, section 2.3.4, 3.1 and 5.1; RFC 4343 on case).

A name is its labels, as bytes and as spelt; the root has none. Names compare without regard to ASCII case and keep
their spelling, so that an answer can repeat the question's. Text form uses the escapes of master files (`\.` and
`\DDD`). Internationalised names are the caller's business: here a label is bytes.
"""

from __future__ import annotations

from typing import Final

import msgspec

from lictor_dnswire.errors import EncodeError, NameTextError

LABEL_BYTES_MAX: Final = 63
NAME_BYTES_MAX: Final = 255
"""Of the wire form: all length bytes, all labels and the closing zero (RFC 1035, section 2.3.4)."""

_DOT: Final = 0x2E
_BACKSLASH: Final = 0x5C
_PLAIN: Final = frozenset(range(0x21, 0x7F)) - frozenset(b'."();@$\\')
_DECIMAL_DIGITS: Final = 3
_BYTE_MAX: Final = 255


class Name(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A fully qualified domain name: its labels from left to right, without the empty label of the root."""

    labels: tuple[bytes, ...] = ()

    @classmethod
    def from_text(cls, text: str) -> Name:
        """The name that `text` writes; a closing dot makes no difference, and "" and "." are the root.

        Raises:
            NameTextError: an empty or overlong label, an overlong name, a character outside ASCII, a broken escape.
        """
        try:
            source = text.encode("ascii")
        except UnicodeEncodeError as error:
            raise NameTextError(f"name {text!r}: only ASCII; write other bytes as \\DDD") from error
        if source in (b"", b"."):
            return ROOT
        labels = _split(source, text)
        if labels[-1] == b"":
            labels.pop()
        for label in labels:
            if not label:
                raise NameTextError(f"name {text!r}: a label must not be empty")
            if len(label) > LABEL_BYTES_MAX:
                raise NameTextError(f"name {text!r}: a label has at most {LABEL_BYTES_MAX} bytes")
        name = cls(tuple(labels))
        if name.wire_bytes() > NAME_BYTES_MAX:
            raise NameTextError(f"name {text!r}: a name has at most {NAME_BYTES_MAX} bytes")
        return name

    @classmethod
    def from_wire(cls, wire: bytes) -> Name:
        """The name of an uncompressed wire form that is known to be right."""
        labels = []
        at = 0
        while size := wire[at]:
            labels.append(wire[at + 1 : at + 1 + size])
            at += size + 1
        return cls(tuple(labels))

    def to_text(self) -> str:
        """The text form with a closing dot; `from_text` reads it back to an equal name of the same spelling."""
        if not self.labels:
            return "."
        return "".join(_label_text(label) + "." for label in self.labels)

    def wire_bytes(self) -> int:
        """The length of the uncompressed wire form."""
        return sum(map(len, self.labels)) + len(self.labels) + 1

    def to_wire(self) -> bytes:
        """The uncompressed wire form.

        Raises:
            EncodeError: a label or the name breaks a limit (possible only for a name not made by `from_text`).
        """
        check_labels(self.labels)
        return b"".join([bytes((len(label),)) + label for label in self.labels]) + b"\0"

    def lower(self) -> Name:
        """The same name in lower case (ASCII letters only, as RFC 4343 says)."""
        return Name(tuple(label.lower() for label in self.labels))

    def is_subdomain_of(self, other: Name) -> bool:
        """Whether this name is `other` or lies below it."""
        count = len(other.labels)
        return count <= len(self.labels) and Name(self.labels[len(self.labels) - count :]) == other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Name):
            return NotImplemented
        return self.labels == other.labels or self.lower().labels == other.lower().labels

    def __hash__(self) -> int:
        return hash(self.lower().labels)

    def __str__(self) -> str:
        return self.to_text()


ROOT: Final = Name(())


def check_labels(labels: tuple[bytes, ...]) -> None:
    """Raise `EncodeError` unless the labels make a name that fits the wire."""
    length = 1
    for label in labels:
        if not 0 < len(label) <= LABEL_BYTES_MAX:
            raise EncodeError(f"name: a label has 1 to {LABEL_BYTES_MAX} bytes, not {len(label)}")
        length += len(label) + 1
    if length > NAME_BYTES_MAX:
        raise EncodeError(f"name: has {length} bytes, at most {NAME_BYTES_MAX} are allowed")


def _split(source: bytes, text: str) -> list[bytes]:
    if _BACKSLASH not in source:  # nearly every name: no escape, so a split is all
        return source.split(b".")
    labels: list[bytes] = []
    label = bytearray()
    at = 0
    while at < len(source):
        byte = source[at]
        at += 1
        if byte == _DOT:
            labels.append(bytes(label))
            label.clear()
        elif byte != _BACKSLASH:
            label.append(byte)
        else:
            escape = source[at : at + _DECIMAL_DIGITS]
            if not escape:
                raise NameTextError(f"name {text!r}: ends in the middle of an escape")
            if not escape[:1].isdigit():
                label.append(escape[0])
                at += 1
                continue
            if len(escape) < _DECIMAL_DIGITS or not escape.isdigit() or int(escape) > _BYTE_MAX:
                raise NameTextError(f"name {text!r}: \\DDD takes three digits, at most {_BYTE_MAX}")
            label.append(int(escape))
            at += _DECIMAL_DIGITS
    labels.append(bytes(label))
    return labels


def _label_text(label: bytes) -> str:
    out = []
    for byte in label:
        if byte in _PLAIN:
            out.append(chr(byte))
        elif 0x21 <= byte < 0x7F:
            out.append("\\" + chr(byte))
        else:
            out.append(f"\\{byte:03d}")
    return "".join(out)

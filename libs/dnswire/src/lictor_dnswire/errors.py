"""What can go wrong with a DNS message, by blame.

    DnsWireError
    ├── FormatError    what a peer sent breaks a rule of the format   (remote; answer `rcode` if `header` is known)
    ├── NameTextError  a name in text form is not a domain name       (local)
    └── EncodeError    a value of ours has no wire form               (local)

This module does not decide whether an answer is sent: it carries what such an answer needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lictor_dnswire.codes import Rcode

if TYPE_CHECKING:
    from lictor_dnswire.header import Header


class DnsWireError(ValueError):
    """The root of this library's errors."""


class FormatError(DnsWireError):
    """A message from outside breaks a rule of RFC 1035, 2181 or 6891.

    Attributes:
        rule: the rule that was broken, as a sentence for logs.
        offset: the byte at which it was noticed.
        header: the header of the message, when all 12 bytes were there and the message asks for an answer; None means
            that no answer may be sent (too short to have an id, or itself a response: answering could start a loop).
        rcode: the response code that suits, FORMERR or NOTIMP.
    """

    def __init__(self, rule: str, *, offset: int, header: Header | None = None, rcode: int = Rcode.FORMERR) -> None:
        super().__init__(f"{rule} (at byte {offset})")
        self.rule = rule
        self.offset = offset
        self.header = header
        self.rcode = rcode

    @property
    def message_id(self) -> int | None:
        """The id of the refused message, or None when it may not be answered."""
        return None if self.header is None else self.header.message_id


class NameTextError(DnsWireError):
    """A domain name in text form breaks a rule of RFC 1035, section 2.3.4 or 5.1."""


class EncodeError(DnsWireError):
    """A value of ours cannot be put on the wire: the message names the field and the rule."""

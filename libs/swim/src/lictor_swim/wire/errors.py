"""The one error family of the wire formats.

Every decoder in this package raises `WireError` or a subclass of it for whatever a remote peer may send, and nothing
else. Values that this library itself encodes are asserted instead: a wrong one is our defect, not the peer's.
"""


class WireError(ValueError):
    """The bytes do not form a valid message; the text names the field and the rule that was broken."""


class TruncatedError(WireError):
    """The bytes end before the value does. On a stream this means: read more."""


class EnvelopeError(WireError):
    """A stream's outer layer (encryption, label, compression) could not be undone.

    memberlist answers exactly these with an error message; its text is the one given here.
    """

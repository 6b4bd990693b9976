"""Texts in quotation marks as Go's `%q` writes them: Consul's error texts quote keys and names this way."""

_SHORT = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}
_PLAIN_ABOVE = 0x20


def quoted(text: str) -> str:
    """The text in double quotes; what cannot be printed is escaped."""
    return f'"{"".join(map(_shown, text))}"'


def _shown(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < _PLAIN_ABOVE or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"

"""Texts that come from the pool, made fit for logs, terminals and the bus.

Peers check neither their UTF-8 nor what it says: a name may hold bytes that are no text, escapes for a terminal, or
pages. What is shown of it is printable, short and can be encoded.
"""

LENGTH_MAX = 200


def shown(text: str, length_max: int = LENGTH_MAX) -> str:
    """The text with everything unprintable replaced, cut to a length."""
    cut = text if len(text) <= length_max else text[: length_max - 1] + "…"
    return cut if cut.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in cut)


def is_text(text: str) -> bool:
    """Whether a text can be encoded: what was no UTF-8 on the wire cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

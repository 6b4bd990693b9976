"""What is wrong with a filter, and where."""


class FilterError(ValueError):
    """A filter that cannot be used; its text names the place as line:column (offset), counted in characters."""


def place(text: str, offset: int) -> str:
    """The place of a character: line and column from 1, offset from 0."""
    line_start = text.rfind("\n", 0, offset) + 1
    return f"{text.count(chr(10), 0, offset) + 1}:{offset - line_start + 1} ({offset})"


def syntax_error(text: str, offset: int, reason: str) -> FilterError:
    """An error of grammar, led by its place as Consul's are."""
    return FilterError(f"{place(text, offset)}: {reason}")


def meaning_error(text: str, offset: int, reason: str) -> FilterError:
    """A well-formed filter that does not fit what it filters; the place comes last, for clients look for the words."""
    return FilterError(f"{reason}, at {place(text, offset)}")


def quoted(text: str) -> str:
    """A text between quotes, as Go's messages show it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

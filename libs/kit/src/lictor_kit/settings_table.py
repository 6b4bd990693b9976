"""The table that `--help` prints: every variable with its default, its unit and the reason for the default.

Texts come from the fields' descriptions ("unit; what it does; why"), so that a setting without a reason shows.
"""

import textwrap

from pydantic import BaseModel
from pydantic.fields import FieldInfo

# The width of an ordinary terminal; wider ones show the same text with room to spare.
COLUMNS = 100
# Default values longer than this move the text to a column too narrow to read.
DEFAULT_WIDTH_MAX = 24


def settings_table(settings_class: type[BaseModel], prefix: str) -> str:
    """Render the settings of a class, one variable per row, in the order of their definition."""
    fields = settings_class.model_fields
    names = {field: prefix + field.upper() for field in fields}
    defaults = {field: _default(info) for field, info in fields.items()}
    name_width = max(map(len, names.values()))
    default_width = min(DEFAULT_WIDTH_MAX, max(map(len, defaults.values())))
    text_width = max(30, COLUMNS - name_width - default_width - 4)
    head = f"{'VARIABLE':<{name_width}}  {'DEFAULT':<{default_width}}  UNIT; MEANING; REASON"
    lines = ["Settings are environment variables; an empty one counts as not given.", "", head]
    for field, info in fields.items():
        text = textwrap.wrap(info.description or "", text_width) or [""]
        lines.append(f"{names[field]:<{name_width}}  {defaults[field]:<{default_width}}  {text[0]}".rstrip())
        lines += [" " * (name_width + default_width + 4) + rest for rest in text[1:]]
    return "\n".join(lines)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "(required)"
    if info.default_factory is not None:
        return "(this host)"
    value = info.default
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) or '""'

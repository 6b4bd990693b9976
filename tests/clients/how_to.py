"""The configurations that a how-to shows, for tests that run them: what readers copy is what is tested."""

import re

from tests.running_suite import ROOT

_SECTION = re.compile(r"^## (.+?)$\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def block(page, section):
    """The one code block in a section of a page of docs/howto."""
    sections = dict(_SECTION.findall((ROOT / "docs" / "howto" / page).read_text()))
    (found,) = _BLOCK.findall(sections[section])
    return found

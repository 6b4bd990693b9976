"""For every test: what a pytest plugin imports at the very end is imported at the beginning.

Python before 3.11.5 refuses to parse a module if the collector runs something meanwhile that parses another one: at the
end of a run there is garbage that does, and pytest parses what plugins import. Then all tests had passed, and the run
failed (CPython, gh-106905).
"""

import hypothesis.internal.observability  # noqa: F401

"""Filter expressions (`?filter=`): the language of go-bexpr 0.1.2, as Consul's HTTP API takes it.

`compile_filter(text, kind)` gives a function of one object, which cannot fail; whatever is wrong with a filter is
raised as `FilterError` without looking at any object. `kinds` has the tables of what can be selected; `fields` makes
further ones.
"""

from lictor_state.filter.compiling import compile_filter
from lictor_state.filter.errors import FilterError
from lictor_state.filter.fields import FilterKind

__all__ = ["FilterError", "FilterKind", "compile_filter"]

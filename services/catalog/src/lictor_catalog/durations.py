"""Go durations in and out, as Consul's API speaks them; `lictor_state.durations` has them, for `dns` reads them too."""

from lictor_state.durations import (
    HOUR,
    MICROSECOND,
    MILLISECOND,
    MINUTE,
    NANOSECOND,
    SECOND,
    DurationError,
    parse,
    render,
    render_given,
)

__all__ = [
    "HOUR",
    "MICROSECOND",
    "MILLISECOND",
    "MINUTE",
    "NANOSECOND",
    "SECOND",
    "DurationError",
    "parse",
    "render",
    "render_given",
]

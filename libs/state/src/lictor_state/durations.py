"""Go durations in and out, as Consul's API speaks them.

In: a sequence of decimal numbers with units (`1m30s`, `0.5s`, `15000ms`), as Go's `time.ParseDuration` takes it; in
JSON a bare number means nanoseconds. Out: Go's `Duration.String` (`1m0s`, `1.5s`, `0s`). Values are integer
nanoseconds of 64 bits; what does not fit is refused. Nothing here judges whether a duration makes sense.
"""

import re

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

_UNITS = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "µs": MICROSECOND,  # U+00B5, the micro sign
    "μs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}
_PART = re.compile(r"(\d*)(?:\.(\d*))?([a-zµμ]+)")
_LARGEST = (1 << 63) - 1


class DurationError(ValueError):
    """The text is no Go duration; the message is Go's."""


def parse(text: str) -> int:
    """Nanoseconds of a Go duration string; raises `DurationError` with Go's wording."""
    rest = text
    negative = rest.startswith("-")
    if rest[:1] in {"-", "+"}:
        rest = rest[1:]
    if rest == "0":
        return 0
    if not rest:
        raise DurationError(f'time: invalid duration "{text}"')
    total = 0
    at = 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None or not (match[1] or match[2]):
            missing = rest[at:].strip("0123456789.") == ""
            fault = "missing unit in duration" if missing and rest[at:].strip(".") else "invalid duration"
            raise DurationError(f'time: {fault} "{text}"')
        unit = _UNITS.get(match[3])
        if unit is None:
            raise DurationError(f'time: unknown unit "{match[3]}" in duration "{text}"')
        whole, fraction = match[1] or "0", match[2] or ""
        total += int(whole) * unit
        if fraction:
            total += int(fraction) * unit // 10 ** len(fraction)
        at = match.end()
    if total > _LARGEST:
        raise DurationError(f'time: invalid duration "{text}"')
    return -total if negative else total


def render(nanoseconds: int) -> str:
    """The duration as Go prints it."""
    if nanoseconds == 0:
        return "0s"
    sign = "-" if nanoseconds < 0 else ""
    value = abs(nanoseconds)
    if value < SECOND:
        for unit, name in ((MILLISECOND, "ms"), (MICROSECOND, "µs")):
            if value >= unit:
                return f"{sign}{_decimal(value, unit)}{name}"
        return f"{sign}{value}ns"
    hours, value = divmod(value, HOUR)
    minutes, value = divmod(value, MINUTE)
    seconds = f"{_decimal(value, SECOND)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    if minutes:
        return f"{sign}{minutes}m{seconds}"
    return f"{sign}{seconds}"


def render_given(nanoseconds: int) -> str:
    """The duration as Go prints it, or nothing when it was not given (zero)."""
    return render(nanoseconds) if nanoseconds else ""


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    if not rest:
        return str(whole)
    digits = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0")
    return f"{whole}.{digits}"

"""Times at the edge of X.509: Unix seconds, aware datetimes and RFC 3339 text, all UTC with whole seconds."""

import datetime as dt

_FORM = "%Y-%m-%dT%H:%M:%SZ"


def at(seconds: float) -> dt.datetime:
    """Unix time as an aware datetime, cut to whole seconds as X.509 keeps them."""
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC)


def rfc3339(moment: dt.datetime) -> str:
    """An aware UTC datetime as RFC 3339."""
    return moment.strftime(_FORM)


def from_rfc3339(text: str) -> float:
    """RFC 3339 text as Unix seconds; raises ValueError when it is not that."""
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} names no offset; RFC 3339 wants one")
    return moment.timestamp()

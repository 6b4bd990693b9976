"""Log events as `agent/monitor` sends them: one line each, as text or as JSON, in the forms that Consul's readers know.

Levels are Consul's names; the other fields of an event follow its message. Pure: events come from a tap.
"""

from typing import Any

import msgspec

from lictor_catalog.errors import ApiError

LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERR": 40, "ERROR": 40}
DEFAULT_LEVEL = "INFO"
_WORDS = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERROR", "critical": "ERROR"}
_KNOWN = frozenset({"event", "level", "time", "service"})
_encoder = msgspec.json.Encoder(enc_hook=str)


def level_of(asked: str) -> int:
    """The number of a level that a client asks for; raises `ApiError` 400."""
    number = LEVELS.get((asked or DEFAULT_LEVEL).upper())
    if number is None:
        raise ApiError(400, f"Unknown log level: {asked}")
    return number


def as_text(event: dict[str, Any]) -> bytes:
    """`2026-11-25T22:06:21.123Z [INFO]  catalog: message: key=value`."""
    word = f"[{_WORDS.get(str(event.get('level')), 'INFO')}]"
    line = f"{_time(event)} {word:<7} {event.get('service', '')}: {event.get('event', '')}"
    extra = " ".join(f"{key}={_plain(value)}" for key, value in event.items() if key not in _KNOWN)
    return f"{line}: {extra}\n".encode() if extra else f"{line}\n".encode()


def as_json(event: dict[str, Any]) -> bytes:
    """`{"@level":"info","@message":…,"@module":…,"@timestamp":…}` and the event's own fields."""
    shown = {
        "@level": _WORDS.get(str(event.get("level")), "INFO").lower(),
        "@message": event.get("event", ""),
        "@module": event.get("service", ""),
        "@timestamp": _time(event),
    }
    return _encoder.encode(shown | {key: value for key, value in event.items() if key not in _KNOWN}) + b"\n"


def dropped(count: int, like: dict[str, Any]) -> dict[str, Any]:
    """The event that tells a reader what it missed before the line `like`."""
    return {
        "event": "lines dropped: this reader is too slow",
        "level": "warning",
        "time": like.get("time", ""),
        "service": like.get("service", ""),
        "count": count,
    }


def _time(event: dict[str, Any]) -> str:
    """To the millisecond."""
    head, _, fraction = str(event.get("time", "")).removesuffix("Z").partition(".")
    return f"{head}.{(fraction + '000')[:3]}Z"


def _plain(value: object) -> str:
    """A value on a line: quoted where it would not be one word."""
    text = value if isinstance(value, str) else str(value)
    needs_quotes = not text or any(one.isspace() or one in '"=' or not one.isprintable() for one in text)
    return msgspec.json.encode(text).decode() if needs_quotes else text

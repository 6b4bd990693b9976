"""Logs: structlog on standard output, one event per line.

JSON when standard output is not a terminal (or when asked for), coloured text otherwise. Every event carries the
time (UTC), the level, `service` and `node`; callers add `index` and whatever else names the event. Libraries that use
the standard `logging` are heard from warning upwards, through the same door. No files, no rotation, no shipping; who
wants to read along opens a tap (`log_taps`).
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from lictor_kit.log_taps import TAPS

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(
    service: str, node: str, level: str = "info", log_format: str = "auto", stream: TextIO | None = None
) -> None:
    """Set up logging for this process; a second call replaces the first.

    Args:
        service: the role, on every line.
        node: the node's name, on every line.
        level: `debug`, `info`, `warning` or `error`.
        log_format: `auto`, `json` or `console`.
        stream: where lines go; standard output unless given.
    """
    out = stream if stream is not None else sys.stdout
    as_json = log_format == "json" or (log_format == "auto" and not out.isatty())

    def add_origin(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        event.setdefault("node", node)
        return event

    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        add_origin,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        TAPS.processor,
    ]
    if as_json:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    else:
        # The renderer's own tracebacks show local variables: bodies, headers and tokens of whoever was served.
        processors.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        # Module-level loggers live longer than one configuration (tests configure more than once).
        cache_logger_on_first_use=False,
    )
    TAPS.use(LEVELS[level])
    root = logging.getLogger()
    root.handlers = [_ToStructlog(level=max(logging.WARNING, LEVELS[level]))]
    root.setLevel(logging.WARNING)


class _ToStructlog(logging.Handler):
    """Passes records of the standard library's loggers on as events."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
        )

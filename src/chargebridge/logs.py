"""Logging, set up once for the whole program."""

import contextlib
import logging
import sys
from typing import Final, TextIO, cast

import structlog

from chargebridge.config.sections import LogFormat, LogSettings

_OF_MANY_LINES: Final = frozenset({"exception", "stack"})


class _Stream:
    """A stream that never raises: where a log cannot be written, everything else goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk, a reader that has gone: it cannot be reported
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def _show_printable(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape control characters and marks of the writing direction: values may be words of others.

    Tracebacks, which are ours, keep their lines. JSON escapes all of it by itself.
    """
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable() and key not in _OF_MANY_LINES:
            event[key] = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in value)
    return event


def set_up(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Write log events to a stream: for people on a terminal, as JSON lines elsewhere.

    Args:
        settings: level and format.
        stream: where they go; None: standard error.
    """
    stream = sys.stderr if stream is None else stream
    for_people = settings.format is LogFormat.CONSOLE or (
        settings.format is LogFormat.AUTO and stream.isatty()
    )
    renderer: structlog.typing.Processor = (
        # Plain tracebacks: those with local variables would show frames and secrets.
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if for_people
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *(
                (_show_printable, structlog.dev.set_exc_info)
                if for_people
                else (structlog.processors.format_exc_info,)
            ),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Stream(stream))),
        cache_logger_on_first_use=False,
    )

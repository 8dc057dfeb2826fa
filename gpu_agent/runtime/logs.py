"""The agent's own log, on stderr. A job's log goes to the portal.

Tracebacks come without the variables of their frames, of which some hold tokens.
"""

from __future__ import annotations

import sys

import structlog

from gpu_agent.settings import LogFormat


def configure(form: LogFormat) -> None:
    last: list[structlog.types.Processor]
    if form == "json":
        last = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        last = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                pad_event_to=0,
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )

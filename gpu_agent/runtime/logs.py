"""The agent's own log, on stderr. A job's log goes to the portal."""

from __future__ import annotations

import sys

import structlog

from gpu_agent.settings import LogFormat


def configure(form: LogFormat) -> None:
    last: list[structlog.types.Processor]
    if form == "json":
        last = [
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)]
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

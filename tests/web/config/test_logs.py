"""What the log says of an exception."""

from __future__ import annotations

import logging
import sys

import structlog
from django.conf import settings


def test_a_traceback_is_logged_without_the_variables_of_its_frames() -> None:
    options = dict(settings.LOGGING["formatters"]["structured"])
    formatter: logging.Formatter = options.pop("()")(**options)
    try:
        fail("sya_" * 3)
    except ValueError:
        record = logging.LogRecord("grpc", logging.ERROR, "", 0, "No.", (), sys.exc_info())
    said = formatter.format(record)
    assert "ValueError: a bug" in said and "in fail" in said
    assert "sya_sya_" not in said


def test_json_keeps_the_traceback_of_other_libraries() -> None:
    options = settings.LOGGING["formatters"]["structured"] | {
        "processor": structlog.processors.JSONRenderer()
    }
    formatter: logging.Formatter = options.pop("()")(**options)
    try:
        fail("sya_" * 3)
    except ValueError:
        record = logging.LogRecord("django", logging.ERROR, "", 0, "No.", (), sys.exc_info())
    said = formatter.format(record)
    assert "ValueError: a bug" in said and "sya_sya_" not in said


def fail(secret: str) -> None:
    token = secret + "!"
    raise ValueError("a bug" if token else "")

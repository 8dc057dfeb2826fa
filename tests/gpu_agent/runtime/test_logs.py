"""What the agent's log says of an exception."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from gpu_agent.runtime import logs
from gpu_agent.settings import LogFormat


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_is_logged_without_the_variables_of_its_frames(
    form: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(form)
    try:
        fail("sya_" * 3)
    except ValueError:
        structlog.get_logger().exception("it failed")
    said = capsys.readouterr().err
    assert "ValueError: a bug" in said and "in fail" in said
    assert "sya_sya_" not in said


def fail(secret: str) -> None:
    token = secret + "!"
    raise ValueError("a bug" if token else "")

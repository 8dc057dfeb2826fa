"""The plain list of languages is that of the espeak-ng that agents use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from web.core.problems import Invalid
from web.datasets.languages import ALIASES, LANGUAGES
from web.datasets.queries import language_code

ROOT = Path(__file__).resolve().parents[3]


def test_the_list_is_that_of_the_wheel() -> None:
    pytest.importorskip("piper")
    # In a process of its own: espeak-ng keeps global state.
    command = [sys.executable, "scripts/espeak_voices.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_people_write_is_understood() -> None:
    assert language_code("en-us") == "en-us"
    assert language_code(" en_US ") == "en-us"
    assert language_code("en-gb") == "en"
    assert language_code("fr-FR") == "fr"
    assert set(ALIASES.values()) <= {code for code, _ in LANGUAGES}


@pytest.mark.parametrize(
    ("asked", "near"), [("en-usa", "en-us"), ("de-de", "'de'"), ("german", "'de'"), ("frr", "fr")]
)
def test_an_unknown_language_names_near_ones(asked: str, near: str) -> None:
    with pytest.raises(Invalid, match=near) as refused:
        language_code(asked)
    assert refused.value.code == "language"


def test_a_language_that_resembles_none_says_where_the_list_is() -> None:
    with pytest.raises(Invalid, match="GET /languages"):
        language_code("qqqqqqq")

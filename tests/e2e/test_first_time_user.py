"""A person who has never seen Syrinx makes a voice with nothing but the pages."""

from __future__ import annotations

import zipfile

import pytest

from tests.e2e.journey import Journey

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(2400)]


def test_the_bundle_holds_a_voice(journey: Journey) -> None:
    names = zipfile.ZipFile(journey.bundle).namelist()
    assert any(name.endswith(".onnx") for name in names)
    assert any(name.endswith(".onnx.json") for name in names)
    assert any(name.endswith("MODEL_CARD") for name in names)


def test_a_file_that_is_no_recording_is_refused_with_its_reason(journey: Journey) -> None:
    assert "journey.py" in journey.seen["refusal"]


def test_a_corrected_text_stays(journey: Journey) -> None:
    assert journey.seen["corrected"].endswith("Indeed.")


def test_the_job_page_lives_without_reloading(journey: Journey) -> None:
    assert journey.seen["live"] == "True"
    assert "agent-" in journey.seen["host"]
    assert "Try it out" in journey.seen["stages"]


def test_the_voice_answers(journey: Journey) -> None:
    assert "seconds" in journey.seen["answer"]


def test_the_browser_has_nothing_to_complain_about(journey: Journey) -> None:
    assert journey.complaints == []

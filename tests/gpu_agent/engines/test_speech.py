from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest

from gpu_agent.engines.base import JobFailed
from gpu_agent.engines.piper.speech import MAX_TEXT_LENGTH, Speaker


@pytest.fixture(scope="module")
def speaker() -> Speaker:
    return Speaker(capacity=1)


def test_it_speaks_a_wav_and_keeps_the_voice(joe: tuple[Path, Path], speaker: Speaker) -> None:
    first = speaker.speak(*joe, "Hello there.")
    slow = speaker.speak(*joe, "Hello there.", length_scale=2.0, noise_scale=0.3, noise_w_scale=0)
    with wave.open(io.BytesIO(first)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22050, 1, 2)
        assert 0.3 < file.getnframes() / 22050 < 3
    assert len(slow) > 1.5 * len(first)
    assert list(speaker._voices) == [tuple(map(str, joe))]


@pytest.mark.parametrize(
    ("text", "who", "code"),
    [
        ("", None, "text_empty"),
        (" ... ", None, "text_empty"),
        ("a" * (MAX_TEXT_LENGTH + 1), None, "text_too_long"),
        ("Hello", 7, "speaker_unknown"),
        ("Hello", -1, "speaker_unknown"),
    ],
)
def test_what_cannot_be_spoken_is_refused(
    joe: tuple[Path, Path], speaker: Speaker, text: str, who: int | None, code: str
) -> None:
    with pytest.raises(JobFailed) as refused:
        speaker.speak(*joe, text, who)
    assert refused.value.code == code


def test_a_voice_that_is_none_is_refused(tmp_path: Path, joe: tuple[Path, Path]) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no")
    with pytest.raises(JobFailed) as refused:
        Speaker().speak(tmp_path / "bad.onnx", joe[1], "Hello")
    assert refused.value.code == "voice_unreadable"

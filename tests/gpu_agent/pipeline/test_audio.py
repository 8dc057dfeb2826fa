"""Recordings of strangers: every verdict, by the real ffmpeg."""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_agent.engines.piper.engine import PiperEngine
from gpu_agent.pipeline import decoding
from gpu_agent.pipeline.audio import Judged, judge_recording
from gpu_agent.pipeline.decoding import ffmpeg_path

FORMATS = {
    "a.wav": ["-c:a", "pcm_s24le", "-ar", "44100", "-ac", "2"],
    "a.flac": ["-c:a", "flac"],
    "a.mp3": ["-c:a", "libmp3lame"],
    "a.ogg": ["-c:a", "libvorbis"],
    "a.opus": ["-c:a", "libopus"],
    "a.m4a": ["-c:a", "aac"],
    "a.webm": ["-c:a", "libopus"],
}


@pytest.fixture(scope="module")
def bounds() -> Callable[[Any], tuple[int, int] | None]:
    return PiperEngine().speech_bounds


@pytest.fixture
def judge(tmp_path: Path, bounds: Any) -> Callable[[Path], Judged]:
    def judge(source: Path) -> Judged:
        return judge_recording(
            source, tmp_path / "clip.wav", sample_rate=22050, speech_bounds=bounds
        )

    return judge


def codes(verdict: Judged) -> list[str]:
    return [issue.code for issue in verdict.issues]


def convert(source: Path, target: Path, *options: str) -> Path:
    command = [ffmpeg_path(), "-v", "error", "-y", "-i", str(source), *options, str(target)]
    subprocess.run(command, check=True)
    return target


def write(path: Path, samples: Any, rate: int = 22050) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.asarray(samples).astype("<i2").tobytes())
    return path


def samples_of(path: Path) -> Any:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.fixture
def sentence(speech: dict[str, Path]) -> Path:
    return speech["The sun is up."]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_becomes_16_bit_mono(
    name: str, sentence: Path, tmp_path: Path, judge: Callable[[Path], Judged]
) -> None:
    encoded = convert(sentence, tmp_path / name, *FORMATS[name])
    odd = encoded.rename(tmp_path / "no-extension")  # names say nothing
    verdict = judge(odd)
    assert (verdict.status, codes(verdict)) == ("ok", [])
    with wave.open(str(tmp_path / "clip.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22050, 1, 2)
        assert file.getnframes() / 22050 == pytest.approx(verdict.seconds)
    assert 0.5 < verdict.seconds < 3
    assert verdict.measures is not None and verdict.measures.rms_dbfs > -30


def test_silence_at_the_ends_is_cut_and_said(
    sentence: Path, tmp_path: Path, judge: Callable[[Path], Judged]
) -> None:
    quiet = np.random.default_rng(0).normal(0, 2, 2 * 22050)
    padded = np.concatenate([quiet, samples_of(sentence), quiet])
    verdict = judge(write(tmp_path / "padded.wav", padded))
    assert (verdict.status, codes(verdict)) == ("fixed", ["silence_trimmed"])
    assert verdict.seconds < len(padded) / 22050 - 2.5


BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda good: b"", "empty"),
    "text": (lambda good: b"hello, I am a text\n" * 99, "unknown_format"),
    "html": (lambda good: b"<!doctype html><title>404</title>", "unknown_format"),
    "playlist": (lambda good: b"#EXTM3U\nfile:///etc/passwd\n", "unknown_format"),
    "cut": (lambda good: good[: len(good) // 2], "truncated"),
    "header": (lambda good: good[:44], "undecodable"),
    "nonsense": (lambda good: good[:12] + b"\xff" * 5000, "undecodable"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_recording_is_rejected_with_its_reason(
    name: str, sentence: Path, tmp_path: Path, judge: Callable[[Path], Judged]
) -> None:
    spoil, code = BAD[name]
    bad = tmp_path / "bad.wav"
    bad.write_bytes(spoil(sentence.read_bytes()))
    verdict = judge(bad)
    assert (verdict.status, codes(verdict)) == ("rejected", [code])
    assert verdict.issues[0].advice.endswith(".")
    assert not (tmp_path / "clip.wav").exists()


@pytest.mark.parametrize("name", ["a.flac", "a.m4a"])
def test_a_truncated_file_of_another_format_is_rejected(
    name: str, sentence: Path, tmp_path: Path, judge: Callable[[Path], Judged]
) -> None:
    whole = convert(sentence, tmp_path / name, *FORMATS[name]).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    verdict = judge(tmp_path / "cut")
    assert verdict.status == "rejected"
    assert codes(verdict)[0] in ("truncated", "undecodable")


def test_silence_noise_and_wrong_lengths(
    sentence: Path, tmp_path: Path, judge: Callable[[Path], Judged]
) -> None:
    spoken = samples_of(sentence)
    noise = np.random.default_rng(0).normal(0, 3, 3 * 22050)
    assert codes(judge(write(tmp_path / "s.wav", noise))) == ["silent"]
    hum = 3000 * np.sin(np.arange(3 * 22050) / 40)
    assert "no_speech" in codes(judge(write(tmp_path / "h.wav", hum)))
    short = judge(write(tmp_path / "short.wav", spoken[4000:11000]))
    assert (short.status, codes(short)[-1]) == ("rejected", "too_short")
    assert short.issues[-1].limit == pytest.approx(0.37)
    long = judge(write(tmp_path / "long.wav", np.tile(spoken, 40)))
    assert (long.status, codes(long)) == ("rejected", ["too_long"])
    advised = judge(write(tmp_path / "advised.wav", np.tile(spoken, 17)))
    assert (advised.status, codes(advised)) == ("look", ["long"])


def test_loud_quiet_and_telephone_recordings_are_looked_at(
    sentence: Path, tmp_path: Path, judge: Callable[[Path], Judged]
) -> None:
    spoken = samples_of(sentence).astype(float)
    loud = judge(write(tmp_path / "loud.wav", np.clip(spoken * 8, -32768, 32767)))
    assert (loud.status, codes(loud)) == ("look", ["clipping"])
    quiet = judge(write(tmp_path / "quiet.wav", spoken / 60))
    assert "quiet" in codes(quiet) and quiet.status == "look"
    phone = judge(convert(sentence, tmp_path / "phone.wav", "-ar", "8000"))
    assert (phone.status, codes(phone)) == ("look", ["low_sample_rate"])


def test_an_hour_of_audio_is_not_decoded_whole(
    tmp_path: Path, judge: Callable[[Path], Judged]
) -> None:
    hour = tmp_path / "hour.flac"
    tone = ["-f", "lavfi", "-i", "sine=440:r=8000", "-t", "3600"]
    subprocess.run([ffmpeg_path(), "-v", "error", *tone, str(hour)], check=True)
    verdict = judge(hour)
    assert verdict.status == "rejected"
    [issue] = [issue for issue in verdict.issues if issue.code == "too_long"]
    assert issue.value == 3600.0


def test_what_needs_too_much_is_stopped(
    sentence: Path,
    tmp_path: Path,
    judge: Callable[[Path], Judged],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tight = decoding._LIMITS.replace(f"ulimit -v {decoding.MEMORY_KIB}", "ulimit -v 20000")
    assert tight != decoding._LIMITS
    monkeypatch.setattr(decoding, "_LIMITS", tight)
    assert codes(judge(sentence)) == ["undecodable"]


def test_a_file_that_points_elsewhere_is_not_followed(
    sentence: Path, tmp_path: Path, judge: Callable[[Path], Judged]
) -> None:
    """An m4a made of references, as ffmpeg's concat scripts and playlists are, is no m4a."""
    script = tmp_path / "script.m4a"
    script.write_text(f"ffconcat version 1.0\nfile '{sentence}'\n")
    assert codes(judge(script)) == ["unknown_format"]

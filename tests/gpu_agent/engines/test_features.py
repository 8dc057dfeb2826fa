from __future__ import annotations

import dataclasses
import wave
from pathlib import Path

import pytest
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from safetensors.torch import load_file

from gpu_agent.engines.base import JobFailed, Prepared, Utterance
from gpu_agent.engines.phonemizer import PiperEspeak
from gpu_agent.engines.piper import features


def prepare(
    utterances: list[Utterance], cache: Path, segment_size: int = 8192, rate: int = 22050
) -> Prepared:
    return features.prepare(
        utterances,
        language="en-us",
        id_map={k: v for k, v in DEFAULT_PHONEME_ID_MAP.items() if k != "ʌ"},
        hparams={"sample_rate": rate},
        segment_size=segment_size,
        phonemizer=PiperEspeak(),
        cache_dir=cache,
        tick=lambda done: None,
    )


def silence(path: Path, samples: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        file.writeframes(b"\0\0" * samples)
    return path


def test_the_cache_is_keyed_by_content(utterances: list[Utterance], tmp_path: Path) -> None:
    one = utterances[0]
    [first] = prepare([one], tmp_path).features
    made = first.path.stat().st_mtime_ns, first.path.stat().st_ino
    # Another id and name for the same recording and text: the same entry, not made again.
    copy = tmp_path / "copy.wav"
    copy.write_bytes(one.clip.read_bytes())
    [again] = prepare([dataclasses.replace(one, id="other", clip=copy)], tmp_path).features
    assert (again.path, again.id, again.path.stat().st_ino) == (first.path, "other", made[1])
    # The same text after a new recording, and another text for it: other entries.
    copy.write_bytes(utterances[1].clip.read_bytes())
    [recorded] = prepare([dataclasses.replace(one, clip=copy)], tmp_path).features
    [corrected] = prepare([dataclasses.replace(one, text="Some sun.")], tmp_path).features
    assert len({first.path, recorded.path, corrected.path}) == 3


def test_what_cannot_be_trained_on_is_dropped_with_a_reason(
    utterances: list[Utterance], tmp_path: Path
) -> None:
    clip = utterances[0].clip
    bad = [
        Utterance("short", "Hi.", silence(tmp_path / "short.wav", 6000)),
        Utterance("missing", "Hi.", tmp_path / "nowhere.wav"),
        Utterance("wordy", "One two three four five six seven eight nine. " * 12, clip),
        Utterance("endless", "one two three four " * 200, clip),
        Utterance("damaged", "Hi.", tmp_path / "damaged.wav"),
    ]
    (tmp_path / "damaged.wav").write_bytes(b"RIFF")
    prepared = prepare([*bad, utterances[0]], tmp_path / "cache")
    assert [item.id for item in prepared.features] == [utterances[0].id]
    reasons = dict(prepared.dropped)
    assert "shorter than one training segment" in reasons["short"]
    assert "missing" in reasons["missing"]
    assert "too short for so much text" in reasons["wordy"]
    assert "too long" in reasons["endless"]
    assert "cannot be read" in reasons["damaged"]
    assert prepared.unknown_phonemes["ʌ"] >= 1


def test_a_half_written_entry_is_made_again(utterances: list[Utterance], tmp_path: Path) -> None:
    [first] = prepare(utterances[:1], tmp_path).features
    first.path.write_bytes(first.path.read_bytes()[:100])
    assert prepare(utterances[:1], tmp_path).features == [first]


def test_clips_are_brought_down_to_a_lower_rate_and_never_up(
    utterances: list[Utterance], tmp_path: Path
) -> None:
    [full] = prepare(utterances[:1], tmp_path).features
    [low] = prepare(utterances[:1], tmp_path, rate=16000).features
    assert low.frames == pytest.approx(full.frames * 16000 / 22050, abs=2)
    loudest = [load_file(each.path)["audio"].abs().max().item() for each in (full, low)]
    assert loudest[1] == pytest.approx(loudest[0], rel=0.2)
    with pytest.raises(JobFailed) as refused:
        prepare(utterances[:1], tmp_path, rate=44100)
    assert refused.value.code == "clip_format"

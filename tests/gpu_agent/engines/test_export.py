from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gpu_agent.engines.base import Features, JobFailed
from gpu_agent.engines.phonemizer import espeak_voices
from gpu_agent.engines.piper import export, training, verify
from gpu_agent.engines.piper.languages import language
from tests.gpu_agent.recorder import Recorder
from tests.gpu_agent.voices import tiny_job


@pytest.mark.slow
def test_a_trained_checkpoint_becomes_a_voice_that_the_runtime_plays(
    tiny: str, features: list[Features], tmp_path: Path
) -> None:
    trained = training.train(tiny_job(features, tmp_path, max_steps=1), Recorder(tmp_path))
    voice = export.export(
        trained.checkpoint,
        language="en-us",
        voice_name="ada",
        quality=tiny,
        dataset="birds",
        sentences=["The sun is up."],
        folder=tmp_path / "voice",
    )
    assert (voice.stem, voice.onnx.name) == ("en_US-ada-tiny", "en_US-ada-tiny.onnx")
    assert voice.config.name == "en_US-ada-tiny.onnx.json"
    assert (voice.steps, voice.epochs) == (1, 0) and "val_mel" in voice.scores
    assert voice.max_difference < 1e-3
    config = json.loads(voice.config.read_text())
    assert config["audio"] == {"sample_rate": 22050, "quality": "tiny"}
    assert config["language"] == {
        "code": "en_US",
        "family": "en",
        "region": "US",
        "name_native": "English",
        "name_english": "English",
        "country_english": "United States",
    }
    assert config["espeak"] == {"voice": "en-us"} and config["dataset"] == "birds"
    assert config["phoneme_type"] == "espeak" and config["piper_version"].startswith("1.8")
    assert (config["num_speakers"], config["num_symbols"], config["hop_length"]) == (1, 256, 256)
    assert config["speaker_id_map"] == {} and config["phoneme_id_map"]["_"] == [0]
    assert set(config["inference"]) == {"noise_scale", "length_scale", "noise_w"}
    heard = verify.verify(voice.onnx, voice.config, ["The sun is up."], tmp_path / "samples")
    assert heard.samples[0].path.exists()


def test_a_good_voice_passes(joe: tuple[Path, Path], tmp_path: Path) -> None:
    heard = verify.verify(*joe, ["The sun is up.", "Good night."], tmp_path)
    assert [sample.text for sample in heard.samples] == ["The sun is up.", "Good night."]
    assert all(sample.path.exists() and 0.4 < sample.seconds < 3 for sample in heard.samples)
    assert 0 < heard.real_time_factor < 1


@pytest.mark.parametrize(
    ("audio", "seconds", "code"),
    [
        (np.zeros(22050), 1.0, "voice_silent"),
        (np.full(22050, np.nan), 1.0, "voice_not_finite"),
        (np.zeros(0), 0.0, "voice_not_finite"),
        (np.sin(np.arange(441)), 0.02, "voice_durations"),
        (np.sin(np.arange(661500)), 30.0, "voice_durations"),
    ],
)
def test_what_is_no_speech_is_refused(audio: np.ndarray, seconds: float, code: str) -> None:
    with pytest.raises(JobFailed) as refused:
        verify._check("The sun is up.", audio, seconds, 12)
    assert refused.value.code == code


def test_a_voice_is_named_as_piper_names_it() -> None:
    assert export.stem("en-us", "ada", "medium") == "en_US-ada-medium"
    assert export.stem("nb", "kari", "low") == "no_NO-kari-low"
    assert export.stem("eo", "zam", "high") == "eo-zam-high"
    with pytest.raises(JobFailed):
        export.stem("en-us", "../x", "medium")


def test_every_language_of_espeak_has_complete_names() -> None:
    for voice in espeak_voices():
        named = language(voice.language)
        assert named.code and named.family and named.name_native and named.name_english
        assert named.code == (f"{named.family}_{named.region}" if named.region else named.family)

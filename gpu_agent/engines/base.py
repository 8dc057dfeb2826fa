"""What a text-to-speech engine offers to the pipeline, in plain types.

The stages of `gpu_agent/pipeline` talk to an `Engine` and never see torch. One
engine exists, Piper (`gpu_agent/engines/piper`), and `load_engine` imports it
only when a stage asks, so that the agent's parent process stays small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Wish = Literal["finish_now", "checkpoint_now", "release"]

# Piper's four qualities: https://github.com/OHF-Voice/piper1-gpl/blob/main/docs/TRAINING.md
SAMPLE_RATES: dict[str, int] = {"x_low": 16000, "low": 16000, "medium": 22050, "high": 22050}


class JobFailed(Exception):
    """The job cannot succeed, whatever host runs it.

    `code` is machine-readable (`dataset_empty`); `message` says in plain words
    what happened and what the user can do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Released(Exception):
    """The stage stopped because the host asked for the job back (`release`)."""


@dataclass(frozen=True)
class TrainParams:
    """Every knob of a training, resolved: the portal fills in the preset's values."""

    quality: str = "medium"
    max_steps: int = 0
    max_epochs: int = 0
    batch_size: int = 32
    learning_rate: float = 2e-4
    lr_decay: float = 0.999875
    seed: int = 1234
    checkpoint_minutes: float = 5.0
    warmup_steps: int = 0
    adversarial: bool = True
    segment_size: int = 8192
    validation_split: float = 0.05
    keep_checkpoints: int = 3
    max_minutes: float = 0.0
    sample_every_steps: int = 0
    threads: int = 0


class Reporter(Protocol):
    """What an engine tells while it works; the pipeline's `Context` is one."""

    def progress(
        self, fraction: float, eta_seconds: float | None = None, note: str = ""
    ) -> None: ...

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...

    def log(self, text: str, level: str = "info") -> None: ...

    def sample(self, path: Path, *, step: int, index: int, text: str, seconds: float) -> None: ...

    def checkpoint(
        self, path: Path, *, step: int, epoch: int, scores: Mapping[str, float]
    ) -> None: ...

    def wish(self) -> Wish | None: ...


@dataclass(frozen=True)
class Utterance:
    """One clip with its text, as a training reads it."""

    id: str
    text: str
    clip: Path
    """16-bit mono WAV at the voice's sample rate."""


@dataclass(frozen=True)
class Features:
    """One utterance, ready for training: a safetensors file in the cache."""

    id: str
    path: Path
    frames: int
    phonemes: int


@dataclass(frozen=True)
class Prepared:
    features: list[Features]
    dropped: list[tuple[str, str]] = field(default_factory=list)
    """(utterance id, reason) of what cannot be trained on."""
    unknown_phonemes: dict[str, int] = field(default_factory=dict)
    """Phonemes that the voice has no id for, and how often they occurred."""


@dataclass(frozen=True)
class TrainJob:
    """All that a training needs, as local files and plain values."""

    params: TrainParams
    language: str
    """espeak-ng voice."""
    dataset: str
    features: list[Features]
    sentences: tuple[str, ...]
    device: str
    work_dir: Path
    base_weights: Path | None = None
    base_config: Path | None = None
    resume: Path | None = None


@dataclass(frozen=True)
class Trained:
    checkpoint: Path
    step: int
    epoch: int
    scores: dict[str, float]


@dataclass(frozen=True)
class Exported:
    stem: str
    onnx: Path
    config: Path
    steps: int
    epochs: int
    scores: dict[str, float]
    sample_rate: int
    """Hz."""
    num_speakers: int
    max_difference: float
    """Torch against onnxruntime at zero noise, full scale 1.0."""


@dataclass(frozen=True)
class SpokenSentence:
    text: str
    path: Path
    seconds: float


@dataclass(frozen=True)
class Verified:
    samples: list[SpokenSentence]
    real_time_factor: float
    """Seconds of computing for a second of audio, on this host's CPU."""


@dataclass(frozen=True)
class ImportedBase:
    weights: Path
    config: Path
    sample: Path
    language: str
    quality: str
    sample_rate: int
    num_speakers: int
    num_symbols: int
    parameters_found: int
    parameters_fresh: int
    max_difference: float
    licence: str


class Engine(Protocol):
    """A family of voices: how it is prepared for, trained, exported and played."""

    def check_language(self, language: str) -> None:
        """Raises `JobFailed('language_unknown')`, naming near matches."""

    def phonemize(self, text: str, language: str) -> list[list[str]]:
        """Phonemes of each sentence, as the voice's runtime will make them."""

    def speech_bounds(self, samples: Any) -> tuple[int, int] | None:
        """First and last sample of speech in 16-bit mono audio at 16 kHz, or None."""

    def prepare(
        self,
        utterances: Sequence[Utterance],
        *,
        language: str,
        params: TrainParams,
        base_config: Path | None,
        cache_dir: Path,
        reporter: Reporter,
    ) -> Prepared: ...

    def train(self, job: TrainJob, reporter: Reporter) -> Trained: ...

    def export(
        self,
        checkpoint: Path,
        *,
        language: str,
        voice_name: str,
        quality: str,
        dataset: str,
        sentences: Sequence[str],
        folder: Path,
    ) -> Exported: ...

    def verify(
        self, onnx: Path, config: Path, sentences: Sequence[str], folder: Path
    ) -> Verified: ...

    def import_onnx(
        self, onnx: Path, config: Path, folder: Path, card: Path | None = None
    ) -> ImportedBase:
        """`card` is the voice's MODEL_CARD, read for its licence."""

    def import_checkpoint(
        self, checkpoint: Path, folder: Path, config: Path | None = None, card: Path | None = None
    ) -> ImportedBase: ...


def load_engine() -> Engine:
    """The Piper engine; imports torch and takes a few seconds, so only in a job's child."""
    from gpu_agent.engines.piper.engine import PiperEngine

    return PiperEngine()

"""What a job asks of the pipeline, and what the pipeline gives back.

Plain dataclasses that mirror `proto/syrinx/agent/v1/specs.proto`; transport
converts, so that no stage knows protobuf. A contract test holds the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# The engine reads these too, so they live below the pipeline.
from gpu_agent.engines.base import TrainParams

__all__ = [
    "ExportSpec",
    "ImportBaseResult",
    "ImportBaseSpec",
    "Lineage",
    "PrepareResult",
    "PrepareSpec",
    "Result",
    "Spec",
    "TrainParams",
    "TrainSpec",
    "VoiceResult",
]


@dataclass(frozen=True)
class PrepareSpec:
    """`utterances.ndjson` and audio in; clips and `prepared.ndjson` out."""

    language: str
    """espeak-ng voice, such as `en-us`."""
    sample_rate: int = 22050
    """Hz."""


@dataclass(frozen=True)
class PrepareResult:
    utterances: int
    seconds: float
    rejected: int


@dataclass(frozen=True)
class Lineage:
    """Who made what from what; printed in MODEL_CARD."""

    voice_id: str = ""
    team: str = ""
    dataset: str = ""
    dataset_id: str = ""
    dataset_version: int = 0
    dataset_sha256: str = ""
    base_voice: str = ""
    base_voice_id: str = ""
    base_licence: str = ""
    base_source: str = ""
    job_id: str = ""
    portal: str = ""


@dataclass(frozen=True)
class TrainSpec:
    language: str
    voice_name: str
    has_base: bool
    params: TrainParams
    sentences: tuple[str, ...] = ()
    lineage: Lineage = field(default_factory=Lineage)


@dataclass(frozen=True)
class ExportSpec:
    language: str
    voice_name: str
    quality: str
    sentences: tuple[str, ...] = ()
    lineage: Lineage = field(default_factory=Lineage)


@dataclass(frozen=True)
class VoiceResult:
    """Of `train` and `export`."""

    stem: str
    steps: int
    epochs: int
    scores: dict[str, float]
    sample_rate: int
    num_speakers: int
    real_time_factor: float


@dataclass(frozen=True)
class ImportBaseSpec:
    source: str
    """`onnx` or `checkpoint`."""


@dataclass(frozen=True)
class ImportBaseResult:
    language: str
    quality: str
    sample_rate: int
    num_speakers: int
    num_symbols: int
    parameters_found: int
    parameters_fresh: int
    max_difference: float
    licence: str


Spec = PrepareSpec | TrainSpec | ExportSpec | ImportBaseSpec
Result = PrepareResult | VoiceResult | ImportBaseResult

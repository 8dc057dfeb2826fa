"""Stage: bring the job's inputs onto this host, a few at a time so that it can be seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_agent.engines.base import Utterance
from gpu_agent.pipeline.context import JobFailed
from gpu_agent.pipeline.progress import Stage
from gpu_agent.pipeline.specs import TrainSpec

AT_ONCE = 32  # files a call; small enough for a moving bar, large enough to run in parallel

BASE_WEIGHTS, BASE_CONFIG = "base/weights.safetensors", "base/config.json"
RESUME = "resume.ckpt"
UTTERANCES = "utterances.ndjson"


@dataclass(frozen=True)
class TrainingInputs:
    utterances: list[Utterance]
    missing: list[str]
    """Ids of utterances whose recording is not there."""
    base_weights: Path | None
    base_config: Path | None
    resume: Path | None


def fetch_training(spec: TrainSpec, stage: Stage) -> TrainingInputs:
    context = stage.context
    entries = read_entries(context.fetch([UTTERANCES])[UTTERANCES])
    clips = {str(entry["audio"]) for entry in entries if entry.get("audio") in context.inputs}
    names = sorted(clips) + ([BASE_WEIGHTS, BASE_CONFIG] if spec.has_base else [])
    names += [RESUME] if RESUME in context.resume else []
    paths = fetch_all(names, stage)
    present = [entry for entry in entries if entry.get("audio") in paths]
    return TrainingInputs(
        utterances=[
            Utterance(str(entry["id"]), str(entry["text"]), paths[entry["audio"]])
            for entry in present
        ],
        missing=[str(entry["id"]) for entry in entries if entry.get("audio") not in paths],
        base_weights=paths.get(BASE_WEIGHTS),
        base_config=paths.get(BASE_CONFIG),
        resume=paths.get(RESUME),
    )


def fetch_all(names: Sequence[str], stage: Stage) -> dict[str, Path]:
    """Raises `Released` when the job is taken back meanwhile."""
    paths: dict[str, Path] = {}
    for some in chunks(names, AT_ONCE):
        stage.check_released()
        paths |= stage.context.fetch(some)
        stage.progress(
            len(paths) / len(names), None, f"Fetching: {len(paths)} of {len(names)} files"
        )
    return paths


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The lines of `utterances.ndjson`. Raises `JobFailed`: `dataset_empty`, `input_invalid`."""
    entries = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                entry["id"], entry["text"]
            except (ValueError, KeyError, TypeError) as error:
                raise JobFailed(
                    "input_invalid",
                    f"The list of utterances is damaged in line {number}. Start the job again; "
                    "if that fails too, tell the administrator.",
                ) from error
            entries.append(entry)
    if not entries:
        raise JobFailed(
            "dataset_empty", "The dataset has no utterances. Upload recordings with their texts."
        )
    return entries


def chunks(items: Sequence[Any], size: int) -> Iterator[Any]:
    for first in range(0, len(items), size):
        yield items[first : first + size]

"""What a training begins with: settings that can work, and a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from safetensors.torch import load_file

from gpu_agent.engines.base import JobFailed, Reporter, TrainJob
from gpu_agent.engines.piper import checkpoints, model, voice_config


def check_limits(job: TrainJob) -> None:
    params = job.params
    if params.max_steps <= 0 and params.max_epochs <= 0 and params.max_minutes <= 0:
        raise JobFailed(
            "params_invalid",
            "The training has no end. Set max_steps, max_epochs or max_minutes.",
        )
    if params.batch_size < 1 or params.learning_rate <= 0 or params.checkpoint_minutes <= 0:
        raise JobFailed(
            "params_invalid",
            "batch_size, learning_rate and checkpoint_minutes must be greater than zero.",
        )
    if params.segment_size < 2048 or params.segment_size % 256:
        raise JobFailed(
            "params_invalid",
            "segment_size must be a multiple of 256 and at least 2048 audio samples.",
        )
    if not job.features:
        raise JobFailed(
            "dataset_empty",
            "No utterance of the dataset can be trained on. See its report for the reasons.",
        )


@dataclass
class Beginning:
    """The model to train and how far it has come."""

    model: model.TrainingModel
    id_map: Mapping[str, Any]
    """Ids by phoneme."""
    imported: list[str] = field(default_factory=list)
    """Parameters that came from the base voice, by name."""
    step: int = 0
    epoch: int = 0
    batch_in_epoch: int = 0
    resumed: dict[str, Any] | None = None
    """The checkpoint's whole content: hundreds of megabytes."""


def begin(job: TrainJob, reporter: Reporter) -> Beginning:
    """From a checkpoint, else from a base voice, else from nothing.

    Raises `JobFailed`: `base_multi_speaker`, `base_quality`, `base_shapes`, `checkpoint_…`.
    """
    if job.resume is not None:
        begun = _from_checkpoint(job, job.resume)
        reporter.log(f"Continuing from the checkpoint at step {begun.step}.")
    elif job.base_config is not None and job.base_weights is not None:
        begun = _from_base(job, job.base_config, job.base_weights, reporter)
    else:
        shape = model.architecture(job.params.quality)
        begun = Beginning(_build(job, shape), DEFAULT_PHONEME_ID_MAP)
        reporter.log("Starting from scratch: all parameters are random.")
    return begun


def _from_base(job: TrainJob, config: Path, weights: Path, reporter: Reporter) -> Beginning:
    base = voice_config.read(config)
    if base["num_speakers"] > 1:
        raise JobFailed(
            "base_multi_speaker",
            "The base voice has several speakers; training starts from voices with one. "
            "Choose another base.",
        )
    quality = base["audio"].get("quality", job.params.quality)
    if quality != job.params.quality:
        raise JobFailed(
            "base_quality",
            f"The base voice has quality “{quality}”, the training asks for "
            f"“{job.params.quality}”. Choose the same.",
        )
    built = _build(job, model.architecture(quality, num_symbols=base["num_symbols"]))
    filled = model.fill(built, load_file(weights))
    reporter.log(
        f"{len(filled.found)} tensors come from the base voice, {len(filled.fresh)} are new."
    )
    return Beginning(built, base["phoneme_id_map"], filled.found)


def _from_checkpoint(job: TrainJob, path: Path) -> Beginning:
    content = checkpoints.load(path)
    note = checkpoints.note_of(content)
    built = _build(job, checkpoints.hparams_of(content))
    built.load_state_dict(content["state_dict"])
    base = voice_config.read(job.base_config) if job.base_config else None
    if not note:  # of another program
        id_map = base["phoneme_id_map"] if base else DEFAULT_PHONEME_ID_MAP
        return Beginning(built, id_map, resumed=content)
    return Beginning(
        built,
        note["phoneme_id_map"],
        note["imported"],
        note["step"],
        note["epoch"],
        note["batch_in_epoch"],
        content,
    )


def _build(job: TrainJob, shape: Mapping[str, Any]) -> model.TrainingModel:
    shape = {
        **shape,
        "segment_size": job.params.segment_size,
        "batch_size": job.params.batch_size,
        "lr_decay": job.params.lr_decay,
    }
    return model.build(shape, learning_rate=job.params.learning_rate)

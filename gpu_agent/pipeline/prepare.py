"""Stage: the features of every utterance, from the cache where its content is known."""

from __future__ import annotations

from gpu_agent.engines.base import Engine, Prepared
from gpu_agent.pipeline.fetch import TrainingInputs
from gpu_agent.pipeline.progress import Stage
from gpu_agent.pipeline.specs import TrainSpec

NAMED = 10  # dropped utterances that are named one by one in the log


def prepare(spec: TrainSpec, inputs: TrainingInputs, engine: Engine, stage: Stage) -> Prepared:
    """Raises `JobFailed`: `language_unknown`, `dataset_empty`, `clip_format`."""
    prepared = engine.prepare(
        inputs.utterances,
        language=spec.language,
        params=spec.params,
        base_config=inputs.base_config,
        cache_dir=stage.context.cache_dir,
        reporter=stage,
    )
    dropped = [(who, "its recording is missing") for who in inputs.missing] + prepared.dropped
    for who, why in dropped[:NAMED]:
        stage.log(f"Utterance {who} is left out: {why}.", "warning")
    if len(dropped) > NAMED:
        stage.log(f"{len(dropped) - NAMED} more utterances are left out.", "warning")
    if prepared.unknown_phonemes:
        which = ", ".join(
            f"{phoneme} ({count} times)" for phoneme, count in prepared.unknown_phonemes.items()
        )
        stage.log(f"The voice has no sound for these phonemes and skips them: {which}.", "warning")
    return prepared

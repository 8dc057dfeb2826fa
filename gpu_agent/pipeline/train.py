"""Stage: the training itself; the engine does it, this hands it what it needs."""

from __future__ import annotations

from gpu_agent.engines.base import Engine, Prepared, Trained, TrainJob
from gpu_agent.pipeline.fetch import TrainingInputs
from gpu_agent.pipeline.progress import Stage
from gpu_agent.pipeline.sentences import sentences_for
from gpu_agent.pipeline.specs import TrainSpec


def train(
    spec: TrainSpec, inputs: TrainingInputs, prepared: Prepared, engine: Engine, stage: Stage
) -> Trained:
    """Raises `Released` with a checkpoint stored, or `JobFailed`."""
    stage.takes_wishes = True
    context = stage.context
    return engine.train(
        TrainJob(
            params=spec.params,
            language=spec.language,
            dataset=spec.lineage.dataset,
            features=prepared.features,
            sentences=sentences_for(spec.language, spec.sentences),
            device=context.device,
            work_dir=context.work_dir,
            base_weights=inputs.base_weights,
            base_config=inputs.base_config,
            resume=inputs.resume,
        ),
        stage,
    )

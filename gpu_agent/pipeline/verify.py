"""Stage: the real Piper runtime speaks with the voice before anyone sees it."""

from __future__ import annotations

from gpu_agent.engines.base import Engine, Exported, Verified
from gpu_agent.pipeline.progress import Stage
from gpu_agent.pipeline.sentences import sentences_for
from gpu_agent.pipeline.specs import ExportSpec, TrainSpec


def verify(
    spec: TrainSpec | ExportSpec, exported: Exported, engine: Engine, stage: Stage
) -> Verified:
    """Raises `JobFailed`: `voice_silent`, `voice_not_finite`, `voice_durations`."""
    verified = engine.verify(
        exported.onnx,
        exported.config,
        sentences_for(spec.language, spec.sentences),
        stage.context.work_dir / "voice" / "samples",
    )
    stage.log(
        f"The Piper runtime spoke {len(verified.samples)} sentences; a second of speech takes "
        f"it {verified.real_time_factor:.3f} seconds on this CPU."
    )
    return verified

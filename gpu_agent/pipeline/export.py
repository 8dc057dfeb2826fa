"""Stage: a checkpoint becomes `<stem>.onnx` and `<stem>.onnx.json`."""

from __future__ import annotations

from pathlib import Path

from gpu_agent.engines.base import Engine, Exported
from gpu_agent.pipeline.progress import Stage
from gpu_agent.pipeline.sentences import sentences_for
from gpu_agent.pipeline.specs import ExportSpec, TrainSpec


def export(
    spec: TrainSpec | ExportSpec, checkpoint: Path, engine: Engine, stage: Stage
) -> Exported:
    """Raises `JobFailed`: `export_mismatch`, `voice_name_invalid`, `checkpoint_…`."""
    quality = spec.quality if isinstance(spec, ExportSpec) else spec.params.quality
    exported = engine.export(
        checkpoint,
        language=spec.language,
        voice_name=spec.voice_name,
        quality=quality,
        dataset=spec.lineage.dataset or spec.voice_name,
        sentences=sentences_for(spec.language, spec.sentences),
        folder=stage.context.work_dir / "voice",
    )
    stage.log(
        f"Exported {exported.stem}.onnx; against the trained model its audio differs by "
        f"{exported.max_difference:.1e} of full scale."
    )
    return exported

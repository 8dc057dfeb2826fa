"""The `import_base` job: an ONNX voice or a checkpoint becomes a base voice."""

from __future__ import annotations

from pathlib import Path

from gpu_agent.engines.base import Engine, ImportedBase
from gpu_agent.pipeline.context import JobFailed, OutputFile
from gpu_agent.pipeline.progress import Stage
from gpu_agent.pipeline.specs import ImportBaseResult, ImportBaseSpec

FOLDER = "source/"


def import_base(
    spec: ImportBaseSpec, sources: dict[str, Path], engine: Engine, stage: Stage
) -> ImportedBase:
    """Raises `JobFailed` with the reason why it cannot be a base."""
    folder = stage.context.work_dir / "base"
    card = _one(sources, "MODEL_CARD")
    config = _one(sources, ".json")
    if spec.source == "checkpoint":
        checkpoint = _one(sources, ".ckpt")
        if checkpoint is None:
            raise JobFailed("source_missing", "There is no .ckpt file. Upload the checkpoint.")
        return engine.import_checkpoint(checkpoint, folder, config, card)
    onnx = _one(sources, ".onnx")
    if onnx is None:
        raise JobFailed("source_missing", "There is no .onnx file. Upload the voice.")
    if config is None:
        raise JobFailed(
            "config_missing",
            "The .onnx.json is missing, without which nobody knows the voice's phonemes. "
            "Upload it together with the .onnx.",
        )
    return engine.import_onnx(onnx, config, folder, card)


def publish_base(imported: ImportedBase, stage: Stage) -> ImportBaseResult:
    stage.context.keep(
        [
            OutputFile(imported.weights, "base_weights"),
            OutputFile(imported.config, "base_config"),
            OutputFile(imported.sample, "base_sample"),
        ]
    )
    stage.progress(1.0, 0.0, "Done")
    return ImportBaseResult(
        language=imported.language,
        quality=imported.quality,
        sample_rate=imported.sample_rate,
        num_speakers=imported.num_speakers,
        num_symbols=imported.num_symbols,
        parameters_found=imported.parameters_found,
        parameters_fresh=imported.parameters_fresh,
        max_difference=imported.max_difference,
        licence=imported.licence,
    )


def _one(sources: dict[str, Path], ending: str) -> Path | None:
    return next((path for name, path in sources.items() if name.endswith(ending)), None)

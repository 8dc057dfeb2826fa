"""Stage: model card and bundle made, everything handed over."""

from __future__ import annotations

import zipfile
from pathlib import Path

from gpu_agent.engines.base import Exported, Verified
from gpu_agent.pipeline.context import OutputFile
from gpu_agent.pipeline.model_card import model_card
from gpu_agent.pipeline.progress import Stage
from gpu_agent.pipeline.specs import ExportSpec, TrainSpec, VoiceResult

_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first date: the same voice gives the same bundle


def publish(
    spec: TrainSpec | ExportSpec, exported: Exported, verified: Verified, stage: Stage
) -> VoiceResult:
    folder = exported.onnx.parent
    card = folder / "MODEL_CARD"
    card.write_text(model_card(exported, verified, spec.lineage, spec.language), encoding="utf-8")
    samples = [sample.path for sample in verified.samples]
    bundle = folder / f"{exported.stem}.zip"
    write_bundle(
        bundle,
        {path.name: path for path in (exported.onnx, exported.config, card)}
        | {f"samples/{path.name}": path for path in samples},
    )
    stage.context.keep(
        [
            OutputFile(exported.onnx, "onnx"),
            OutputFile(exported.config, "config"),
            OutputFile(card, "model_card"),
            *(OutputFile(path, "voice_sample") for path in samples),
            OutputFile(bundle, "bundle"),
        ]
    )
    stage.progress(1.0, 0.0, "Done")
    return VoiceResult(
        stem=exported.stem,
        steps=exported.steps,
        epochs=exported.epochs,
        scores=exported.scores,
        sample_rate=exported.sample_rate,
        num_speakers=exported.num_speakers,
        real_time_factor=verified.real_time_factor,
    )


def write_bundle(path: Path, members: dict[str, Path]) -> None:
    """A zip of `members` by their names inside it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        for name, source in members.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with source.open("rb") as reading, bundle.open(entry, "w") as writing:
                while part := reading.read(1024 * 1024):
                    writing.write(part)

"""MODEL_CARD: what a voice is made of, for whoever finds the file later."""

from __future__ import annotations

from gpu_agent.engines.base import Exported, Verified
from gpu_agent.pipeline.specs import Lineage


def model_card(exported: Exported, verified: Verified, lineage: Lineage, language: str) -> str:
    """Markdown in the form that the cards of rhasspy/piper-voices have."""
    return "\n".join(
        [
            f"# Model card for {exported.stem}",
            "",
            f"* Language: {exported.stem.split('-')[0]} (espeak-ng voice {language})",
            f"* Speakers: {exported.num_speakers}",
            f"* Quality: {exported.stem.split('-')[-1]}",
            f"* Samplerate: {exported.sample_rate:,}Hz",
            "",
            "## Dataset",
            "",
            *_lines(
                ("Name", lineage.dataset),
                ("Version", str(lineage.dataset_version or "")),
                ("Id", lineage.dataset_id),
                ("SHA-256", lineage.dataset_sha256),
                ("Owner", lineage.team),
            ),
            "",
            "## Base voice",
            "",
            *_base(lineage),
            "",
            "## Training",
            "",
            f"* Steps: {exported.steps}",
            f"* Epochs: {exported.epochs}",
            *(f"* {name}: {value:.4f}" for name, value in sorted(exported.scores.items())),
            f"* Real-time factor of the Piper runtime (CPU): {verified.real_time_factor:.3f}",
            *_lines(
                ("Voice", lineage.voice_id), ("Job", lineage.job_id), ("Portal", lineage.portal)
            ),
            "",
        ]
    )


def _base(lineage: Lineage) -> list[str]:
    if not lineage.base_voice:
        return ["None: trained from scratch."]
    kept = {
        "onnx": "its ONNX file (posterior encoder, training half of the duration predictor and "
        "discriminators started fresh)",
        "checkpoint": "its checkpoint",
    }
    return _lines(
        ("Name", lineage.base_voice),
        ("Id", lineage.base_voice_id),
        ("License", lineage.base_licence or "unknown"),
        ("Taken from", kept.get(lineage.base_source, "")),
    )


def _lines(*pairs: tuple[str, str]) -> list[str]:
    return [f"* {name}: {value}" for name, value in pairs if value]

"""The Piper engine: each verb of `Engine` in one line, importing what it needs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpu_agent.engines.base import (
    Exported,
    ImportedBase,
    JobFailed,
    Prepared,
    Released,
    Reporter,
    Trained,
    TrainJob,
    TrainParams,
    Utterance,
    Verified,
)
from gpu_agent.engines.phonemizer import PiperEspeak, check_language


class PiperEngine:
    """piper-tts 1.8: espeak-ng phonemes, VITS by Lightning, ONNX by TorchScript."""

    def __init__(self) -> None:
        self._phonemizer = PiperEspeak()
        self._detectors = threading.local()

    def check_language(self, language: str) -> None:
        check_language(language)

    def phonemize(self, text: str, language: str) -> list[list[str]]:
        return self._phonemizer.phonemize(text, language)

    def speech_bounds(self, samples: Any) -> tuple[int, int] | None:
        from gpu_agent.engines.piper import detector

        return detector.speech_bounds(samples, self._detectors)

    def prepare(
        self,
        utterances: Sequence[Utterance],
        *,
        language: str,
        params: TrainParams,
        base_config: Path | None,
        cache_dir: Path,
        reporter: Reporter,
    ) -> Prepared:
        from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

        from gpu_agent.engines.piper import features, model, voice_config

        check_language(language)
        base = voice_config.read(base_config) if base_config else None

        def tick(done: int) -> None:
            if reporter.wish() == "release":
                raise Released
            reporter.progress(
                done / len(utterances), None, f"Features: {done} of {len(utterances)} utterances"
            )

        prepared = features.prepare(
            utterances,
            language=language,
            id_map=base["phoneme_id_map"] if base else DEFAULT_PHONEME_ID_MAP,
            hparams=model.architecture(params.quality),
            segment_size=params.segment_size,
            phonemizer=self._phonemizer,
            cache_dir=cache_dir,
            tick=tick,
        )
        if not prepared.features:
            raise JobFailed(
                "dataset_empty",
                "No utterance of the dataset can be trained on: "
                + ("; ".join(f"{who}: {why}" for who, why in prepared.dropped[:3]) or "it has none")
                + ". Correct the dataset and prepare it again.",
            )
        return prepared

    def train(self, job: TrainJob, reporter: Reporter) -> Trained:
        from gpu_agent.engines.piper import training

        return training.train(job, reporter)

    def export(
        self,
        checkpoint: Path,
        *,
        language: str,
        voice_name: str,
        quality: str,
        dataset: str,
        sentences: Sequence[str],
        folder: Path,
    ) -> Exported:
        from gpu_agent.engines.piper import export

        return export.export(
            checkpoint,
            language=language,
            voice_name=voice_name,
            quality=quality,
            dataset=dataset,
            sentences=sentences,
            folder=folder,
        )

    def verify(self, onnx: Path, config: Path, sentences: Sequence[str], folder: Path) -> Verified:
        from gpu_agent.engines.piper import verify

        return verify.verify(onnx, config, sentences, folder)

    def import_onnx(
        self, onnx: Path, config: Path, folder: Path, card: Path | None = None
    ) -> ImportedBase:
        from gpu_agent.engines.piper import base_voice

        return base_voice.from_onnx(onnx, config, folder, card)

    def import_checkpoint(
        self, checkpoint: Path, folder: Path, config: Path | None = None, card: Path | None = None
    ) -> ImportedBase:
        from gpu_agent.engines.piper import base_voice

        return base_voice.from_checkpoint(checkpoint, folder, config, card)

"""The exported voice through the real Piper runtime, before anyone sees it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gpu_agent.engines.base import JobFailed, SpokenSentence, Verified
from gpu_agent.engines.piper.rendering import write_wav
from gpu_agent.engines.piper.speech import load_voice

SILENT_PEAK = 0.003  # of full scale (-50 dBFS), before the runtime brings it to full scale
SILENT_RMS = 0.003
# Seconds a phoneme: speech has 0.05 to 0.12; ten times off on either side is no speech.
SHORTEST, LONGEST = 0.01, 1.0


def verify(onnx: Path, config: Path, sentences: Sequence[str], folder: Path) -> Verified:
    """Speak every sentence on the CPU into `folder`.

    Raises `JobFailed`: `voice_unreadable`, `voice_silent`, `voice_not_finite`,
    `voice_durations`.
    """
    from piper.config import SynthesisConfig

    voice = load_voice(onnx, config)
    loud = SynthesisConfig(normalize_audio=False)  # else silence would be made loud
    list(voice.synthesize(sentences[0], loud))  # the first call allocates; not timed
    samples, computing = [], 0.0
    for index, text in enumerate(sentences):
        started = time.perf_counter()
        chunks = list(voice.synthesize(text, loud))
        computing += time.perf_counter() - started
        phonemes = sum(len(chunk.phonemes) for chunk in chunks)
        audio = np.concatenate([chunk.audio_float_array for chunk in chunks] or [np.zeros(0)])
        seconds = len(audio) / voice.config.sample_rate
        _check(text, audio, seconds, phonemes)
        path = folder / f"sample_{index + 1}.wav"
        write_wav(path, audio / np.abs(audio).max(), voice.config.sample_rate)
        samples.append(SpokenSentence(text, path, seconds))
    spoken = sum(sample.seconds for sample in samples)
    return Verified(samples, computing / spoken)


def _check(text: str, audio: np.ndarray, seconds: float, phonemes: int) -> None:
    advice = "Train longer, or go back to an earlier checkpoint."
    if not len(audio) or not np.isfinite(audio).all():
        raise JobFailed(
            "voice_not_finite",
            f"The voice gives no audio for “{text}”: its numbers overflow. {advice}",
        )
    if np.abs(audio).max() < SILENT_PEAK or math.sqrt(np.mean(audio**2)) < SILENT_RMS:
        raise JobFailed("voice_silent", f"The voice stays silent at “{text}”. {advice}")
    if not SHORTEST * phonemes <= seconds <= LONGEST * phonemes:
        raise JobFailed(
            "voice_durations",
            f"The voice takes {seconds:.1f} seconds for “{text}”, which is no speech. {advice}",
        )

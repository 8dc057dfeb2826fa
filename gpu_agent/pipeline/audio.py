"""Recordings in, standard clips out: 16-bit mono WAV at one rate, measured and judged."""

from __future__ import annotations

import math
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gpu_agent.pipeline.decoding import DECODE_SECONDS, DETECTOR_RATE, Decoded, decode, sniff

Status = Literal["ok", "fixed", "look", "rejected"]
SpeechBounds = Callable[[Any], tuple[int, int] | None]

SEGMENT_SIZE = 8192  # samples; Piper's training slice, a shorter clip crashes upstream's training
KEEP_SILENCE = 0.25  # seconds around speech, as piper.train keeps
# Azure's custom voice gate: over 30 s is rejected, up to 15 s advised
# (learn.microsoft.com/azure/ai-services/speech-service/how-to-custom-voice-training-data).
MAX_SECONDS = 30.0
ADVISED_SECONDS = 15.0
SILENT_PEAK = -50.0  # dBFS; a room's noise stays below, the softest speech does not
QUIET_RMS = -40.0  # dBFS; ElevenLabs advises -23 to -18, 20 dB below that noise wins
CLIPPING_RATIO = 0.001  # share of samples at full scale; speech that fits has none
TRIM_NOTICE = 1.0  # seconds of silence cut before it is worth a word
TELEPHONE_RATE = 16000  # Hz; a source below it lacks the band that Piper's lowest quality needs


@dataclass(frozen=True)
class Issue:
    """What is wrong with a clip: the value measured, the limit, what to do."""

    code: str
    advice: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Measures:
    seconds: float
    peak_dbfs: float
    rms_dbfs: float
    clipping_ratio: float


@dataclass
class Judged:
    """A clip's verdict; `clip` exists on disk unless it is rejected."""

    status: Status = "ok"
    seconds: float = 0.0
    measures: Measures | None = None
    issues: list[Issue] = field(default_factory=list)

    def add(self, status: Status, issue: Issue) -> None:
        order = ("ok", "fixed", "look", "rejected")
        self.issues.append(issue)
        if order.index(status) > order.index(self.status):
            self.status = status


def judge_recording(
    source: Path, clip: Path, *, sample_rate: int, speech_bounds: SpeechBounds
) -> Judged:
    """Standardise `source` into `clip` (16-bit mono WAV at `sample_rate` Hz) and judge it.

    Never raises for a bad recording: the verdict is `rejected` with an issue, and
    no clip is written. Raises `JobFailed('ffmpeg_missing')`.
    """
    judged = Judged()
    if source.stat().st_size == 0:
        return _reject(judged, "empty", "The file is empty (0 bytes). Upload it again.")
    demuxer = sniff(source)
    if demuxer is None:
        return _reject(
            judged,
            "unknown_format",
            "This is not a recording in a format that we read, whatever its name says. "
            "Use WAV, FLAC, MP3, OGG, Opus, M4A or WebM.",
        )
    with tempfile.TemporaryDirectory(dir=clip.parent) as folder:
        decoded = decode(source, demuxer, Path(folder), sample_rate)
        if decoded is None:
            advice = "The recording is damaged and cannot be decoded. Export it again."
            return _reject(judged, "undecodable", advice)
        samples = _judge_decoded(judged, decoded, sample_rate, speech_bounds)
    if judged.status != "rejected":
        _write_wav(clip, samples, sample_rate)
    return judged


def measure(samples: Any, sample_rate: int) -> Measures:
    """Of 16-bit samples `[n]`: levels in dBFS, where a full-scale square wave is 0."""
    if not len(samples):
        return Measures(0.0, -120.0, -120.0, 0.0)
    values = samples.astype(np.float32) / 32768.0
    peak = float(np.abs(values).max())
    rms = float(np.sqrt(np.mean(np.square(values))))
    clipped = float(np.mean(np.abs(values) >= 32766 / 32768))
    return Measures(len(samples) / sample_rate, _dbfs(peak), _dbfs(rms), clipped)


def _judge_decoded(
    judged: Judged, decoded: Decoded, sample_rate: int, speech_bounds: SpeechBounds
) -> Any:
    """Add the issues to `judged`; returns the samples to keep, silence trimmed."""
    samples = decoded.samples
    whole = measure(samples, sample_rate)
    judged.seconds, judged.measures = whole.seconds, whole
    stated = decoded.stated_seconds
    if stated and whole.seconds < min(stated, DECODE_SECONDS) * 0.97 - 0.1:
        judged.add(
            "rejected",
            Issue(
                "truncated",
                "The recording breaks off: the file is shorter than it says. Upload it again.",
                round(whole.seconds, 2),
                round(stated, 2),
            ),
        )
        return samples
    if whole.peak_dbfs < SILENT_PEAK:
        judged.add(
            "rejected",
            Issue(
                "silent",
                "There is nothing to hear. Check the microphone and record it again.",
                round(whole.peak_dbfs, 1),
                SILENT_PEAK,
            ),
        )
        return samples
    samples = _trim(judged, decoded, sample_rate, speech_bounds)
    kept = measure(samples, sample_rate)
    judged.seconds, judged.measures = kept.seconds, kept
    _judge_length(judged, len(samples), sample_rate, stated)
    _judge_level(judged, kept, decoded.source_rate)
    return samples


def _trim(judged: Judged, decoded: Decoded, sample_rate: int, speech_bounds: SpeechBounds) -> Any:
    bounds = speech_bounds(decoded.listening)
    if bounds is None:
        judged.add(
            "look",
            Issue("no_speech", "We hear no speech in it. Listen, and leave it out if that is so."),
        )
        return decoded.samples
    first = max(0.0, bounds[0] / DETECTOR_RATE - KEEP_SILENCE)
    last = bounds[1] / DETECTOR_RATE + KEEP_SILENCE
    samples = decoded.samples[math.floor(first * sample_rate) : math.ceil(last * sample_rate)]
    cut = (len(decoded.samples) - len(samples)) / sample_rate
    if cut > TRIM_NOTICE:
        judged.add(
            "fixed",
            Issue(
                "silence_trimmed",
                "Silence at the ends was cut off. Nothing to do.",
                round(cut, 2),
                TRIM_NOTICE,
            ),
        )
    return samples


def _judge_length(judged: Judged, length: int, sample_rate: int, stated: float | None) -> None:
    seconds = length / sample_rate
    if length < SEGMENT_SIZE:
        judged.add(
            "rejected",
            Issue(
                "too_short",
                "Too short to train on. Join it with its neighbour, or record a longer sentence.",
                round(seconds, 2),
                round(SEGMENT_SIZE / sample_rate, 2),
            ),
        )
    elif seconds > MAX_SECONDS:
        judged.add(
            "rejected",
            Issue(
                "too_long",
                "Too long: one such clip can fill the GPU's memory. Split it at the sentences.",
                round(max(seconds, stated or 0.0), 2),
                MAX_SECONDS,
            ),
        )
    elif seconds > ADVISED_SECONDS:
        judged.add(
            "look",
            Issue(
                "long",
                "Longer than advised. Splitting it at the sentences trains better.",
                round(seconds, 2),
                ADVISED_SECONDS,
            ),
        )


def _judge_level(judged: Judged, measures: Measures, source_rate: int | None) -> None:
    if measures.clipping_ratio > CLIPPING_RATIO:
        judged.add(
            "look",
            Issue(
                "clipping",
                "Parts are louder than the recorder could take, and crackle. "
                "Record it again with less gain.",
                round(measures.clipping_ratio, 4),
                CLIPPING_RATIO,
            ),
        )
    if measures.rms_dbfs < QUIET_RMS:
        judged.add(
            "look",
            Issue(
                "quiet",
                "Very quiet, so its noise is loud beside it. Record it closer to the microphone.",
                round(measures.rms_dbfs, 1),
                QUIET_RMS,
            ),
        )
    if source_rate and source_rate < TELEPHONE_RATE:
        judged.add(
            "look",
            Issue(
                "low_sample_rate",
                "Recorded at telephone quality, and the voice will sound so. "
                "Use the original recording if there is a better one.",
                source_rate,
                TELEPHONE_RATE,
            ),
        )


def _reject(judged: Judged, code: str, advice: str) -> Judged:
    judged.add("rejected", Issue(code, advice))
    return judged


def _write_wav(path: Path, samples: Any, sample_rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.astype("<i2").tobytes())


def _dbfs(level: float) -> float:
    return 20 * math.log10(max(level, 1e-6))

"""Recordings in, standard clips out: 16-bit mono WAV at one rate, measured and judged.

Recordings come from strangers. ffmpeg decodes them in a process of its own, with
the demuxer that the file's first bytes name (never by its extension), no protocol
but `file` and `pipe`, and limits on CPU time, memory, output and wall time.
"""

from __future__ import annotations

import functools
import math
import re
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gpu_agent.engines.base import JobFailed

Status = Literal["ok", "fixed", "look", "rejected"]
SpeechBounds = Callable[[Any], tuple[int, int] | None]

DETECTOR_RATE = 16000  # Hz; what the speech detector listens to
SEGMENT_SIZE = 8192  # samples; Piper's training slice, a shorter clip crashes upstream's training
KEEP_SILENCE = 0.25  # seconds around speech, as piper.train keeps
# Azure's custom voice gate: over 30 s is rejected, up to 15 s advised
# (learn.microsoft.com/azure/ai-services/speech-service/how-to-custom-voice-training-data).
MAX_SECONDS = 30.0
ADVISED_SECONDS = 15.0
DECODE_SECONDS = 90.0  # never decode more: enough to see that a file is too long
SILENT_PEAK = -50.0  # dBFS; a room's noise stays below, the softest speech does not
QUIET_RMS = -40.0  # dBFS; ElevenLabs advises -23 to -18, 20 dB below that noise wins
CLIPPING_RATIO = 0.001  # share of samples at full scale; speech that fits has none
TRIM_NOTICE = 1.0  # seconds of silence cut before it is worth a word
TELEPHONE_RATE = 16000  # Hz; a source below it lacks the band that Piper's lowest quality needs

CPU_SECONDS = 60
WALL_SECONDS = 120
MEMORY_KIB = 2 * 1024 * 1024  # address space; ffmpeg maps about 0.5 GiB of libraries
OUTPUT_BLOCKS = 64 * 1024  # of 512 bytes or 1 KiB, as the shell counts: 32 to 64 MiB


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
        decoded = _decode(source, demuxer, Path(folder), sample_rate)
        if isinstance(decoded, Issue):
            judged.add("rejected", decoded)
            return judged
        samples = _judge_decoded(judged, decoded, sample_rate, speech_bounds)
    if judged.status != "rejected":
        _write_wav(clip, samples, sample_rate)
    return judged


def sniff(path: Path) -> str | None:
    """ffmpeg's name for the container, by magic bytes; None when it is none that we take."""
    with path.open("rb") as file:
        head = file.read(16)
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    # An MPEG audio frame: eleven sync bits, then layer III (bits 01).
    if head[:3] == b"ID3" or (
        len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and (head[1] >> 1) & 3 == 1
    ):
        return "mp3"
    return None


@functools.cache
def ffmpeg_path() -> str:
    """The system's ffmpeg, or the one inside the wheel imageio-ffmpeg."""
    system = shutil.which("ffmpeg")
    if system:
        return system
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise JobFailed(
            "ffmpeg_missing",
            "ffmpeg was found neither in the agent's system nor as the package imageio-ffmpeg. "
            "The administrator has to install one of them.",
        ) from error


def measure(samples: Any, sample_rate: int) -> Measures:
    """Of 16-bit samples `[n]`: levels in dBFS, where a full-scale square wave is 0."""
    if not len(samples):
        return Measures(0.0, -120.0, -120.0, 0.0)
    values = samples.astype(np.float32) / 32768.0
    peak = float(np.abs(values).max())
    rms = float(np.sqrt(np.mean(np.square(values))))
    clipped = float(np.mean(np.abs(values) >= 32766 / 32768))
    return Measures(len(samples) / sample_rate, _dbfs(peak), _dbfs(rms), clipped)


@dataclass(frozen=True)
class _Decoded:
    samples: Any
    """int16 `[n]` at the target rate."""
    listening: Any
    """int16 `[n]` at DETECTOR_RATE."""
    stated_seconds: float | None
    """What the container says that it holds."""
    source_rate: int | None


def _decode(source: Path, demuxer: str, folder: Path, sample_rate: int) -> _Decoded | Issue:
    clip, listening = folder / "clip.raw", folder / "listening.raw"
    out = ["-map", "0:a:0", "-t", str(DECODE_SECONDS), "-ac", "1", "-c:a", "pcm_s16le"]
    command = [
        *("/bin/sh", "-c", _LIMITS, "ffmpeg-with-limits", ffmpeg_path()),
        *("-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", "-y", "-threads", "1"),
        *("-protocol_whitelist", "file,pipe", "-f", demuxer, "-i", f"file:{source}"),
        *(*out, "-ar", str(sample_rate), "-f", "s16le", f"file:{clip}"),
        *(*out, "-ar", str(DETECTOR_RATE), "-f", "s16le", f"file:{listening}"),
    ]
    undecodable = Issue(
        "undecodable", "The recording is damaged and cannot be decoded. Export it again."
    )
    try:
        done = subprocess.run(command, capture_output=True, timeout=WALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return undecodable
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0 or not clip.exists() or not clip.stat().st_size:
        return undecodable
    rate = re.search(r"Stream #0:\d+.*?Audio:.*?(\d+) Hz", said)
    return _Decoded(
        samples=np.fromfile(clip, dtype="<i2"),
        listening=np.fromfile(listening, dtype="<i2"),
        stated_seconds=_wav_seconds(source) if demuxer == "wav" else _stated_seconds(said),
        source_rate=int(rate[1]) if rate else None,
    )


# The shell sets the limits and becomes ffmpeg: a preexec_fn is not safe beside threads.
_LIMITS = f"ulimit -t {CPU_SECONDS}; ulimit -v {MEMORY_KIB}; ulimit -f {OUTPUT_BLOCKS}; " + (
    'ulimit -c 0; exec "$@"'
)


def _judge_decoded(
    judged: Judged, decoded: _Decoded, sample_rate: int, speech_bounds: SpeechBounds
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


def _trim(judged: Judged, decoded: _Decoded, sample_rate: int, speech_bounds: SpeechBounds) -> Any:
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


def _stated_seconds(said: str) -> float | None:
    match = re.search(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", said)
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None


def _wav_seconds(path: Path) -> float | None:
    """By the header; ffmpeg would believe the file's size instead. None when unknown."""
    with path.open("rb") as file:
        head = file.read(64 * 1024)
    at, rate = 12, 0
    while at + 8 <= len(head):
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"fmt " and at + 20 <= len(head):
            rate = int.from_bytes(head[at + 16 : at + 20], "little")  # bytes a second
        if name == b"data":
            # A recorder that streams leaves 0 or the largest number: no statement.
            return size / rate if rate and 0 < size < 0xFFFFFF00 else None
        at += 8 + size + size % 2
    return None


def _write_wav(path: Path, samples: Any, sample_rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.astype("<i2").tobytes())


def _dbfs(level: float) -> float:
    return 20 * math.log10(max(level, 1e-6))

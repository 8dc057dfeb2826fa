"""Decoding what strangers uploaded.

ffmpeg does it in a process of its own, with the demuxer that the file's first bytes
name (never by its extension), no protocol but `file` and `pipe`, and limits on CPU
time, memory, output and wall time.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpu_agent.engines.base import JobFailed

DETECTOR_RATE = 16000  # Hz; what the speech detector listens to
DECODE_SECONDS = 90.0  # never decode more: enough to see that a file is too long

CPU_SECONDS = 60
WALL_SECONDS = 120
MEMORY_KIB = 2 * 1024 * 1024  # address space; ffmpeg maps about 0.5 GiB of libraries
OUTPUT_BLOCKS = 64 * 1024  # of 512 bytes or 1 KiB, as the shell counts: 32 to 64 MiB


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


@dataclass(frozen=True)
class Decoded:
    samples: Any
    """int16 `[n]` at the target rate."""
    listening: Any
    """int16 `[n]` at DETECTOR_RATE."""
    stated_seconds: float | None
    """What the container says that it holds."""
    source_rate: int | None


def decode(source: Path, demuxer: str, folder: Path, sample_rate: int) -> Decoded | None:
    """The recording's first DECODE_SECONDS, by way of files in `folder`; None when it is damaged.

    `sample_rate` in Hz. Raises `JobFailed('ffmpeg_missing')`.
    """
    clip, listening = folder / "clip.raw", folder / "listening.raw"
    out = ["-map", "0:a:0", "-t", str(DECODE_SECONDS), "-ac", "1", "-c:a", "pcm_s16le"]
    command = [
        *("/bin/sh", "-c", _LIMITS, "ffmpeg-with-limits", ffmpeg_path()),
        *("-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", "-y", "-threads", "1"),
        *("-protocol_whitelist", "file,pipe", "-f", demuxer, "-i", f"file:{source}"),
        *(*out, "-ar", str(sample_rate), "-f", "s16le", f"file:{clip}"),
        *(*out, "-ar", str(DETECTOR_RATE), "-f", "s16le", f"file:{listening}"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, timeout=WALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0 or not clip.exists() or not clip.stat().st_size:
        return None
    rate = re.search(r"Stream #0:\d+.*?Audio:.*?(\d+) Hz", said)
    return Decoded(
        samples=np.fromfile(clip, dtype="<i2"),
        listening=np.fromfile(listening, dtype="<i2"),
        stated_seconds=_wav_seconds(source) if demuxer == "wav" else _stated_seconds(said),
        source_rate=int(rate[1]) if rate else None,
    )


# The shell sets the limits and becomes ffmpeg: a preexec_fn is not safe beside threads.
_LIMITS = f"ulimit -t {CPU_SECONDS}; ulimit -v {MEMORY_KIB}; ulimit -f {OUTPUT_BLOCKS}; " + (
    'ulimit -c 0; exec "$@"'
)


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

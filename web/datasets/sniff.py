"""What a file is, by its first bytes; its name only decides between kinds of text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

HEAD_BYTES = 4096

AUDIO_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "webm": "audio/webm",
}
AUDIO_EXTENSIONS = frozenset(
    {".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".webm"}
    | {".mka", ".mkv", ".weba", ".wma", ".aif", ".aiff", ".amr", ".m3u8", ".m3u"}
)
TABLE_EXTENSIONS = frozenset({".csv", ".tsv"})
TEXT_EXTENSION = ".txt"
FORMATS_IN_WORDS = "WAV, FLAC, MP3, OGG, Opus, M4A or WebM"

Content = Literal["audio", "metadata", "zip", "tar", "tar.gz"]


@dataclass(frozen=True)
class Found:
    content: Content
    format: str = ""
    """Of a recording: a key of AUDIO_TYPES."""


@dataclass(frozen=True)
class Refused:
    code: str
    reason: str


def look_at(name: str, head: bytes) -> Found | Refused:
    """Judge a file by its name and its first HEAD_BYTES bytes."""
    suffix = PurePosixPath(name).suffix.lower()
    if not head:
        return Refused("empty", "The file is empty (0 bytes). Upload it again.")
    audio = audio_format(head)
    if audio and suffix not in TABLE_EXTENSIONS | {TEXT_EXTENSION}:
        return Found("audio", audio)
    archive = _archive(head)
    if archive:
        return archive
    if suffix in TABLE_EXTENSIONS and not audio:
        return Found("metadata")
    if suffix == TEXT_EXTENSION and not audio:
        if any(mark in head for mark in (b"|", b"\t")):
            return Found("metadata")
        return Refused(
            "not_transcripts",
            "A text file is read as transcripts only with lines such as '0001|What is said.'.",
        )
    return _not_taken(suffix, audio)


def audio_format(head: bytes) -> str | None:
    """The recording's container, a key of AUDIO_TYPES, or None."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[4:8] == b"ftyp":
        return "m4a"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm"
    if head[:3] == b"ID3" or _is_mp3_frame(head):
        return "mp3"
    return None


def _is_mp3_frame(head: bytes) -> bool:
    """Eleven sync bits, layer III, and neither the forbidden bit rate nor sample rate."""
    return (
        len(head) > 3
        and head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and (head[1] >> 1) & 3 == 1
        and head[2] >> 4 != 15
        and (head[2] >> 2) & 3 != 3
    )


def _archive(head: bytes) -> Found | Refused | None:
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return Found("zip")
    if head[:2] == b"\x1f\x8b":
        return Found("tar.gz")
    if head[257:262] == b"ustar":
        return Found("tar")
    others = (b"Rar!", b"7z\xbc\xaf\x27\x1c", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
    if head.startswith(others):
        return Refused(
            "archive_type", "This kind of archive is not read. Pack the files as .zip or .tar.gz."
        )
    return None


def _not_taken(suffix: str, audio: str | None) -> Refused:
    if audio:
        return Refused(
            "mislabelled",
            f"Its name says text, but it is a recording ({audio}). Rename it and upload it again.",
        )
    if suffix in AUDIO_EXTENSIONS:
        return Refused(
            "not_audio",
            "This is not a recording in a format that we read, whatever its name says. "
            f"Use {FORMATS_IN_WORDS}.",
        )
    return Refused(
        "unknown_type",
        f"Neither a recording ({FORMATS_IN_WORDS}) nor transcripts (metadata.csv).",
    )

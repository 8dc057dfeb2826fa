"""Transcripts as LJSpeech writes them: `id|text`, or `id|text|normalised text`.

Quotes mean nothing here (csv.QUOTE_NONE): csv.reader's usual mode merges rows on a
stray quote. With three columns the last one that has text counts: in LJSpeech that
is the text with numbers written out, and in lists with a speaker in the middle it
is the text too.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

LONGEST_TEXT = 2000  # characters; 30 s of speech have about 500
LONGEST_ID = 255
_FIRST_CELLS = frozenset(
    [
        "id",
        "ids",
        "file",
        "files",
        "filename",
        "file_name",
        "filepath",
        "path",
        "audio",
        "audio_file",
        "audio_path",
        "wav",
        "wavs",
        "wav_file",
        "wav_filename",
        "name",
        "clip",
        "utterance",
        "utterance_id",
    ]
)
_LAST_CELLS = frozenset(
    [
        "text",
        "transcript",
        "transcription",
        "transcripts",
        "sentence",
        "sentences",
        "normalized",
        "normalised",
        "normalized_text",
        "normalised_text",
        "normalized_transcription",
        "phrase",
    ]
)


@dataclass(frozen=True)
class Row:
    line: int
    """From 1."""
    id: str
    text: str


@dataclass(frozen=True)
class Fault:
    """Something of the transcripts or recordings that was not taken."""

    name: str
    code: str
    reason: str

    def entry(self) -> dict[str, str]:
        return {"name": self.name, "code": self.code, "reason": self.reason}


@dataclass
class Transcript:
    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def parse(data: bytes, file_name: str) -> Transcript:
    """Read a file of transcripts; never raises, whatever is in it."""
    result = Transcript()
    lines = _lines(data, file_name, result.warnings)
    separator = _separator(lines)
    seen: dict[str, int] = {}
    first = True
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(separator)]
        if first and _is_header(cells):
            first = False
            continue
        first = False
        row = _row(number, cells, separator, file_name)
        if isinstance(row, Fault):
            result.faults.append(row)
        elif row.id in seen:
            result.faults.append(
                Fault(
                    row.id,
                    "duplicate_id",
                    f"{file_name}, line {number}: the id is in line {seen[row.id]} already, "
                    "which was taken. Remove one of the two.",
                )
            )
        else:
            seen[row.id] = number
            result.rows.append(row)
    return result


def _has_commas(cells: list[str]) -> bool:
    """Whether a line without separators looks like one of comma-separated values."""
    return len(cells) == 1 and "," in cells[0]


def _row(number: int, cells: list[str], separator: str, file_name: str) -> Row | Fault:
    where = f"{file_name}, line {number}"
    name = clean_text(cells[0])[:LONGEST_ID]
    if any("\x00" in cell for cell in cells):
        return Fault(
            name or where, "nul", f"{where} has NUL bytes: the file is damaged. Save it again."
        )
    if len(cells) not in (2, 3):
        mark = "<tab>" if separator == "\t" else separator
        return Fault(
            name if len(cells) > 1 and name else where,
            "columns",
            f"{where} has {len(cells)} column{'s' * (len(cells) != 1)}; write it as 'id{mark}text'"
            f" or 'id{mark}text{mark}normalised text'."
            + (" Commas separate nothing, since texts have them." if _has_commas(cells) else ""),
        )
    if not name or len(cells[0]) > LONGEST_ID:
        return Fault(where, "no_id", f"{where} names no recording in its first column.")
    text = clean_text(next((cell for cell in reversed(cells[1:]) if clean_text(cell)), ""))
    if not text:
        return Fault(name, "no_text", f"{where} has no text. Write what is said.")
    if len(text) > LONGEST_TEXT:
        return Fault(
            name,
            "text_too_long",
            f"{where} has {len(text)} characters of text, more than the {LONGEST_TEXT} that one "
            "recording can hold. Split it at the sentences.",
        )
    return Row(number, name, text)


def clean_text(text: str) -> str:
    """One line of composed Unicode without control characters, single spaces between words."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if unicodedata.category(c) in {"Cc", "Cs"} else c for c in text)
    return " ".join(text.split())


def _is_header(cells: list[str]) -> bool:
    first, last = cells[0].strip('"').lower(), cells[-1].strip('"').lower()
    return len(cells) > 1 and first in _FIRST_CELLS and last in _LAST_CELLS


def _separator(lines: list[str]) -> str:
    """`|`, unless more lines have a tab."""
    found = Counter(mark for line in lines for mark in "|\t" if mark in line)
    return "\t" if found["\t"] > found["|"] else "|"


def _lines(data: bytes, file_name: str, warnings: list[str]) -> list[str]:
    """Decoded lines. Only CR, LF and CRLF end one: U+2028 and others are text."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            warnings.append(f"{file_name} is UTF-16 and was read as that; save it as UTF-8.")
            return re.split("\r\n|\n|\r", data[2:].decode(encoding, "replace"))
    data = data.removeprefix(codecs.BOM_UTF8)
    lines, foreign = [], []
    for number, raw in enumerate(re.split(b"\r\n|\n|\r", data), start=1):
        try:
            lines.append(raw.decode())
        except UnicodeDecodeError:
            # By the line: one bad byte must not garble a file that is UTF-8 elsewhere.
            lines.append(_latin(raw))
            foreign.append(number)
    if foreign:
        some = ", ".join(str(number) for number in foreign[:5])
        more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
        warnings.append(
            f"{file_name} is not all UTF-8: line{'s' * (len(foreign) > 1)} {some}{more} "
            f"{'were' if len(foreign) > 1 else 'was'} read as Latin-1 (Windows-1252). Check the "
            "accents, and save it as UTF-8."
        )
    return lines


def _latin(raw: bytes) -> str:
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")

"""File names from strangers: which are refused, and how they are shown."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from web.datasets.sniff import Refused

LONGEST = 255  # characters; the column's width
# Windows opens a device for these, whatever the extension or the folder.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


def cleaned(name: str) -> str:
    """Composed Unicode (NFC: macOS packs names decomposed), without a leading `./`."""
    name = unicodedata.normalize("NFC", name)
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def refusal(name: str) -> Refused | None:
    """Why a name from an archive is not taken; None when it is."""
    parts = name.split("/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return Refused("absolute_name", "Its name is an absolute path. Pack it by a relative one.")
    if ".." in parts:
        return Refused("path_escape", "Its name leads out of the archive ('..'). Pack it without.")
    if any(_is_hidden_character(character) for character in name):
        return Refused("control_character", "Its name has invisible characters. Rename it.")
    if "\\" in name:
        return Refused("backslash", "Its name has a backslash. Pack it with '/' between folders.")
    if any(_DEVICE.fullmatch(part.strip(" .")) for part in parts):
        return Refused("device_name", "Its name means a device on Windows. Rename it.")
    if not parts[-1].strip() or len(name) > LONGEST:
        return Refused("name_length", f"Its name is empty or over {LONGEST} characters long.")
    return None


def is_junk(name: str) -> bool:
    """What systems add to archives unasked: `__MACOSX/`, `.DS_Store`, `Thumbs.db`."""
    return any(
        part.lower() in _JUNK or (part.startswith(".") and part not in {".", ".."})
        for part in name.split("/")
    )


def shown(name: str) -> str:
    """A hostile name, safe to print: what can't be seen becomes `\\ufffd`."""
    visible = (c if not _is_hidden_character(c) else "\N{REPLACEMENT CHARACTER}" for c in name)
    return "".join(visible)[:LONGEST] or "(no name)"


def key_part(name: str) -> str:
    """The last part of a name in plain ASCII, at most 80 characters, for an object's key."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", PurePosixPath(name).name)
    return plain[-80:].lstrip(".") or "file"


def _is_hidden_character(character: str) -> bool:
    """Control (Cc), format such as the right-to-left override (Cf), half a surrogate (Cs),
    line and paragraph separators (Zl, Zp). Joiners (U+200C, U+200D) spell words in Persian."""
    return (
        unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        and character not in "\u200c\u200d"
    )

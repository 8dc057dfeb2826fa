"""Secrets that are made once and kept, one file each, for this user's eyes only."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


class SecretFiles:
    """A folder of mode 0700 with files of mode 0600."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder

    def get(self, name: str) -> str:
        """The secret of this name; made up (256 bits, letters and digits) the first time."""
        path = self.folder / name
        if not path.exists():
            write_private(path, secrets.token_hex(32))
        return path.read_text(encoding="utf-8").strip()


def write_private(path: Path, text: str) -> None:
    """Replaces a file at once and never leaves it readable by others, nor half written."""
    beside = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)

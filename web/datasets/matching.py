"""Which recording a row of the transcripts means.

Tolerant where people are: with or without extension or folder, other case, other
Unicode normal form. Never a guess: two that fit equally well are both returned.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from web.datasets.sniff import AUDIO_EXTENSIONS

T = TypeVar("T")


@dataclass(frozen=True)
class _Path:
    parts: tuple[str, ...]
    """Folders and the bare name, folded, the name first: `("0001", "wavs")`."""
    suffix: str
    written: str
    """Without extension, as the user wrote it."""


def _path(name: str) -> _Path:
    name = unicodedata.normalize("NFC", name.replace("\\", "/"))
    bare, dot, extension = name.rpartition(".")
    suffix = f".{extension.casefold()}"
    if not dot or suffix not in AUDIO_EXTENSIONS:
        bare, suffix = name, ""
    parts = [part for part in bare.split("/") if part not in {"", "."}]
    folded = (unicodedata.normalize("NFC", part.casefold()) for part in reversed(parts))
    return _Path(tuple(folded), suffix, "/".join(parts))


class Recordings(Generic[T]):
    """Recordings by the names that a row may give them."""

    def __init__(self, recordings: Iterable[tuple[str, T]]) -> None:
        self._by_name: dict[str, list[tuple[_Path, T]]] = defaultdict(list)
        for name, recording in recordings:
            path = _path(name)
            if path.parts:
                self._by_name[path.parts[0]].append((path, recording))

    def find(self, row_id: str) -> list[T]:
        """The recordings that fit best: none, one, or several that can't be told apart."""
        wanted = _path(row_id)
        if not wanted.parts:
            return []
        found = [
            (path, recording)
            for path, recording in self._by_name.get(wanted.parts[0], ())
            if _fits(path.parts, wanted.parts)
        ]
        # Each test chooses among what the one before left, and only where it leaves any.
        tests = (
            lambda path: path.parts == wanted.parts,
            lambda path: len(path.parts) >= len(wanted.parts),
            lambda path: path.suffix == wanted.suffix,
            lambda path: path.written.split("/")[-1] == wanted.written.split("/")[-1],
            lambda path: path.written == wanted.written,
        )
        for test in tests:
            better = [(path, recording) for path, recording in found if test(path)]
            found = better or found
        return [recording for _, recording in found]


def _fits(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the shorter path is the end of the longer: `wavs/0001` and `0001` agree,
    `a/0001` and `b/0001` don't."""
    return all(a == b for a, b in zip(one, other, strict=False))

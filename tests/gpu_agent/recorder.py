"""A `Reporter` that remembers, and wishes at chosen steps."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from gpu_agent.engines.base import Wish


class Recorder:
    def __init__(self, folder: Path, wishes: Mapping[int, Wish] | None = None) -> None:
        self.folder = folder
        self.wishes = dict(wishes or {})
        """By how many looks came before: a training looks once after every step."""
        self.looks = 0
        self.points: list[tuple[int, dict[str, float]]] = []
        self.fractions: list[float] = []
        self.etas: list[float | None] = []
        self.logs: list[str] = []
        self.samples: list[tuple[int, str, Path]] = []
        self.checkpoints: list[tuple[int, Path, dict[str, float]]] = []

    def progress(self, fraction: float, eta_seconds: float | None = None, note: str = "") -> None:
        self.fractions.append(fraction)
        self.etas.append(eta_seconds)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.points.append((step, dict(values)))

    def log(self, text: str, level: str = "info") -> None:
        self.logs.append(text)

    def sample(self, path: Path, *, step: int, index: int, text: str, seconds: float) -> None:
        self.samples.append((step, text, self._copy(path)))

    def checkpoint(self, path: Path, *, step: int, epoch: int, scores: Mapping[str, float]) -> None:
        self.checkpoints.append((step, self._copy(path), dict(scores)))

    def wish(self) -> Wish | None:
        self.looks += 1
        return self.wishes.get(self.looks)

    def _copy(self, path: Path) -> Path:
        """As an upload: the original may go away afterwards."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(path, self.folder / path.name))

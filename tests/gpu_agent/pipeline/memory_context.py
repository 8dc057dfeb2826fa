"""A `Context` that keeps everything in a folder: it stands for the portal, not for our code."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from gpu_agent.pipeline.context import InputFile, OutputFile, StoredFile, Wish


class FolderContext:
    """What stages hand over lies in `kept`, copied as an upload would."""

    device = "cpu"

    def __init__(self, folder: Path, inputs: Mapping[str, Path], resume: Path | None = None):
        self.work_dir = folder / "work"
        self.cache_dir = folder / "cache"
        self.store = folder / "store"
        for path in (self.work_dir, self.cache_dir, self.store):
            path.mkdir(parents=True, exist_ok=True)
        self._sources = dict(inputs)
        self.inputs = {name: describe(name, path) for name, path in inputs.items()}
        self.resume = {"resume.ckpt": describe("resume.ckpt", resume)} if resume else {}
        if resume:
            self._sources["resume.ckpt"] = resume
        self.resume_step = 0
        self.stages: list[str] = []
        self.fractions: list[float] = []
        self.etas: list[float | None] = []
        self.notes: list[str] = []
        self.points: list[tuple[int, dict[str, float]]] = []
        self.logs: list[str] = []
        self.kept: dict[str, list[tuple[str, Path]]] = {}
        self.samples: list[dict[str, object]] = []
        self.checkpoints: list[tuple[int, Path, dict[str, float]]] = []
        self.fetched: list[str] = []
        self.wishes: dict[int, Wish] = {}
        """By the look at which it is made, counted from the training's beginning: the second look
        is after its first step. 0 for at once."""
        self._looks = 0

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, fraction: float, eta_seconds: float | None = None, note: str = "") -> None:
        self.fractions.append(fraction)
        self.etas.append(eta_seconds)
        self.notes.append(note)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.points.append((step, dict(values)))

    def log(self, text: str, level: str = "info") -> None:
        self.logs.append(text)

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        paths = {}
        for name in names:
            paths[name] = self.work_dir / "inputs" / name
            paths[name].parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._sources[name], paths[name])
            self.fetched.append(name)
        return paths

    def keep(self, files: Sequence[OutputFile]) -> list[StoredFile]:
        stored = []
        for file in files:
            name = file.name or file.path.name
            path = self.store / file.role / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, path)
            self.kept.setdefault(file.role, []).append((name, path))
            described = describe(name, path)
            stored.append(StoredFile(name, file.role, described.sha256, described.size))
        return stored

    def sample(self, path: Path, *, step: int, index: int, text: str, seconds: float) -> None:
        self.samples.append({"step": step, "index": index, "text": text, "seconds": seconds})
        self.keep([OutputFile(path, "sample")])

    def checkpoint(self, path: Path, *, step: int, epoch: int, scores: Mapping[str, float]) -> None:
        self.keep([OutputFile(path, "checkpoint")])
        self.checkpoints.append((step, self.store / "checkpoint" / path.name, dict(scores)))

    def wish(self) -> Wish | None:
        if self.wishes.get(0) == "release":
            return "release"
        if "train" in self.stages:
            self._looks += 1
            return self.wishes.pop(self._looks, None)
        return self.wishes.pop(0, None)


def describe(name: str, path: Path) -> InputFile:
    content = path.read_bytes()
    return InputFile(name, len(content), hashlib.sha256(content).hexdigest())

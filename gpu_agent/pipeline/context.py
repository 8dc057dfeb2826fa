"""What a stage may ask of the world: report, fetch, keep. Nothing else.

The child process that runs the stages has no network and no credentials; the
parent answers these calls (see `runtime/job_runner.py` and `channel.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Defined below the pipeline, so that engines can raise them too.
from gpu_agent.engines.base import JobFailed, Released, Wish

__all__ = ["Context", "InputFile", "JobFailed", "OutputFile", "Released", "StoredFile", "Wish"]


@dataclass(frozen=True)
class InputFile:
    name: str
    """Path below the job's inputs folder, such as `audio/3.wav`."""
    size: int
    sha256: str


@dataclass(frozen=True)
class OutputFile:
    path: Path
    role: str
    name: str = ""
    """Name of the object; the path's last part when empty."""


@dataclass(frozen=True)
class StoredFile:
    name: str
    role: str
    sha256: str
    size: int


class Context(Protocol):
    """Everything that a stage can do besides computing."""

    work_dir: Path
    """Scratch of this job on this host; survives a restart of the agent."""
    cache_dir: Path
    """Shared by all jobs of this host, content-addressed, may vanish."""
    device: str
    """`cpu` or `cuda:0`."""

    @property
    def inputs(self) -> Mapping[str, InputFile]: ...

    @property
    def resume(self) -> Mapping[str, InputFile]: ...

    resume_step: int

    def stage(self, name: str) -> None:
        """A stage begins; the one before has ended."""

    def progress(self, fraction: float, eta_seconds: float | None = None, note: str = "") -> None:
        """Fraction of the whole job, 0..1. Lossy: the latest wins."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...

    def log(self, text: str, level: str = "info") -> None: ...

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        """Download inputs (or resume files) and return where they lie. Blocks.

        Raises `Released` when the job is taken back meanwhile.
        """

    def keep(self, files: Sequence[OutputFile]) -> list[StoredFile]:
        """Upload outputs; each becomes part of the manifest. Blocks until stored."""

    def sample(self, path: Path, *, step: int, index: int, text: str, seconds: float) -> None:
        """Upload and announce a rendered sentence. Blocks until stored."""

    def checkpoint(self, path: Path, *, step: int, epoch: int, scores: Mapping[str, float]) -> None:
        """Upload and announce a checkpoint. Blocks until stored."""

    def wish(self) -> Wish | None:
        """What the portal or the host asked for since the last look. `release` stays set."""

"""The agent's folder on this host, and what keeps it from filling the disk.

<work dir>/lock               held by the running agent
<work dir>/jobs/<job id>/     job.json, inputs/, scratch/, tmp/
<work dir>/cache/blobs/       inputs and voices by sha256, shared by hard links
<work dir>/cache/stages/      what the stages cache for themselves
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

import structlog

log = structlog.get_logger(__name__)

# A job that was given back may return to this host and then need not fetch again.
KEEP_JOBS_SECONDS = 24 * 3600.0


class WorkDirBusy(Exception):
    """Another agent runs in this folder."""


class Workspace:
    def __init__(self, folder: Path, cache_bytes: int) -> None:
        self.folder = folder
        self.jobs = folder / "jobs"
        self.blobs = folder / "cache" / "blobs"
        self.stage_cache = folder / "cache" / "stages"
        self._cache_bytes = cache_bytes
        self._lock: int | None = None

    def open(self) -> None:
        """Raises `WorkDirBusy`, and `OSError` when the folder can't be made or written."""
        for folder in (self.jobs, self.blobs, self.stage_cache):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WorkDirBusy(
                f"Another agent already works in {self.folder}; "
                "give each agent a SYRINX_WORK_DIR of its own."
            ) from error

    def job_folder(self, job_id: str) -> Path:
        """Raises `ValueError` for an id that is no plain file name."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", job_id):
            raise ValueError(f"{job_id!r} is no job id")
        return self.jobs / job_id

    def remove_old_jobs(self, running: Collection[str]) -> int:
        """Folders of jobs that were not started here lately; returns how many went."""
        removed = 0
        for folder in list(self.jobs.iterdir()):
            started = folder / "job.json"
            age = time.time() - _modified(started if started.exists() else folder)
            if folder.name not in running and age > KEEP_JOBS_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        return removed

    def blob(self, sha256: str) -> Path:
        """Raises `ValueError` for what is no sha256."""
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ValueError(f"{sha256!r} is no sha256")
        return self.blobs / sha256[:2] / sha256

    def prune_cache(self, *, idle: bool) -> int:
        """Remove what was used longest ago until the rest fits; returns bytes removed.

        While a job runs (not `idle`) only blobs go: a running job holds hard
        links of its own to those, but may be about to read from the stages' cache.
        """
        files = list(_files(self.folder / "cache"))
        excess = sum(size for _, size, _ in files) - self._cache_bytes
        removed = 0
        for _, size, path in sorted(files):
            if removed >= excess:
                break
            if idle or self.blobs in path.parents:
                path.unlink(missing_ok=True)
                removed += size
        if removed:
            log.info("cache pruned", bytes=removed)
        return removed


def below(folder: Path, name: str) -> Path:
    """`folder/name` for a name from outside. Raises `ValueError` when it would leave the folder."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError(f"{name!r} is not a name below a folder")
    return folder.joinpath(*path.parts)


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """(last use, bytes, path)"""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with contextlib.suppress(FileNotFoundError):
                found = path.lstat()
                yield max(found.st_mtime, found.st_atime), found.st_size, path


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()

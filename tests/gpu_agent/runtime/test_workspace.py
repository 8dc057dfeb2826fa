"""The agent's folder, and what keeps it from filling the disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gpu_agent.runtime.workspace import KEEP_JOBS_SECONDS, WorkDirBusy, Workspace, below


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "agent", cache_bytes=1000)
    workspace.open()
    return workspace


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def blob(workspace: Workspace, digit: str, size: int, seconds_old: float) -> Path:
    path = workspace.blob(digit * 64)
    path.parent.mkdir()
    path.write_bytes(b"x" * size)
    age(path, seconds_old)
    return path


def test_the_folder_is_private_and_of_one_agent(workspace: Workspace) -> None:
    assert workspace.jobs.stat().st_mode & 0o077 == 0
    with pytest.raises(WorkDirBusy, match="SYRINX_WORK_DIR"):
        Workspace(workspace.folder, 0).open()


def test_what_was_used_longest_ago_goes_first(workspace: Workspace) -> None:
    old = blob(workspace, "a", 600, seconds_old=100)
    new = blob(workspace, "b", 600, seconds_old=1)
    assert workspace.prune_cache(idle=True) == 600
    assert not old.exists() and new.exists()


def test_a_cache_that_fits_is_left_alone(workspace: Workspace) -> None:
    path = blob(workspace, "a", 1000, seconds_old=100)
    assert workspace.prune_cache(idle=True) == 0
    assert path.exists()


def test_the_stages_cache_is_not_touched_while_a_job_runs(workspace: Workspace) -> None:
    features = workspace.stage_cache / "features"
    features.write_bytes(b"x" * 2000)
    assert workspace.prune_cache(idle=False) == 0
    assert workspace.prune_cache(idle=True) == 2000


def test_old_jobs_go_and_running_ones_stay(workspace: Workspace) -> None:
    for name in ("old", "running", "new"):
        folder = workspace.job_folder(name)
        folder.mkdir()
        (folder / "job.json").write_text("{}")
        age(folder / "job.json", 0 if name == "new" else KEEP_JOBS_SECONDS + 60)
    assert workspace.remove_old_jobs({"running"}) == 1
    assert sorted(os.listdir(workspace.jobs)) == ["new", "running"]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", ".", "a\0b"])
def test_a_name_does_not_leave_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a name below"):
        below(tmp_path, name)


@pytest.mark.parametrize("job_id", ["", "..", "a/b", "x" * 65])
def test_a_job_id_is_a_plain_name(workspace: Workspace, job_id: str) -> None:
    with pytest.raises(ValueError, match="no job id"):
        workspace.job_folder(job_id)

"""Checkpoints from elsewhere: old ones load, poisoned ones run nothing."""

from __future__ import annotations

import pathlib
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from gpu_agent.engines.base import JobFailed
from gpu_agent.engines.piper import base_voice, checkpoints, model


@pytest.fixture
def rhasspy(tiny: str, tmp_path: Path) -> Path:
    """As piper_train of 2023 wrote them: paths and hyperparameters that nobody knows today."""
    built = model.build(model.architecture(tiny))
    path = tmp_path / "epoch=2164.ckpt"
    torch.save(
        {
            "epoch": 2164,
            "global_step": 1355540,
            "pytorch-lightning_version": "1.7.7",
            "state_dict": built.state_dict(),
            "hyper_parameters": {
                **model.architecture(tiny),
                "sample_bytes": 2,
                "channels": 1,
                "dataset": [pathlib.PosixPath("/home/somebody/dataset.jsonl")],
                "seed": 1234,
            },
        },
        path,
    )
    return path


def test_an_old_checkpoint_becomes_a_base(rhasspy: Path, tmp_path: Path) -> None:
    base = base_voice.from_checkpoint(rhasspy, tmp_path / "base")
    assert base.parameters_fresh == 0 and base.parameters_found > 600
    assert (base.sample_rate, base.language) == (22050, "en-us")
    assert base.sample.stat().st_size > 1000


class Poison:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (pathlib.Path.touch, (self.target,))


class Command:
    def __reduce__(self) -> Any:
        import os

        return (os.system, ("true",))


def test_a_poisoned_checkpoint_runs_nothing_and_is_refused(tmp_path: Path) -> None:
    for number, poison in enumerate([Poison(tmp_path / "touched"), Command()]):
        path = tmp_path / f"{number}.ckpt"
        torch.save({"state_dict": {}, "callbacks": poison}, path)
        with pytest.raises(JobFailed) as refused:
            checkpoints.load(path)
        assert refused.value.code == "checkpoint_unsafe"
        assert "weights_only" not in refused.value.message
        assert "was refused" in refused.value.message
    assert not (tmp_path / "touched").exists()


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, rhasspy: Path) -> None:
    for name, content in {
        "empty": b"",
        "text": b"hello",
        "half": rhasspy.read_bytes()[:5000],
        "pickle": pickle.dumps({"a": 1}),
        "rubbish": bytes(range(255, 0, -1)) * 9,
    }.items():
        path = tmp_path / f"{name}.ckpt"
        path.write_bytes(content)
        with pytest.raises(JobFailed) as refused:
            checkpoints.load(path)
        assert refused.value.code == "checkpoint_unreadable"
    with zipfile.ZipFile(tmp_path / "zip.ckpt", "w") as file:
        file.writestr("a.txt", "hello")
    with pytest.raises(JobFailed) as refused:
        checkpoints.load(tmp_path / "zip.ckpt")
    assert refused.value.code == "checkpoint_unreadable"


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.ckpt"
    torch.save({"state_dict": {"layer.weight": torch.zeros(2)}, "hyper_parameters": {}}, path)
    with pytest.raises(JobFailed) as refused:
        base_voice.from_checkpoint(path, tmp_path / "base")
    assert refused.value.code == "checkpoint_not_piper"
    torch.save([1, 2], path)
    with pytest.raises(JobFailed) as refused:
        checkpoints.load(path)
    assert refused.value.code == "checkpoint_not_piper"

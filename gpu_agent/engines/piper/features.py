"""What a training reads of each utterance, computed once and cached by content.

The name of a cache entry is the sha256 of the clip's bytes, the phoneme ids and the
settings. Upstream's is row number and text, so it serves old audio after a
re-recording, and the wrong row after an insertion.
"""

from __future__ import annotations

import hashlib
import json
import os
import wave
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
from piper.train.vits.mel_processing import spectrogram_torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from gpu_agent.engines.base import Features, JobFailed, Prepared, Utterance
from gpu_agent.engines.phonemizer import Phonemizer, phoneme_ids

VERSION = 1  # of the cache's format; raise it when the features change
MAX_PHONEMES = 1600  # ids of one utterance; attention is quadratic in them, 30 s of speech has 1200
# A character of text lasts at least this long even in the fastest speech (about 30 characters
# a second); less audio than frames for the phonemes has no monotonic alignment at all.


def prepare(
    utterances: Sequence[Utterance],
    *,
    language: str,
    id_map: Mapping[str, Sequence[int]],
    hparams: Mapping[str, Any],
    segment_size: int,
    phonemizer: Phonemizer,
    cache_dir: Path,
    tick: Callable[[int], None],
) -> Prepared:
    """Features of every utterance that can be trained on.

    `tick(done)` is called after each. An utterance that is missing, too short or too
    long is dropped with a reason, never met in the middle of an epoch.
    """
    prepared = Prepared([])
    unknown: Counter[str] = Counter()
    settings = {
        "version": VERSION,
        **{key: hparams[key] for key in ("sample_rate",)},
        **{key: hparams.get(key, value) for key, value in _STFT.items()},
    }

    def one(utterance: Utterance) -> Features | str:
        ids, missing = phoneme_ids(phonemizer.phonemize(utterance.text, language), id_map)
        unknown.update(missing)
        return _features(utterance, ids, settings, segment_size, cache_dir)

    # Threads: the work is in libraries that release the interpreter's lock.
    with ThreadPoolExecutor(max_workers=max(1, os.cpu_count() or 1)) as pool:
        for done, (utterance, outcome) in enumerate(
            zip(utterances, pool.map(one, utterances), strict=True), start=1
        ):
            if isinstance(outcome, str):
                prepared.dropped.append((utterance.id, outcome))
            else:
                prepared.features.append(outcome)
            tick(done)
    prepared.unknown_phonemes.update(unknown)
    return prepared


_STFT = {"filter_length": 1024, "hop_length": 256, "win_length": 1024}


def _features(
    utterance: Utterance,
    ids: list[int],
    settings: Mapping[str, Any],
    segment_size: int,
    cache_dir: Path,
) -> Features | str:
    try:
        content = utterance.clip.read_bytes()
    except OSError:
        return "its recording is missing"
    if len(ids) > MAX_PHONEMES:
        return f"its text is too long ({len(ids)} phonemes)"
    key = hashlib.sha256(content)
    key.update(json.dumps([ids, settings], sort_keys=True).encode())
    name = key.hexdigest()
    path = cache_dir / "features" / name[:2] / f"{name}.safetensors"
    entry = _cached(utterance, path)
    if entry is None:
        made = _make(utterance.clip, ids, settings, path)
        if isinstance(made, str):
            return made
        entry = Features(utterance.id, path, made, len(ids))
    if entry.frames * settings["hop_length"] < segment_size:
        return f"it is shorter than one training segment ({segment_size} samples)"
    if entry.frames < entry.phonemes:
        return "it is too short for so much text"
    return entry


def _cached(utterance: Utterance, path: Path) -> Features | None:
    try:
        with safe_open(path, framework="pt") as file:
            frames = file.get_slice("spectrogram").get_shape()[1]
            phonemes = file.get_slice("phoneme_ids").get_shape()[0]
    except (OSError, SafetensorError):
        return None
    os.utime(path)  # so that a cache that is pruned by age keeps what is used
    return Features(utterance.id, path, frames, phonemes)


def _make(clip: Path, ids: list[int], settings: Mapping[str, Any], path: Path) -> int | str:
    """Write the cache entry; returns its number of frames, or a reason."""
    try:
        audio = read_wav(clip, settings["sample_rate"])
    except (wave.Error, EOFError) as error:
        return f"its recording cannot be read ({error})"
    if len(audio) < settings["win_length"]:
        return "it is empty"
    samples = torch.from_numpy(audio.astype(np.float32) / 32768.0)
    spectrogram = spectrogram_torch(
        samples.unsqueeze(0),
        settings["filter_length"],
        settings["sample_rate"],
        settings["hop_length"],
        settings["win_length"],
        center=False,
    ).squeeze(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.{id(samples)}.tmp")
    save_file(
        {
            "audio": torch.from_numpy(audio.copy()),
            "spectrogram": spectrogram.contiguous(),
            "phoneme_ids": torch.tensor(ids, dtype=torch.int64),
        },
        partial,
    )
    partial.replace(path)
    return int(spectrogram.shape[1])


def read_wav(path: Path, sample_rate: int) -> Any:
    """int16 `[samples]` of a 16-bit mono WAV, brought down to `sample_rate` Hz from a higher rate.

    Datasets are prepared once, at the rate of Piper's better qualities. Raises
    `JobFailed('clip_format')` for a lower rate or another width: clips come from our own
    prepare job.
    """
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
        if rate < sample_rate or (file.getsampwidth(), file.getnchannels()) != (2, 1):
            raise JobFailed(
                "clip_format",
                f"{path.name} is not 16-bit mono at {sample_rate} Hz or more: the dataset was "
                "prepared for another quality. Prepare it again.",
            )
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    if rate == sample_rate:
        return samples
    lower = librosa.resample(samples.astype(np.float32), orig_sr=rate, target_sr=sample_rate)
    return np.clip(np.rint(lower), -32768, 32767).astype("<i2")

"""Batches: seeded, in length buckets, and able to go on in the middle of an epoch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from piper.train.vits.dataset import UtteranceCollate, UtteranceTensors
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset, Sampler

from gpu_agent.engines.base import Features

# Batches are cut from runs of this many batches' worth of shuffled utterances sorted by
# length: little padding, and still other neighbours in every epoch.
BUCKET_BATCHES = 8
MAX_VALIDATION = 64  # utterances; more would only cost time


class UtteranceFiles(Dataset[UtteranceTensors]):
    """Reads one utterance at a time from the feature cache."""

    def __init__(self, features: Sequence[Features]) -> None:
        self.features = list(features)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> UtteranceTensors:
        tensors: dict[str, Any] = load_file(self.features[index].path)
        return UtteranceTensors(
            phoneme_ids=tensors["phoneme_ids"],
            spectrogram=tensors["spectrogram"],
            audio_norm=tensors["audio"].float() / 32768.0,
        )


class SeededBatches(Sampler[list[int]]):
    """The batches of one epoch after another, a function of (seed, epoch, position).

    Every iteration is one epoch; `epoch` and `start` say where the next one begins.
    A set smaller than a batch gives one small batch.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        batches = self.batches(self.epoch)[self.start :]
        self.epoch, self.start = self.epoch + 1, 0
        return iter(batches)

    def batches(self, epoch: int) -> list[list[int]]:
        order = list(range(len(self.lengths)))
        chance = random.Random(f"{self.seed}:{epoch}")
        chance.shuffle(order)
        run = self.batch_size * BUCKET_BATCHES
        batches = []
        for first in range(0, len(order), run):
            bucket = sorted(order[first : first + run], key=lambda index: self.lengths[index])
            batches += [
                bucket[at : at + self.batch_size] for at in range(0, len(bucket), self.batch_size)
            ]
        chance.shuffle(batches)
        return batches


def split(
    features: Sequence[Features], share: float, seed: int, at_most: int = MAX_VALIDATION
) -> tuple[list[Features], list[Features]]:
    """Training and validation parts. The split depends on the seed and on the utterances'
    content alone, so a resumed or repeated training holds out the same ones; no clip
    is on both sides, and training keeps at least one."""
    unique = list(
        {item.path: item for item in sorted(features, key=lambda f: f.path.name)}.values()
    )
    random.Random(f"{seed}:split").shuffle(unique)
    held_out = 0
    if share > 0 and len(unique) > 1:
        held_out = min(at_most, len(unique) - 1, max(1, round(len(unique) * share)))
    return unique[held_out:], unique[:held_out]


def loader(
    features: Sequence[Features], batches: SeededBatches, segment_size: int, workers: int
) -> DataLoader[UtteranceTensors]:
    return DataLoader(
        UtteranceFiles(features),
        batch_sampler=batches,
        collate_fn=UtteranceCollate(is_multispeaker=False, segment_size=segment_size),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        # Spawned, since forking a process that uses CUDA breaks it; kept from epoch to epoch,
        # since each takes seconds to start.
        multiprocessing_context="spawn" if workers else None,
        persistent_workers=workers > 0,
    )

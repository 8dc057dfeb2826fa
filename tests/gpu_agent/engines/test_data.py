from __future__ import annotations

from itertools import chain
from pathlib import Path

import torch

from gpu_agent.engines.base import Features
from gpu_agent.engines.piper.data import SeededBatches, UtteranceFiles, split


def some(count: int) -> list[Features]:
    return [Features(str(n), Path(f"{n:03}.safetensors"), 100 + n, 20) for n in range(count)]


def test_an_epoch_has_every_utterance_once_and_the_next_one_another_order() -> None:
    batches = SeededBatches([n % 17 for n in range(50)], 8, seed=1)
    first, second = list(batches), list(batches)
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(50))
    assert len(first) == len(batches) == 7
    assert first != second
    assert list(SeededBatches([n % 17 for n in range(50)], 8, seed=1)) == first


def test_it_goes_on_in_the_middle_of_an_epoch() -> None:
    whole = SeededBatches(list(range(20)), 4, seed=1)
    epochs = [list(whole), list(whole)]
    resumed = SeededBatches(list(range(20)), 4, seed=1)
    resumed.epoch, resumed.start = 1, 3
    assert list(resumed) == epochs[1][3:]


def test_the_split_is_the_same_for_the_same_seed_whatever_the_order() -> None:
    features = some(40)
    training, held_out = split(features, 0.1, seed=7)
    again = split(list(reversed(features)), 0.1, seed=7)
    assert (training, held_out) == again
    assert len(held_out) == 4 and not set(training) & set(held_out)
    assert split(features, 0.1, seed=8)[1] != held_out


def test_a_repeated_clip_is_not_on_both_sides_and_one_is_always_left_to_train_on() -> None:
    same = some(1) * 5
    assert split(same, 0.5, seed=1) == (same[:1], [])
    training, held_out = split(some(2), 0.5, seed=1)
    assert len(training) == len(held_out) == 1
    assert split(some(10), 0.0, seed=1)[1] == []


def test_an_utterance_is_read_as_piper_expects_it(features: list[Features]) -> None:
    item = UtteranceFiles(features)[0]
    assert item.spectrogram.shape == (513, features[0].frames)
    assert item.phoneme_ids.dtype == torch.int64
    assert item.audio_norm.abs().max() <= 1.0
    assert abs(len(item.audio_norm) / 256 - features[0].frames) < 2

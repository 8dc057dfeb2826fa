from __future__ import annotations

import itertools

import pytest
import torch

from gpu_agent.engines.piper.alignment import maximum_path


def best_by_trying_all(scores: torch.Tensor) -> torch.Tensor:
    """`[frames, text]`: the best of all monotonic paths that use every phoneme."""
    frames, text = scores.shape
    best, best_path = -float("inf"), torch.zeros_like(scores)
    for ends in itertools.combinations(range(1, frames), text - 1):
        edges = [0, *ends, frames]
        path = torch.zeros_like(scores)
        for phoneme in range(text):
            path[edges[phoneme] : edges[phoneme + 1], phoneme] = 1
        total = float((scores * path).sum())
        if total > best:
            best, best_path = total, path
    return best_path


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_finds_the_best_path_in_upstreams_orientation(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    scores = torch.randn(2, 7, 4)
    mask = torch.ones(2, 7, 4)
    mask[1, 5:], mask[1, :, 3:] = 0, 0  # the second has 5 frames and 3 phonemes
    found = maximum_path(scores.to(dtype), mask)
    assert found.shape == (2, 7, 4) and found.dtype == dtype
    exact = scores.to(dtype).float()
    assert torch.equal(found[0].float(), best_by_trying_all(exact[0]))
    assert torch.equal(found[1, :5, :3].float(), best_by_trying_all(exact[1, :5, :3]))
    assert found[1, 5:].sum() == 0


def test_pipers_model_uses_it() -> None:
    from gpu_agent.engines.piper import alignment

    alignment.install()
    from piper.train.vits import monotonic_align

    assert monotonic_align.maximum_path is maximum_path

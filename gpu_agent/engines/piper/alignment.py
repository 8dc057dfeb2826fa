"""The alignment search that the piper-tts wheel leaves out.

The wheel carries `piper.train` but for its compiled `monotonic_align.core`, so this
puts the maintained package monotonic-alignment-search in its place.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import torch
from monotonic_alignment_search import maximum_path as search

_MODULE = "piper.train.vits.monotonic_align"


def maximum_path(neg_cent: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The most likely monotonic alignment: `[batch, frames, text]` in and out.

    The library wants `[batch, text, frames]`, and float32: half precisions are too
    coarse for sums over a whole utterance.
    """
    path = search(
        neg_cent.detach().float().transpose(1, 2).contiguous(),
        mask.float().transpose(1, 2).contiguous(),
    )
    return path.transpose(1, 2).to(device=neg_cent.device, dtype=neg_cent.dtype)


def install() -> None:
    """Make `piper.train` use `maximum_path`. `SynthesizerTrn.forward` imports the
    module at its first call, so this has to come before; calling it twice is harmless."""
    import piper.train.vits

    vits: Any = piper.train.vits
    module: Any = types.ModuleType(_MODULE)
    module.maximum_path = maximum_path
    sys.modules[_MODULE] = module
    vits.monotonic_align = module

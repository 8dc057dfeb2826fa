"""Piper's model as we build, fill and train it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from piper.train.vits.dataset import Batch
from piper.train.vits.lightning import VitsModel
from torch.nn import functional as F

from gpu_agent.engines.base import SAMPLE_RATES, JobFailed
from gpu_agent.engines.piper import alignment

alignment.install()

OURS = "syrinx"  # key of what we add to a Lightning checkpoint
# Norm that gradients are cut to; only there for explosions (Coqui TTS trains VITS with 1000).
GRADIENT_CLIP = 1000.0
NUM_SYMBOLS = 256  # rows of Piper's phoneme embedding, more than its map uses

# Architectures by quality, as upstream trains them: `piper/train/vits/config.py` for low,
# medium and high; x_low as in rhasspy/piper's `piper_train/__main__.py`.
_SMALL: dict[str, Any] = {
    "resblock": "2",
    "resblock_kernel_sizes": (3, 5, 7),
    "resblock_dilation_sizes": ((1, 2), (2, 6), (3, 12)),
    "upsample_rates": (8, 8, 4),
    "upsample_initial_channel": 256,
    "upsample_kernel_sizes": (16, 16, 8),
}
_LARGE: dict[str, Any] = {
    "resblock": "1",
    "resblock_kernel_sizes": (3, 7, 11),
    "resblock_dilation_sizes": ((1, 3, 5), (1, 3, 5), (1, 3, 5)),
    "upsample_rates": (8, 8, 2, 2),
    "upsample_initial_channel": 512,
    "upsample_kernel_sizes": (16, 16, 4, 4),
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "x_low": {**_SMALL, "hidden_channels": 96, "inter_channels": 96, "filter_channels": 384},
    "low": _SMALL,
    "medium": _SMALL,
    "high": _LARGE,
}
# What a checkpoint may say about its architecture; all else in it is ignored.
ARCHITECTURE_KEYS = (
    *_LARGE,
    *("num_symbols", "num_speakers", "sample_rate", "filter_length", "hop_length", "win_length"),
    *("mel_channels", "mel_fmin", "mel_fmax", "inter_channels", "hidden_channels"),
    *("filter_channels", "n_heads", "n_layers", "kernel_size", "gin_channels", "use_sdp"),
    *("use_spectral_norm", "segment_size", "p_dropout", "n_layers_q"),
)


class TrainingModel(VitsModel):
    """`VitsModel` with a training step of our own.

    Upstream's neither clips gradients, nor steps over what is not finite, nor can do
    without discriminators. Checkpoints stay upstream's: the same modules, the same
    hyperparameters, the same two optimisers.
    """

    adversarial = True
    rate = 2e-4
    """Learning rate of the generator for the next step; the discriminators' is half."""
    note: Mapping[str, Any] = {}
    """Plain values that go into every checkpoint under `OURS`."""

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """One batch. Returns losses, `grad_norm`, and `skipped` (1.0 when a loss or a
        gradient was not finite and nothing was learned)."""
        optimizers: Any = self.optimizers()
        optimizer_g, optimizer_d = optimizers
        for optimizer, rate in ((optimizer_g, self.rate), (optimizer_d, self.rate / 2)):
            for group in optimizer.param_groups:
                group["lr"] = rate
        loss_g, loss_d, parts = self.losses(batch)
        values = {**parts, "loss_g": loss_g.detach()}
        values["grad_norm"] = self._descend(optimizer_g, loss_g, self.model_g)
        if loss_d is not None:
            values["loss_d"] = loss_d.detach()
            values["grad_norm_d"] = self._descend(optimizer_d, loss_d, self.model_d)
        numbers = {name: float(value) for name, value in values.items()}
        numbers["skipped"] = float(not all(map(math.isfinite, numbers.values())))
        return numbers

    def _descend(self, optimizer: Any, loss: torch.Tensor, module: torch.nn.Module) -> torch.Tensor:
        """Backward, clip and step; the gradients' norm. Not finite: no step."""
        optimizer.zero_grad(set_to_none=True)
        self.manual_backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(module.parameters(), GRADIENT_CLIP)
        if torch.isfinite(norm) and torch.isfinite(loss):
            optimizer.step()
        else:
            optimizer.zero_grad(set_to_none=True)
        return norm

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[OURS] = dict(self.note)

    def losses(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None, dict[str, Any]]:
        """Generator loss, discriminator loss (None without), and their parts."""
        if self.adversarial:
            loss_g, loss_d, parts = self._compute_loss(batch)
            return loss_g, loss_d, parts
        parts = self.reconstruction(batch)
        h: Any = self.hparams
        loss = parts["mel"] * h.c_mel + parts["kl"] * h.c_kl + parts["dur"]
        return loss, None, {name: value.detach() for name, value in parts.items()}

    def reconstruction(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Mel L1, KL and duration losses: upstream's `_compute_loss` without its critics."""
        from piper.train.vits.commons import slice_segments
        from piper.train.vits.losses import kl_loss
        from piper.train.vits.mel_processing import mel_spectrogram_torch, spec_to_mel_torch

        h: Any = self.hparams
        y_hat, l_length, _, ids_slice, _, z_mask, (_, z_p, m_p, logs_p, _, logs_q) = self.model_g(
            batch.phoneme_ids,
            batch.phoneme_lengths,
            batch.spectrograms,
            batch.spectrogram_lengths,
            batch.speaker_ids,
        )
        mel_range = (h.mel_fmin, h.mel_fmax)
        with torch.autocast(self.device.type, enabled=False):
            mel = spec_to_mel_torch(
                batch.spectrograms.float(),
                h.filter_length,
                h.mel_channels,
                h.sample_rate,
                *mel_range,
            )
            y_hat_mel = mel_spectrogram_torch(
                y_hat.squeeze(1).float(),
                h.filter_length,
                h.mel_channels,
                h.sample_rate,
                h.hop_length,
                h.win_length,
                *mel_range,
            )
            y_mel = slice_segments(mel, ids_slice, h.segment_size // h.hop_length)
            return {
                "mel": F.l1_loss(y_mel, y_hat_mel),
                "kl": kl_loss(z_p, logs_q, m_p, logs_p, z_mask),
                "dur": torch.sum(l_length.float()),
            }

    def configure_optimizers(self) -> Any:
        """Upstream's two AdamW, so that its trainer can resume; no schedulers, since
        upstream never steps them: the loop sets the rate itself."""
        optimizers, _ = VitsModel.configure_optimizers(self)
        return optimizers


@dataclass(frozen=True)
class Filled:
    """What a state dict brought: names found in it, and names that start fresh."""

    found: list[str]
    fresh: list[str]


def architecture(
    quality: str, *, num_symbols: int = NUM_SYMBOLS, num_speakers: int = 1
) -> dict[str, Any]:
    """Hyperparameters of `VitsModel` for one of Piper's qualities."""
    if quality not in ARCHITECTURES:
        raise JobFailed(
            "quality_unknown",
            f"Piper has no quality “{quality}”; choose {', '.join(ARCHITECTURES)}.",
        )
    return {
        **ARCHITECTURES[quality],
        "sample_rate": SAMPLE_RATES[quality],
        "num_symbols": num_symbols,
        "num_speakers": num_speakers,
        "gin_channels": 512 if num_speakers > 1 else 0,
    }


def build(hparams: Mapping[str, Any], *, learning_rate: float = 2e-4) -> TrainingModel:
    """A fresh model on the CPU. The learning rate of the discriminators is half of the
    generator's, as upstream's defaults are."""
    return TrainingModel(
        **hparams,
        learning_rate=learning_rate,
        learning_rate_d=learning_rate / 2,
        mos_metric=None,  # it would download a model at run time
    )


def skeleton(hparams: Mapping[str, Any]) -> TrainingModel:
    """A model to load a voice into and speak with: its generator has memory but no values,
    its discriminators (two thirds of all parameters) have shapes only."""
    with torch.device("meta"):
        model = build(hparams)
    model.model_g.to_empty(device="cpu")
    return model


def fill(model: TrainingModel, state: Mapping[str, torch.Tensor]) -> Filled:
    """Load the tensors of `state` (names as in `model.state_dict()`), all others stay.

    Raises `JobFailed('base_shapes')` when one has another shape than the model's.
    """
    own = model.state_dict()
    wrong = [
        f"{name} is {tuple(tensor.shape)}, expected {tuple(own[name].shape)}"
        for name, tensor in state.items()
        if name in own and own[name].shape != tensor.shape
    ]
    if wrong:
        raise JobFailed(
            "base_shapes",
            "The base voice has another architecture than its quality says "
            f"({len(wrong)} tensors differ: {wrong[0]}). "
            "Choose a base of a standard Piper quality.",
        )
    found = [name for name in own if name in state]
    # What has shapes only (see `skeleton`) is checked, and stays so.
    loaded = {name: state[name] for name in found if not own[name].is_meta}
    model.load_state_dict(loaded, strict=False)
    return Filled(found, [name for name in own if name not in state])


def freeze(model: TrainingModel, names: Iterable[str], frozen: bool) -> None:
    """Stop or start training the parameters with these names."""
    wanted = set(names)
    for name, parameter in model.named_parameters():
        if name in wanted:
            parameter.requires_grad_(not frozen)

"""How far a training is, how fast it goes, and what is due next: plain arithmetic."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gpu_agent.engines.base import TrainParams

# While only fresh parts are trained nothing good can be lost, so they learn at the rate that
# upstream trains from scratch with (VITS, arXiv:2106.06103, §4.3: 2e-4); the parameter
# `learning_rate` then holds for all, and may be far lower for an imported voice.
WARMUP_LEARNING_RATE = 2e-4
SMOOTHING = 0.1  # weight of the newest step in the average step time


def learning_rate(params: TrainParams, step: int, epoch: int) -> float:
    """Of the generator at `step` (steps already done), decayed every epoch."""
    if step < params.warmup_steps:
        return WARMUP_LEARNING_RATE
    return params.learning_rate * params.lr_decay**epoch


@dataclass
class Schedule:
    """One training's limits against the clock; `now` gives seconds and is monotonic."""

    params: TrainParams
    batches_per_epoch: int
    now: Callable[[], float] = time.monotonic
    started: float = field(init=False)
    _last_step: float = field(init=False)
    _last_checkpoint: float = field(init=False)
    _measured: int = field(init=False, default=0)
    step_seconds: float | None = None
    spent_before: float = 0.0
    """Seconds of training in earlier attempts, which `max_minutes` counts too."""

    def __post_init__(self) -> None:
        self.started = self._last_step = self._last_checkpoint = self.now()

    def step_done(self) -> None:
        now = self.now()
        took, self._last_step = now - self._last_step, now
        self._measured += 1
        # The first one also starts loaders and tunes kernels: it is forgotten at once.
        if self.step_seconds is None or self._measured == 2:
            self.step_seconds = took
        else:
            self.step_seconds += SMOOTHING * (took - self.step_seconds)

    def pause_over(self) -> None:
        """What happened since the last step (a checkpoint) was no training."""
        self._last_step = self.now()

    def checkpoint_due(self) -> bool:
        return self.now() - self._last_checkpoint >= self.params.checkpoint_minutes * 60

    def checkpoint_done(self) -> None:
        self._last_checkpoint = self.now()

    @property
    def spent(self) -> float:
        return self.spent_before + self.now() - self.started

    def total_steps(self) -> int | None:
        """The last step by `max_steps` and `max_epochs`; None when only time limits it."""
        limits = [self.params.max_steps, self.params.max_epochs * self.batches_per_epoch]
        return min((limit for limit in limits if limit > 0), default=None)

    def fraction(self, step: int) -> float:
        total, seconds = self.total_steps(), self.params.max_minutes * 60
        by_steps = step / total if total else 0.0
        by_time = self.spent / seconds if seconds > 0 else 0.0
        return min(1.0, max(by_steps, by_time))

    def is_over(self, step: int) -> bool:
        return self.fraction(step) >= 1.0

    def eta_seconds(self, step: int) -> float | None:
        """Until the training is over, by the measured step time."""
        total, seconds = self.total_steps(), self.params.max_minutes * 60
        left = []
        if total and self.step_seconds is not None:
            left.append((total - step) * self.step_seconds)
        if seconds > 0:
            left.append(seconds - self.spent)
        return max(0.0, min(left)) if left else None

"""One fraction and one ETA for a whole job, out of its stages' own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gpu_agent.pipeline.context import Context, Released, Wish


class Stages:
    """The stages of one job in order, each with its share of the progress bar.

    `shares` are relative; `after` is what a training still has before it when its last
    step is done (export, verify, publish), in seconds.
    """

    def __init__(self, context: Context, shares: Mapping[str, float], after: float = 0.0) -> None:
        self.context = context
        self.after = after
        self._pending: list[Wish] = []
        total, start = sum(shares.values()), 0.0
        self._spans: dict[str, tuple[float, float]] = {}
        for name, share in shares.items():
            self._spans[name] = (start / total, share / total)
            start += share

    def begin(self, name: str, note: str) -> Stage:
        """Announce a stage; what it reports lands in its part of the whole."""
        start, width = self._spans[name]
        self.context.stage(name)
        stage = Stage(self, start, width, last=name == list(self._spans)[-1])
        stage.progress(0.0, None, note)
        stage.check_released()
        return stage

    def take_wish(self, *, only_release: bool) -> Wish | None:
        """A wish that this stage cannot fulfil is kept for the one that can."""
        wish = self.context.wish()
        if wish == "release":
            return wish
        if wish is not None:
            self._pending.append(wish)
        return self._pending.pop(0) if self._pending and not only_release else None


class Stage:
    """The `Reporter` that a stage and the engine below it talk to."""

    def __init__(self, stages: Stages, start: float, width: float, *, last: bool) -> None:
        self._stages, self._start, self._width, self._last = stages, start, width, last
        self.takes_wishes = False
        """Set by the training; other stages can only be released."""

    @property
    def context(self) -> Context:
        return self._stages.context

    def progress(self, fraction: float, eta_seconds: float | None = None, note: str = "") -> None:
        whole = self._start + self._width * min(1.0, max(0.0, fraction))
        if eta_seconds is not None and not self._last:
            eta_seconds += self._stages.after
        self.context.progress(whole, eta_seconds, note)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.context.metrics(step, values)

    def log(self, text: str, level: str = "info") -> None:
        self.context.log(text, level)

    def sample(self, path: Path, *, step: int, index: int, text: str, seconds: float) -> None:
        self.context.sample(path, step=step, index=index, text=text, seconds=seconds)

    def checkpoint(self, path: Path, *, step: int, epoch: int, scores: Mapping[str, float]) -> None:
        self.context.checkpoint(path, step=step, epoch=epoch, scores=scores)

    def wish(self) -> Wish | None:
        return self._stages.take_wish(only_release=not self.takes_wishes)

    def check_released(self) -> None:
        """Raises `Released`: a stage that keeps nothing simply stops and is done again."""
        if self._stages.take_wish(only_release=True) == "release":
            raise Released

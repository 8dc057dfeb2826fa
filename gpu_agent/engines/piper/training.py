"""A training, from features to a final checkpoint.

    begin: model (see `beginning.py`) → data → Lightning
    each step: learn, tell, look what is wished or due
    checkpoint: score on held-out clips, save, render sentences

Lightning runs the loop; its counters are not used, since its `global_step` counts
optimiser steps, two a batch. A step here is one batch.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import torch

from gpu_agent.engines.base import JobFailed, Released, Reporter, Trained, TrainJob
from gpu_agent.engines.piper import beginning, checkpoints, data, model, rendering
from gpu_agent.engines.piper.schedule import Schedule, learning_rate

METRICS_SECONDS = 1.0  # a point a second is all that a chart shows
MAX_SKIPPED = 50  # steps in a row that were not finite: it will not recover
CPU_VALIDATION = 8  # held-out utterances on a CPU, where each costs half a second


def train(job: TrainJob, reporter: Reporter) -> Trained:
    """Train until a limit of `job.params`, or until it is wished to finish.

    Raises `Released` (with a checkpoint stored), or `JobFailed`.
    """
    beginning.check_limits(job)
    _quiet_lightning()
    if job.params.threads > 0:
        torch.set_num_threads(job.params.threads)
    torch.set_float32_matmul_precision("high")  # TF32 on GPUs that have it, as upstream
    run = Run(job, reporter)
    if run.schedule.is_over(run.step):
        reporter.log("The checkpoint is already at the end of this training.")
        return run.finished_before()
    trainer = _trainer(job.device, run)
    trainer.fit(run.model, run.loader)
    if run.released:
        raise Released
    if run.last is None:
        raise JobFailed("training_failed", "The training ended without a checkpoint. Start again.")
    return run.last


class Run(lightning.Callback):
    """The state of one training between its steps."""

    def __init__(self, job: TrainJob, reporter: Reporter) -> None:
        self.job, self.reporter, self.params = job, reporter, job.params
        torch.manual_seed(job.params.seed)
        self.skipped = 0
        self.released = False
        self.last: Trained | None = None
        self.recent: dict[str, float] = {}
        self._told = 0.0
        begun = beginning.begin(job, reporter)
        self.step, self.epoch = begun.step, begun.epoch
        self.batch_in_epoch = begun.batch_in_epoch
        self.imported, self.id_map = begun.imported, begun.id_map
        self.resumed = begun.resumed
        self.model = begun.model
        self.model.adversarial = job.params.adversarial
        self.model.train()
        self._data()
        self.sentences = [
            (text, ids)
            for text in job.sentences
            if (ids := rendering.sentence_ids(text, job.language, self.id_map))
        ]

    # -- beginning ---------------------------------------------------------

    def _data(self) -> None:
        on_cpu = self.job.device == "cpu"
        limit = CPU_VALIDATION if on_cpu else data.MAX_VALIDATION
        training, self.held_out = data.split(
            self.job.features, self.params.validation_split, self.params.seed, limit
        )
        self.batches = data.SeededBatches(
            [item.frames for item in training], self.params.batch_size, self.params.seed
        )
        self.batches.epoch, self.batches.start = self.epoch, self.batch_in_epoch
        # On a CPU the step is so slow that reading beside it gains nothing.
        workers = 0 if on_cpu else 4
        self.loader = data.loader(training, self.batches, self.params.segment_size, workers)
        spent = checkpoints.note_of(self.resumed or {}).get("spent_seconds", 0.0)
        self.schedule = Schedule(self.params, len(self.batches), spent_before=spent)
        self.reporter.log(
            f"{len(training)} utterances to train on, {len(self.held_out)} held out to score with, "
            f"{len(self.batches)} batches an epoch."
        )

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        # Lightning would hold SIGTERM back until the end of an epoch.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self.resumed is not None:
            self._restore(trainer, self.resumed)
            self.resumed = None  # hundreds of megabytes
        self._set_warmup()
        self.model.rate = learning_rate(self.params, self.step, self.epoch)
        self.schedule.pause_over()

    def _restore(self, trainer: Any, content: Mapping[str, Any]) -> None:
        states = content.get("optimizer_states", [])
        if len(states) == len(trainer.optimizers):
            for optimizer, state in zip(trainer.optimizers, states, strict=True):
                optimizer.load_state_dict(state)
        trainer.fit_loop.epoch_progress.current.processed = self.epoch
        trainer.fit_loop.epoch_progress.current.completed = self.epoch
        note = checkpoints.note_of(content)
        if "rng" in note:
            torch.set_rng_state(note["rng"])
        if "cuda_rng" in note and self.model.device.type == "cuda":
            torch.cuda.set_rng_state(note["cuda_rng"], self.model.device)

    # -- each step ---------------------------------------------------------

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.step += 1
        self.batch_in_epoch += 1
        if self.batch_in_epoch >= len(self.batches):
            self.epoch, self.batch_in_epoch = self.epoch + 1, 0
        self.schedule.step_done()
        self._note_losses(outputs)
        if self.step == self.params.warmup_steps:
            self._set_warmup()
        self.model.rate = learning_rate(self.params, self.step, self.epoch)
        self._tell()
        self._look_around(trainer)

    def _look_around(self, trainer: Any) -> None:
        """Do what is wished or due. A pause counts neither as step time nor twice."""
        wish = self.reporter.wish()
        every = self.params.sample_every_steps
        if wish == "release":
            self.released = True
            self._checkpoint(trainer, fast=True)
        elif wish == "finish_now" or self.schedule.is_over(self.step):
            self._checkpoint(trainer)
        elif wish == "checkpoint_now" or self.schedule.checkpoint_due():
            self._checkpoint(trainer)
            self.schedule.pause_over()
            return
        else:
            if every > 0 and self.step % every == 0:
                self._render()
                self.schedule.pause_over()
            return
        trainer.should_stop = True

    def _set_warmup(self) -> None:
        """While it warms up, only what the base lacks is trained: until the posterior encoder
        makes sense, its gradients would only spoil the imported decoder and text encoder."""
        if not self.imported or not self.params.warmup_steps:
            return
        warm = self.step < self.params.warmup_steps
        model.freeze(self.model, self.imported, frozen=warm)
        if warm:
            self.reporter.log(
                f"Until step {self.params.warmup_steps} only what the base lacks is trained."
            )
        else:
            self.reporter.log("From here on everything is trained.")

    def _note_losses(self, outputs: Mapping[str, float]) -> None:
        if outputs["skipped"]:
            self.skipped += 1
            self.reporter.log(
                f"Step {self.step} was left out: its loss or gradient was not a finite number.",
                "warning",
            )
            if self.skipped >= MAX_SKIPPED:
                raise JobFailed(
                    "training_diverged",
                    f"{MAX_SKIPPED} steps in a row gave no finite loss. Start again from the "
                    "last good checkpoint with a lower learning rate.",
                )
            return
        self.skipped = 0
        for name, value in outputs.items():
            if name != "skipped":
                old = self.recent.get(name, value)
                self.recent[name] = old + 0.1 * (value - old)

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told < METRICS_SECONDS and not self.schedule.is_over(self.step):
            return
        self._told = now
        seconds = self.schedule.step_seconds
        values = dict(self.recent) | {"lr": self.model.rate}
        if seconds:
            values["steps_per_second"] = 1 / seconds
        if self.model.device.type == "cuda":
            values["gpu_memory"] = torch.cuda.max_memory_allocated(self.model.device) / 2**30
        self.reporter.metrics(self.step, values)
        total = self.schedule.total_steps()
        of = f" of {total}" if total else ""
        self.reporter.progress(
            self.schedule.fraction(self.step),
            self.schedule.eta_seconds(self.step),
            f"Training: step {self.step}{of}, epoch {self.epoch + 1}",
        )

    # -- checkpoints -------------------------------------------------------

    def _checkpoint(self, trainer: Any, *, fast: bool = False) -> None:
        """Score, save and hand over; `fast` saves only, for a host that is going away."""
        scores: dict[str, float] = {
            name: value for name, value in self.recent.items() if name in ("mel", "kl", "dur")
        }
        if not fast and self.held_out:
            scores["val_mel"] = self._validate()
            self.reporter.metrics(self.step, {"val_mel": scores["val_mel"]})
        path = self.job.work_dir / "checkpoints" / f"step-{self.step:08d}.ckpt"
        self.model.note = self._note(scores)
        with checkpoints.written_whole(path) as partial:
            trainer.save_checkpoint(partial)
        self.reporter.checkpoint(path, step=self.step, epoch=self.epoch, scores=scores)
        self.last = Trained(path, self.step, self.epoch, scores)
        self._forget_old(path.parent)
        if not fast:
            self._render()
        self.schedule.checkpoint_done()

    def _note(self, scores: Mapping[str, float]) -> dict[str, Any]:
        note = {
            "version": 1,
            "step": self.step,
            "epoch": self.epoch,
            "batch_in_epoch": self.batch_in_epoch,
            "spent_seconds": self.schedule.spent,
            "imported": list(self.imported),
            "language": self.job.language,
            "quality": self.params.quality,
            "dataset": self.job.dataset,
            "phoneme_id_map": {name: list(ids) for name, ids in self.id_map.items()},
            "scores": dict(scores),
            "rng": torch.get_rng_state(),
        }
        if self.model.device.type == "cuda":
            note["cuda_rng"] = torch.cuda.get_rng_state(self.model.device)
        return note

    def _validate(self) -> float:
        """Mel L1 over the held-out utterances, with the same noise and slices every time."""
        batches = data.SeededBatches(
            [item.frames for item in self.held_out], self.params.batch_size, 0
        )
        files = data.loader(self.held_out, batches, self.params.segment_size, workers=0)
        total = 0.0
        with rendering.aside(self.model, seed=0):
            for batch in files:
                placed = self.model.transfer_batch_to_device(batch, self.model.device, 0)
                mel = self.model.reconstruction(placed)["mel"]
                total += float(mel) * len(placed.phoneme_lengths)
        return total / len(self.held_out)

    def _render(self) -> None:
        rate = self.model.hparams["sample_rate"]
        for index, (text, ids) in enumerate(self.sentences):
            path = self.job.work_dir / "samples" / f"step-{self.step:08d}-{index}.wav"
            try:
                with rendering.aside(self.model, seed=index):
                    audio = rendering.speak(self.model, ids)
            except (RuntimeError, MemoryError) as error:
                # Early on, the durations that it guesses can be absurdly long.
                self.reporter.log(f"“{text}” cannot be rendered yet ({error}).", "warning")
                continue
            if not len(audio) or not math.isfinite(float(abs(audio).max())):
                continue
            seconds = rendering.write_wav(path, audio, rate)
            self.reporter.sample(path, step=self.step, index=index, text=text, seconds=seconds)
            path.unlink(missing_ok=True)

    def _forget_old(self, folder: Path) -> None:
        """Of this host's files; what was handed over stays with the portal."""
        kept = max(1, self.params.keep_checkpoints)
        for path in sorted(folder.glob("step-*.ckpt"))[:-kept]:
            path.unlink(missing_ok=True)

    def finished_before(self) -> Trained:
        assert self.job.resume is not None
        scores = checkpoints.note_of(self.resumed or {}).get("scores", {})
        return Trained(self.job.resume, self.step, self.epoch, scores)


def _trainer(device: str, run: Run) -> lightning.Trainer:
    cuda = device.startswith("cuda")
    index = int(device.partition(":")[2] or 0) if cuda else 0
    half = cuda and torch.cuda.is_bf16_supported()
    return lightning.Trainer(
        accelerator="gpu" if cuda else "cpu",
        devices=[index] if cuda else 1,
        precision="bf16-mixed" if half else "32-true",
        max_epochs=-1,
        callbacks=[run],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
    )


def _quiet_lightning() -> None:
    """Its banners are for terminals; what matters is told through the reporter."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=".*weight_norm.*")
    warnings.filterwarnings("ignore", message=".*lr_scheduler.*")

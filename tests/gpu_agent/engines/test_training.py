"""Trainings of a real, tiny VITS on one CPU thread."""

from __future__ import annotations

import math
import wave
from pathlib import Path
from typing import Any

import pytest
import torch

from gpu_agent.engines.base import Features, JobFailed, Released, Trained
from gpu_agent.engines.piper import checkpoints, model, training
from tests.gpu_agent.recorder import Recorder
from tests.gpu_agent.voices import tiny_job

pytestmark = pytest.mark.slow


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A point a step, however fast the steps are."""
    monkeypatch.setattr(training, "METRICS_SECONDS", 0.0)


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = checkpoints.load(path)["state_dict"]
    return state


@pytest.fixture
def trained(tiny: str, features: list[Features], tmp_path: Path, every_step: None) -> Any:
    recorder = Recorder(tmp_path / "kept")
    return training.train(tiny_job(features, tmp_path, max_steps=4), recorder), recorder


def test_it_trains_scores_renders_and_ends_at_the_step_that_was_asked_for(
    trained: tuple[Trained, Recorder],
) -> None:
    result, recorder = trained
    assert (result.step, result.epoch) == (4, 1)  # five utterances, two a batch: three an epoch
    losses = [values for _, values in recorder.points if "loss_g" in values]
    steps = [step for step, values in recorder.points if "loss_g" in values]
    assert steps == [1, 2, 3, 4]
    wanted = {"loss_g", "mel", "kl", "dur", "lr", "grad_norm", "steps_per_second"}
    assert all(wanted <= set(values) and "loss_d" not in values for values in losses)
    assert all(math.isfinite(value) for values in losses for value in values.values())
    assert recorder.fractions[-1] == 1.0 and recorder.etas[-1] == 0.0
    [(step, _, scores)] = recorder.checkpoints
    assert step == 4 and {"mel", "kl", "dur", "val_mel"} <= set(scores)
    [(step, text, sample)] = recorder.samples
    with wave.open(str(sample)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22050, 1, 2)
        assert file.getnframes() > 2205
    assert (step, text) == (4, "The sun.")


def test_a_training_that_was_released_goes_on_as_if_nothing_had_happened(
    trained: tuple[Trained, Recorder], features: list[Features], tmp_path: Path
) -> None:
    whole, _ = trained
    first = Recorder(tmp_path / "first", {2: "release"})
    with pytest.raises(Released):
        training.train(tiny_job(features, tmp_path / "a", max_steps=4), first)
    [(step, checkpoint, _)] = first.checkpoints
    assert step == 2 and first.samples == []  # a host that goes away has no time for samples
    again = Recorder(tmp_path / "again")
    job = tiny_job(features, tmp_path / "b", max_steps=4, resume=checkpoint)
    resumed = training.train(job, again)
    assert resumed.step == 4
    assert [step for step, values in again.points if "loss_g" in values] == [3, 4]
    straight, interrupted = weights(whole.checkpoint), weights(resumed.checkpoint)
    assert all(torch.equal(straight[name], interrupted[name]) for name in straight)
    assert resumed.scores["val_mel"] == whole.scores["val_mel"]
    # Resumed once more, there is nothing left to do.
    job = tiny_job(features, tmp_path / "c", max_steps=4, resume=resumed.checkpoint)
    assert training.train(job, Recorder(tmp_path / "last")).step == 4


def test_finish_now_and_checkpoint_now_are_honoured(
    tiny: str, features: list[Features], tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path / "kept", {1: "checkpoint_now", 3: "finish_now"})
    result = training.train(tiny_job(features, tmp_path, max_steps=1000), recorder)
    assert result.step == 3
    assert [step for step, _, _ in recorder.checkpoints] == [1, 3]


def test_a_set_smaller_than_a_batch_trains_and_epochs_are_counted(
    tiny: str, features: list[Features], tmp_path: Path
) -> None:
    job = tiny_job(
        features[:2], tmp_path, max_steps=0, max_epochs=3, batch_size=32, keep_checkpoints=1
    )
    result = training.train(job, Recorder(tmp_path / "kept"))
    assert (result.step, result.epoch) == (3, 3)


def test_a_training_by_the_clock_ends(tiny: str, features: list[Features], tmp_path: Path) -> None:
    job = tiny_job(features, tmp_path, max_steps=0, max_minutes=0.001)
    assert training.train(job, Recorder(tmp_path / "kept")).step >= 1


def test_a_loss_that_is_not_finite_is_left_out(
    tiny: str, features: list[Features], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = model.TrainingModel.losses
    calls = []

    def second_is_nan(self: Any, batch: Any) -> Any:
        calls.append(1)
        loss, loss_d, parts = honest(self, batch)
        return (loss * math.nan if len(calls) == 2 else loss), loss_d, parts

    monkeypatch.setattr(model.TrainingModel, "losses", second_is_nan)
    recorder = Recorder(tmp_path / "kept")
    result = training.train(tiny_job(features, tmp_path, max_steps=3), recorder)
    assert any("Step 2 was left out" in line for line in recorder.logs)
    assert all(tensor.isfinite().all() for tensor in weights(result.checkpoint).values())


def test_a_training_that_never_gets_finite_says_so(
    tiny: str, features: list[Features], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MAX_SKIPPED", 2)
    job = tiny_job(features, tmp_path, max_steps=9, learning_rate=1e30)
    with pytest.raises(JobFailed, match="lower learning rate") as failed:
        training.train(job, Recorder(tmp_path / "kept"))
    assert failed.value.code == "training_diverged"


def test_with_discriminators_upstreams_own_trainer_goes_on_from_our_checkpoint(
    tiny: str, features: list[Features], tmp_path: Path, every_step: None
) -> None:
    import lightning
    from piper.train.vits.lightning import VitsModel

    from gpu_agent.engines.piper import data

    recorder = Recorder(tmp_path / "kept")
    job = tiny_job(features[:2], tmp_path, max_steps=1, adversarial=True, sample_every_steps=1)
    result = training.train(job, recorder)
    assert {"loss_d", "fm", "gen"} <= set(recorder.points[0][1])
    # `piper.train --ckpt_path` is Trainer.fit(ckpt_path=...) of this class.
    upstream = VitsModel.load_from_checkpoint(result.checkpoint, map_location="cpu")
    before = upstream.model_g.enc_p.emb.weight.detach().clone()
    assert torch.equal(before, weights(result.checkpoint)["model_g.enc_p.emb.weight"])
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=4,  # optimiser steps, two a batch: one batch more
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    batches = data.SeededBatches([item.frames for item in features[:1]], 1, 0)
    trainer.fit(
        upstream,
        data.loader(features[:1], batches, 2048, 0),
        ckpt_path=result.checkpoint,
        weights_only=True,
    )
    assert trainer.global_step == 4
    assert not torch.equal(before, upstream.model_g.enc_p.emb.weight)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"max_steps": 0}, "no end"),
        ({"batch_size": 0}, "batch_size"),
        ({"segment_size": 1000}, "segment_size"),
    ],
)
def test_parameters_that_cannot_work_are_refused(
    tiny: str, features: list[Features], tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(JobFailed, match=word) as refused:
        training.train(tiny_job(features, tmp_path, **changes), Recorder(tmp_path))
    assert refused.value.code == "params_invalid"


def test_no_utterances_is_a_clear_failure(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(JobFailed) as refused:
        training.train(tiny_job([], tmp_path), Recorder(tmp_path))
    assert refused.value.code == "dataset_empty"

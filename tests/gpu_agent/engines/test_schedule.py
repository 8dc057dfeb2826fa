from __future__ import annotations

import pytest

from gpu_agent.engines.base import TrainParams
from gpu_agent.engines.piper.schedule import WARMUP_LEARNING_RATE, Schedule, learning_rate


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_the_rate_decays_with_the_epochs_and_is_its_own_while_it_warms_up() -> None:
    params = TrainParams(learning_rate=1e-5, lr_decay=0.5, warmup_steps=10)
    assert learning_rate(params, 9, 0) == WARMUP_LEARNING_RATE
    assert learning_rate(params, 10, 0) == 1e-5
    assert learning_rate(params, 99, 3) == pytest.approx(1.25e-6)


def test_the_eta_follows_the_measured_steps_and_leaves_checkpoints_out() -> None:
    clock = Clock()
    schedule = Schedule(TrainParams(max_steps=10), 3, clock)
    for _ in range(2):
        clock.seconds += 2.0
        schedule.step_done()
    clock.seconds += 60.0  # a checkpoint
    schedule.pause_over()
    clock.seconds += 2.0
    schedule.step_done()
    assert schedule.eta_seconds(3) == pytest.approx(14.0)
    assert schedule.fraction(3) == pytest.approx(0.3)
    assert not schedule.is_over(9) and schedule.is_over(10)


def test_the_first_limit_that_is_reached_ends_it() -> None:
    clock = Clock()
    schedule = Schedule(TrainParams(max_steps=100, max_epochs=2), 7, clock)
    assert schedule.total_steps() == 14
    timed = Schedule(TrainParams(max_minutes=1), 7, clock, spent_before=30.0)
    clock.seconds += 15
    assert timed.total_steps() is None
    assert timed.fraction(5) == pytest.approx(0.75)
    assert timed.eta_seconds(5) == pytest.approx(15.0)


def test_a_checkpoint_falls_due_by_the_clock() -> None:
    clock = Clock()
    schedule = Schedule(TrainParams(max_steps=9, checkpoint_minutes=1), 3, clock)
    assert not schedule.checkpoint_due()
    clock.seconds += 60
    assert schedule.checkpoint_due()
    schedule.checkpoint_done()
    assert not schedule.checkpoint_due()

"""Submitting: what is checked, frozen and written in one transaction."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from tests.factories import ready_base, ready_dataset
from web.accounts.actions import charge_gpu
from web.accounts.models import Team, User
from web.core import storage
from web.core.models import OutboxMessage
from web.core.problems import Conflict, Forbidden, Invalid, QuotaExceeded
from web.jobs.models import Job, JobState
from web.jobs.params import TrainOptions
from web.jobs.submission import submit_train, voice_slug

pytestmark = pytest.mark.django_db


def test_a_training_waits_with_inputs_version_and_bell(alice: User, alpha: Team) -> None:
    dataset, base = ready_dataset(alpha), ready_base()
    job = submit_train(alice, dataset, preset="cpu", base_voice=base, name="Äda 2")
    assert job.state == JobState.QUEUED
    assert job.version is not None and job.version.utterances == 3
    names = set(job.inputs.values_list("name", flat=True))
    assert {"utterances.ndjson", "base/weights.safetensors", "base/config.json"} < names
    table = job.inputs.get(name="utterances.ndjson")
    rows = [json.loads(line) for line in storage.read_all(table.key, 10_000).splitlines()]
    assert [row["text"] for row in rows] == [f"This is sentence {n}." for n in range(3)]
    assert all(row["audio"] in names for row in rows)
    assert job.spec["voice_name"] == "ada_2"
    assert job.spec["lineage"]["base_licence"] == "CC0"
    bell = OutboxMessage.objects.get()
    assert bell.message_id == f"{job.pk}:1"
    assert bell.payload == {"job_id": str(job.pk), "attempt": 1, "kind": "train"}


def test_the_same_data_is_the_same_version(alice: User, alpha: Team) -> None:
    dataset, base = ready_dataset(alpha), ready_base()
    first = submit_train(alice, dataset, preset="cpu", base_voice=base)
    second = submit_train(alice, dataset, preset="cpu", base_voice=base)
    assert first.version == second.version
    utterance = dataset.utterances.first()
    assert utterance is not None
    utterance.text = "Another sentence."
    utterance.save()
    third = submit_train(alice, dataset, preset="cpu", base_voice=base)
    assert third.version is not None and third.version.number == 2


def test_a_preset_fills_in_what_is_not_chosen(alice: User, alpha: Team) -> None:
    job = submit_train(
        alice,
        ready_dataset(alpha),
        preset="cpu",
        base_voice=ready_base(),
        params=TrainOptions(max_epochs=3, seed=7),
    )
    params = job.spec["params"]
    assert (params["max_epochs"], params["max_steps"], params["seed"]) == (3, 0, 7)
    assert params["batch_size"] == 4


def test_a_short_budget_leaves_steps_for_the_voice_itself(alice: User, alpha: Team) -> None:
    options = TrainOptions(max_steps=8)
    job = submit_train(
        alice, ready_dataset(alpha), preset="cpu", base_voice=ready_base(), params=options
    )
    assert job.spec["params"]["warmup_steps"] == 6


def test_without_a_base_voice_it_takes_one_of_the_same_language(alice: User, alpha: Team) -> None:
    ready_base(name="Hans", language="de")
    joe = ready_base(name="Joe")
    job = submit_train(alice, ready_dataset(alpha), preset="cpu")
    assert job.base_voice == joe


def test_it_refuses_a_quality_that_the_base_voice_has_not(alice: User, alpha: Team) -> None:
    with pytest.raises(Invalid, match="medium voice"):
        submit_train(
            alice,
            ready_dataset(alpha),
            preset="cpu",
            base_voice=ready_base(),
            params=TrainOptions(quality="high"),
        )


def test_it_refuses_a_dataset_that_was_not_checked(alice: User, alpha: Team) -> None:
    dataset = ready_dataset(alpha)
    dataset.state = "draft"
    dataset.save()
    with pytest.raises((Invalid, Conflict)):
        submit_train(alice, dataset, preset="cpu", base_voice=ready_base())
    assert not Job.objects.exists()


def test_it_refuses_a_viewer(victor: User, alpha: Team) -> None:
    with pytest.raises(Forbidden):
        submit_train(victor, ready_dataset(alpha), preset="cpu", base_voice=ready_base())


def test_it_refuses_more_jobs_at_once_than_the_quota(alice: User, alpha: Team) -> None:
    alpha.jobs_quota = 1
    alpha.save()
    dataset, base = ready_dataset(alpha), ready_base()
    submit_train(alice, dataset, preset="cpu", base_voice=base)
    with pytest.raises(QuotaExceeded, match="1 jobs waiting or running and may have 1"):
        submit_train(alice, dataset, preset="cpu", base_voice=base)


def test_it_refuses_when_the_months_minutes_are_used_up(alice: User, alpha: Team) -> None:
    alpha.gpu_minutes_quota = 10
    alpha.save()
    charge_gpu(alpha, 601)
    with pytest.raises(QuotaExceeded, match="used its 10 minutes"):
        submit_train(alice, ready_dataset(alpha), preset="cpu", base_voice=ready_base())


def test_over_the_api(as_alice: Client, alice: User, alpha: Team) -> None:
    dataset, base = ready_dataset(alpha), ready_base()
    order = {
        "kind": "train",
        "dataset_id": str(dataset.pk),
        "base_voice_id": str(base.pk),
        "preset": "cpu",
        "params": {"max_steps": 5},
    }
    answer = as_alice.post("/api/v1/jobs", order, content_type="application/json")
    assert answer.status_code == 201, answer.content
    job = as_alice.get(f"/api/v1/jobs/{answer.json()['id']}").json()
    assert (job["state"], job["progress"], job["queue_position"]) == ("queued", 0, 1)
    assert job["params"]["max_steps"] == 5


@pytest.mark.parametrize(
    "change",
    [
        {"preset": "turbo"},
        {"params": {"max_steps": 0}},
        {"params": {"batch_size": "many"}},
        {"params": {"colour": 3}},
        {"kind": "dance"},
    ],
)
def test_a_wrong_order_is_a_problem_that_names_the_field(
    as_alice: Client, alice: User, alpha: Team, change: dict[str, object]
) -> None:
    order = {"kind": "train", "dataset_id": str(ready_dataset(alpha).pk), **change}
    answer = as_alice.post("/api/v1/jobs", order, content_type="application/json")
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    field = next(iter(change))
    assert field in answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "slug"), [("Ada Löwe!", "ada_lowe"), ("Марія", "voice"), ("a" * 60, "a" * 40)]
)
def test_names_of_files_are_plain(name: str, slug: str) -> None:
    assert voice_slug(name) == slug

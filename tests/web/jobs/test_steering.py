"""What a person does with a job that exists: cancel, resume, retry, move, export, delete."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories import (
    VOICE_RESULT,
    claimed,
    host,
    ready_base,
    ready_dataset,
    uploaded,
    voice_manifest,
)
from web.accounts.models import Team, User
from web.core import storage
from web.core.problems import Conflict, Forbidden, Invalid, QuotaExceeded
from web.jobs import actions
from web.jobs import agent_actions as agents
from web.jobs.agent_actions import Holder
from web.jobs.models import Job, JobKind, JobObject, JobState
from web.jobs.params import TrainOptions

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(alice: User, alpha: Team) -> Job:
    return actions.submit_train(alice, ready_dataset(alpha), preset="cpu", base_voice=ready_base())


@pytest.fixture
def holder(job: Job) -> Holder:
    agent, _ = host()
    return claimed(agent)[1]


def checkpoint(holder: Holder, step: int = 10) -> None:
    entry = uploaded(holder, f"step-{step}.ckpt", "checkpoint", b"weights %d" % step)
    agents.store_checkpoint(holder, entry, step, 1, {"val_mel": 0.5})


def test_a_waiting_job_is_cancelled_at_once(as_bob: Client, bob: User, job: Job) -> None:
    answer = as_bob.post(f"/api/v1/jobs/{job.pk}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert as_bob.post(f"/api/v1/jobs/{job.pk}/cancel").status_code == 200


def test_a_viewer_can_not_cancel(as_victor: Client, job: Job) -> None:
    answer = as_victor.post(f"/api/v1/jobs/{job.pk}/cancel")
    assert answer.status_code == 403
    assert "editor" in answer.json()["detail"]


def test_an_ended_job_can_not_be_cancelled(alice: User, job: Job, holder: Holder) -> None:
    agents.finish_failed(holder, "broken", "It broke.")
    with pytest.raises(Conflict, match="ended already"):
        actions.cancel_job(alice, job)


def test_a_failure_says_what_happened(as_alice: Client, job: Job, holder: Holder) -> None:
    agents.finish_failed(holder, "out_of_memory", "The GPU's memory is too small. Halve the batch.")
    error = as_alice.get(f"/api/v1/jobs/{job.pk}").json()["error"]
    assert error["code"] == "out_of_memory"
    assert "Halve the batch" in error["message"]


def test_a_cancelled_training_is_resumed_from_its_newest_checkpoint(
    as_alice: Client, alice: User, job: Job, holder: Holder
) -> None:
    checkpoint(holder, 10)
    checkpoint(holder, 20)
    actions.cancel_job(alice, job)
    answer = as_alice.post(
        f"/api/v1/jobs/{job.pk}/resume",
        {"params": {"max_steps": 40}},
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.content
    again = Job.objects.get(pk=answer.json()["id"])
    assert again.version == job.version
    assert again.spec["params"]["max_steps"] == 40
    newest = agents.newest_checkpoint(again)
    assert newest is not None and newest.step == 20


def test_a_training_that_is_through_goes_on_for_as_long_again(
    alice: User, job: Job, holder: Holder
) -> None:
    checkpoint(holder, 40)
    agents.finish_succeeded(holder, voice_manifest(holder), VOICE_RESULT)
    again = actions.resume_job(alice, job)
    assert (job.spec["params"]["max_steps"], again.spec["params"]["max_steps"]) == (40, 80)
    actions.cancel_job(alice, again)
    shorter = actions.resume_job(alice, job, TrainOptions(max_steps=50))
    assert shorter.spec["params"]["max_steps"] == 50
    with pytest.raises(Invalid, match="medium"):
        actions.resume_job(alice, job, TrainOptions(quality="high"))


def test_resuming_needs_minutes_too(alice: User, alpha: Team, job: Job, holder: Holder) -> None:
    checkpoint(holder, 10)
    actions.cancel_job(alice, job)
    alpha.gpu_minutes_quota = 0
    alpha.save()
    with pytest.raises(QuotaExceeded, match="0 minutes of training"):
        actions.resume_job(alice, job)


def test_without_a_checkpoint_there_is_nothing_to_resume(alice: User, job: Job) -> None:
    actions.cancel_job(alice, job)
    with pytest.raises(Conflict, match="before its first checkpoint"):
        actions.resume_job(alice, job, TrainOptions())


def test_a_failed_job_is_tried_again_from_its_beginning(
    alice: User, job: Job, holder: Holder
) -> None:
    agents.finish_failed(holder, "broken", "It broke.")
    again = actions.retry_job(alice, job)
    assert again.pk != job.pk
    assert again.state == JobState.QUEUED
    assert again.inputs.count() == job.inputs.count()


def test_a_checkpoint_is_exported_as_a_voice_of_its_own(
    as_alice: Client, job: Job, holder: Holder
) -> None:
    checkpoint(holder)
    row = job.checkpoints.get()
    answer = as_alice.post(f"/api/v1/jobs/{job.pk}/checkpoints/{row.pk}/export")
    assert answer.status_code == 201, answer.content
    export = Job.objects.get(pk=answer.json()["id"])
    assert export.kind == JobKind.EXPORT
    assert export.inputs.get().key == row.key
    agents.finish_succeeded(holder, voice_manifest(holder), VOICE_RESULT)
    agent, _ = host("second")
    _, exporter = claimed(agent)
    agents.finish_succeeded(exporter, voice_manifest(exporter), VOICE_RESULT)
    export.refresh_from_db()
    assert export.voice is not None and export.voice.quality == "medium"


def test_an_administrator_orders_the_queue(root: User, alice: User, alpha: Team) -> None:
    dataset, base = ready_dataset(alpha), ready_base()
    jobs = [
        actions.submit_train(alice, dataset, preset="cpu", base_voice=base, name=name)
        for name in ("first", "second", "third")
    ]
    actions.move_job(root, jobs[2], before=jobs[0])
    late = actions.submit_train(alice, dataset, preset="cpu", base_voice=base, name="late")
    agent, _ = host()
    assert [claimed(agent)[0].name for _ in range(4)] == ["third", "first", "second", "late"]
    with pytest.raises(Forbidden):
        actions.move_job(alice, late, before=None)


def test_deleting_a_job_frees_its_checkpoints_and_keeps_its_voice(
    alice: User, alpha: Team, job: Job, holder: Holder
) -> None:
    checkpoint(holder)
    key = job.checkpoints.get().key
    with pytest.raises(Conflict, match="Cancel"):
        actions.delete_job(alice, job)
    agents.finish_succeeded(holder, voice_manifest(holder), VOICE_RESULT)
    job.refresh_from_db()
    voice = job.voice
    assert voice is not None
    kept = sum(file.size for file in voice.files.all())
    with django_capture():
        actions.delete_job(alice, job)
    alpha.refresh_from_db()
    assert alpha.storage_used_bytes == kept
    assert storage.size(key) is None
    assert all(storage.size(file.key) for file in voice.files.all())


def test_deleting_a_job_takes_what_only_it_needs_out_of_the_store(
    alice: User, job: Job, holder: Holder
) -> None:
    stray = uploaded(holder, "stray.wav", "sample", b"not announced")
    table = job.inputs.get(name="utterances.ndjson")
    keys = [table.key, JobObject.objects.get(sha256=stray.sha256).key]
    agents.finish_failed(holder, "broken", "It broke.")
    again = actions.retry_job(alice, job)
    with django_capture():
        actions.delete_job(alice, job)
    assert [bool(storage.size(key)) for key in keys] == [True, False]
    actions.cancel_job(alice, again)
    with django_capture():
        actions.delete_job(alice, again)
    assert storage.size(table.key) is None


def test_a_checkpoint_that_an_export_waits_for_stays(alice: User, job: Job, holder: Holder) -> None:
    checkpoint(holder, 10)
    first = job.checkpoints.get()
    export = actions.submit_export(alice, first)
    for step in (20, 30, 40):
        checkpoint(holder, step)
    assert first in job.checkpoints.all()
    agents.finish_failed(holder, "broken", "It broke.")
    with pytest.raises(Conflict, match="an export needs"):
        actions.delete_job(alice, job)
    actions.cancel_job(alice, export)
    actions.delete_job(alice, job)


def test_a_cancelled_job_has_no_stage_that_still_runs(
    alice: User, job: Job, holder: Holder
) -> None:
    agents.report_stage(holder, "train")
    actions.cancel_job(alice, job)
    assert job.stages.get().ended is not None
    assert job.attempts.get().outcome == "cancelled"


def django_capture() -> object:
    """Runs what waits for the commit, which a test's transaction never reaches."""
    from django.test import TestCase

    return TestCase.captureOnCommitCallbacks(execute=True)

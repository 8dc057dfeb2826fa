"""An attempt that lost its job changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DataError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

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
from web.accounts.queries import gpu_seconds_used
from web.core.problems import Invalid
from web.jobs import agent_actions as agents
from web.jobs.actions import cancel_job, finish_now, submit_train
from web.jobs.agent_actions import Fenced, Holder, ManifestEntry
from web.jobs.models import Attempt, Checkpoint, Job, JobState, MetricPoint
from web.voices.models import Voice

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(alice: User, alpha: Team) -> Job:
    return submit_train(alice, ready_dataset(alpha), preset="cpu", base_voice=ready_base())


def test_two_claims_and_one_wins(job: Job) -> None:
    one, _ = host("one")
    two, _ = host("two")
    assert agents.claim_job(job, one.pk, "one", "one", "cpu") is not None
    assert agents.claim_job(job, two.pk, "two", "two", "cpu") is None
    job.refresh_from_db()
    assert (job.attempt, job.agent_name, job.state) == (1, "one", JobState.RUNNING)


WRITES: dict[str, Callable[[Holder], object]] = {
    "stage": lambda holder: agents.report_stage(holder, "train"),
    "progress": lambda holder: agents.report_progress(holder, 0.5, 60, "half"),
    "metrics": lambda holder: agents.store_metrics(holder, [(1, {"mel": 1.0})]),
    "log": lambda holder: agents.store_log(holder, [(timezone.now(), "info", "hello")], 0),
    "objects": lambda holder: agents.create_objects(holder, [("a.wav", 1, "0" * 64)]),
    "inputs": lambda holder: agents.input_keys(holder, ["utterances.ndjson"]),
    "success": lambda holder: agents.finish_succeeded(holder, [], {}),
    "failure": lambda holder: agents.finish_failed(holder, "broken", "It broke."),
    "release": lambda holder: agents.release_job(holder, "shutting down"),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", ["attempt", "agent", "ended"])
def test_it_refuses_a_stale_writer(job: Job, alice: User, write: str, fault: str) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    if fault == "attempt":
        holder = replace(holder, attempt=holder.attempt + 1)
    elif fault == "agent":
        holder = replace(holder, agent_id=uuid4())
    else:
        cancel_job(alice, job)
    before = Job.objects.values().get(pk=job.pk)
    with pytest.raises(Fenced):
        WRITES[write](holder)
    assert Job.objects.values().get(pk=job.pk) == before
    assert not MetricPoint.objects.exists()


def test_a_value_that_the_database_refuses_leaves_the_connection_usable(job: Job) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    with transaction.atomic():  # the outer one of the test would hide what is left open
        depth = len(connection.savepoint_ids)
        with pytest.raises(DataError, match="NUL"):
            agents.report_stage(holder, "a\0b")
        assert len(connection.savepoint_ids) == depth
    agents.report_stage(holder, "train")


def test_a_heartbeat_renews_the_lease_and_counts_the_time(job: Job, alpha: Team) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    Attempt.objects.update(renewed=timezone.now() - timedelta(seconds=5))
    Job.objects.filter(pk=job.pk).update(lease_until=Now() + timedelta(seconds=1))
    assert agents.renew_lease(holder) == "ok"
    job.refresh_from_db()
    assert job.lease_until is not None
    assert job.lease_until > timezone.now() + timedelta(seconds=15)
    assert gpu_seconds_used(alpha) == pytest.approx(5, abs=1)


def test_a_cancel_reaches_the_holder_at_its_next_heartbeat(job: Job, alice: User) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    cancel_job(alice, job)
    assert agents.renew_lease(holder) == "cancel"


def test_finish_now_reaches_the_holder(job: Job, alice: User) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    finish_now(alice, job)
    assert agents.renew_lease(holder) == "finish_now"


def test_running_out_of_minutes_ends_the_training_early(job: Job, alpha: Team) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    alpha.gpu_minutes_quota = 0
    alpha.save()
    assert agents.renew_lease(holder) == "finish_now"
    assert "used up" in job.log_lines.get().text


def test_a_lost_lease_queues_the_job_again_and_rings(job: Job) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    assert agents.reap_expired_leases() == 0
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert agents.reap_expired_leases() == 1
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.QUEUED, 1)
    assert job.attempts.get().outcome == "lease_lost"
    assert agents.renew_lease(holder) == "fenced"


def test_the_third_lost_lease_is_poison(job: Job) -> None:
    agent, _ = host()
    for _ in range(3):
        claimed(agent)
        Job.objects.update(
            lease_until=Now() - timedelta(seconds=1), queued_at=timezone.now() - timedelta(hours=1)
        )
        assert agents.reap_expired_leases() == 1
    job.refresh_from_db()
    assert (job.state, job.error_code) == (JobState.FAILED, "poison")
    assert "3 times" in job.error_message


def test_a_host_that_lost_a_job_leaves_it_to_another_for_a_while(job: Job) -> None:
    from web.fleet.actions import claim_waiting

    one, _ = host("one")
    two, _ = host("two")
    claimed(one)
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    agents.reap_expired_leases()
    assert claim_waiting(one, "cpu") == (None, True)
    taken, _ = claim_waiting(two, "cpu")
    assert taken is not None and taken.attempt == 2


def test_a_released_job_waits_again_and_does_not_count_as_lost(job: Job) -> None:
    agent, _ = host()
    for _ in range(4):
        _, holder = claimed(agent)
        agents.release_job(holder, "The host shuts down.")
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.QUEUED, 4)


def test_a_gpu_takes_what_prefers_one(alice: User, alpha: Team) -> None:
    from web.fleet.actions import claim_waiting

    cpu, _ = host("cpu-host", "cpu")
    gpu, _ = host("gpu-host", "cuda:0")
    submit_train(alice, ready_dataset(alpha), preset="quick", base_voice=ready_base())
    assert claim_waiting(cpu, "cpu") == (None, True)
    taken, _ = claim_waiting(gpu, "cuda:0")
    assert taken is not None


def test_without_a_gpu_in_the_fleet_a_cpu_takes_it(alice: User, alpha: Team) -> None:
    cpu, _ = host("cpu-host", "cpu")
    job = submit_train(alice, ready_dataset(alpha), preset="quick", base_voice=ready_base())
    assert claimed(cpu)[0] == job


def test_a_finished_training_is_a_voice_at_once_and_only_once(job: Job, alpha: Team) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    manifest = voice_manifest(holder)
    agents.finish_succeeded(holder, manifest, VOICE_RESULT)
    agents.finish_succeeded(holder, manifest, VOICE_RESULT)
    job.refresh_from_db()
    voice = Voice.objects.get()
    assert (job.state, job.voice, job.progress) == (JobState.SUCCEEDED, voice, 1.0)
    assert voice.lineage["dataset_version"] == 1
    assert voice.lineage["steps"] == 12
    alpha.refresh_from_db()
    assert alpha.storage_used_bytes == sum(file.size for file in voice.files.all())


def test_an_object_that_did_not_arrive_publishes_nothing(job: Job) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    manifest = voice_manifest(holder)
    agents.create_objects(holder, [("late.wav", 5, "1" * 64)])
    late = ManifestEntry("late.wav", "voice_sample", "1" * 64, 5)
    with pytest.raises(Invalid, match=r"late\.wav"):
        agents.finish_succeeded(holder, [*manifest, late], VOICE_RESULT)
    job.refresh_from_db()
    assert job.state == JobState.RUNNING
    assert not Voice.objects.exists()


def test_a_new_attempt_goes_on_from_the_newest_checkpoint(job: Job) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    for step in (10, 20, 30):
        entry = uploaded(holder, f"step-{step}.ckpt", "checkpoint", b"weights %d" % step)
        agents.store_checkpoint(holder, entry, step, 1, {"val_mel": 0.5})
    # The CPU preset keeps two.
    assert list(Checkpoint.objects.values_list("step", flat=True)) == [20, 30]
    agents.release_job(holder, "The host shuts down.")
    job, again = claimed(agent)
    newest = agents.newest_checkpoint(job)
    assert newest is not None and newest.step == 30
    assert agents.input_keys(again, [agents.RESUME_NAME])[agents.RESUME_NAME] == newest.key


def test_steps_that_a_resumed_attempt_repeats_are_overwritten(job: Job) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    agents.store_metrics(holder, [(1, {"mel": 9.0}), (2, {"mel": 8.0})])
    agents.release_job(holder, "The host shuts down.")
    _, again = claimed(agent)
    agents.store_metrics(again, [(2, {"mel": 7.0}), (3, {"mel": 6.0})])
    found = [(p.step, p.values["mel"], p.attempt) for p in job.metrics.all()]
    assert found == [(1, 9.0, 1), (2, 7.0, 2), (3, 6.0, 2)]


def test_a_steps_validation_joins_its_losses(job: Job) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    agents.store_metrics(holder, [(5, {"mel": 1.0, "grad_norm": float("nan")})])
    agents.store_metrics(holder, [(5, {"val_mel": 0.9})])
    assert job.metrics.get().values == {"mel": 1.0, "val_mel": 0.9}


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", "", "a\\b", "a\x00b"])
def test_names_of_objects_stay_in_their_folder(job: Job, name: str) -> None:
    agent, _ = host()
    _, holder = claimed(agent)
    with pytest.raises(Invalid):
        agents.create_objects(holder, [(name, 1, "0" * 64)])


def test_a_long_wait_rings_again(job: Job) -> None:
    from web.core.models import OutboxMessage

    assert agents.ring_again() == 0
    Job.objects.update(rung_at=Now() - timedelta(seconds=31))
    assert agents.ring_again() == 1
    assert OutboxMessage.objects.filter(message_id=f"{job.pk}:1").count() == 2
    assert agents.ring_again() == 0

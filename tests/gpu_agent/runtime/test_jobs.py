"""A job's way through the agent: claimed once, run, and told to the portal."""

from __future__ import annotations

import os

from syrinx.agent.v1 import agent_pb2 as pb
from tests.eventually import assert_eventually
from tests.gpu_agent.conftest import StartAgent
from tests.gpu_agent.fake_portal import FakeJob, FakePortal
from tests.gpu_agent.nats_server import NatsServer
from tests.gpu_agent.object_store import ObjectStore


def done(job: FakeJob) -> bool:
    return bool(job.finishes)


def test_it_brings_inputs_and_stores_outputs(
    portal: FakePortal, bell: NatsServer, store: ObjectStore, start_agent: StartAgent
) -> None:
    inputs = {"audio/1.wav": b"one" * 1000, "audio/2.wav": b"two", "empty": b""}
    job = portal.add("job-1", "fetch_and_keep", inputs=inputs, resume={"resume.ckpt": b"state"})
    for name, body in {**job.inputs, **job.resume}.items():
        store.objects[f"in/job-1/{name}"] = body
    start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: done(job))

    assert job.ending.outcome == pb.FinishRequest.SUCCEEDED
    assert job.ending.result.import_base.parameters_found == 4
    assert job.ending.result.import_base.licence == "CC0"
    assert job.stages == ["fetch", "publish"]
    bodies = {stored.name: stored for stored in job.ending.manifest}
    assert set(bodies) == {"1.wav", "2.wav", "empty", "resume.ckpt"}
    one = bodies["1.wav"]
    assert store.objects[f"jobs/job-1/1/{one.sha256}/1.wav"] == inputs["audio/1.wav"]
    assert (one.role, one.size) == ("copy", 3000)
    assert bell.waiting() == 0


def test_a_job_runs_once_however_many_rings_and_workers(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    jobs = [portal.add(f"job-{number}", "report") for number in range(4)]
    start_agent(SYRINX_DEVICES="cpu,cpu")
    start_agent()
    for _ in range(3):
        for job in jobs:
            bell.ring(job.id)
    assert_eventually(lambda: all(done(job) for job in jobs), timeout=20)
    assert_eventually(lambda: bell.waiting() == 0)
    assert [(job.attempt, len(job.finishes)) for job in jobs] == [(1, 1)] * 4


def test_the_message_is_acknowledged_when_the_job_is_claimed_not_when_it_ends(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "endless")
    start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: job.stages)
    assert_eventually(lambda: bell.waiting() == 0, timeout=1)
    assert job.state == "running"


def test_told_to_wait_it_lets_the_bell_ring_again(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "failing", waits=1)
    start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: done(job), timeout=15)
    assert job.claims == 2


def test_news_arrive_progress_thinned_and_nothing_else_lost(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "report")
    start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: done(job), timeout=20)

    assert job.progress[-1] == 1.0
    assert len(job.progress) < 200
    assert len(job.metrics) == 1500
    assert set(job.metrics[1500]) == {"loss_g"}, "a chart takes no NaN"
    assert len(job.log) + job.dropped >= 5_000
    assert "info: printed by a library" in job.log or job.dropped
    [sample] = job.samples
    assert (sample.step, sample.text, sample.seconds) == (5, "Hello.", 1.5)
    assert (sample.object.name, sample.object.role) == ("sample-00000005-0.wav", "sample")
    [checkpoint] = job.checkpoints
    assert dict(checkpoint.scores) == {"val_mel": 0.5}
    assert checkpoint.object.name == "checkpoint-00000005.ckpt"


def test_wishes_reach_the_child(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "obedient")
    start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: job.stages)
    portal.send(pb.SessionDown.CHECKPOINT_NOW, job)
    assert_eventually(lambda: "info: checkpointing" in job.log)
    portal.send(pb.SessionDown.FINISH_NOW, job)
    assert_eventually(lambda: done(job))
    assert job.ending.outcome == pb.FinishRequest.SUCCEEDED


def test_inputs_that_another_job_brought_are_not_fetched_again(
    portal: FakePortal, bell: NatsServer, store: ObjectStore, start_agent: StartAgent
) -> None:
    clip = os.urandom(50_000)
    jobs = [portal.add(f"job-{n}", "fetch_and_keep", inputs={"a.wav": clip}) for n in (1, 2)]
    for job in jobs:
        store.objects[f"in/{job.id}/a.wav"] = clip
    start_agent()
    for job in jobs:
        bell.ring(job.id)
        assert_eventually(lambda: done(job))  # noqa: B023
    assert store.requests["GET"] == 1


def test_while_the_portal_drains_it_it_takes_no_job(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    portal.draining = True
    start_agent()
    assert_eventually(lambda: portal.heartbeats[-1].draining)
    job = portal.add("job-1", "failing")
    bell.ring("job-1")
    beats = len(portal.heartbeats)
    assert_eventually(lambda: len(portal.heartbeats) > beats + 3)
    assert job.claims == 0
    portal.draining = False
    assert_eventually(lambda: done(job))


def test_a_result_that_the_portal_refuses_fails_the_job(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "obedient", refusal="The bundle is not a bundle.")
    agent = start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: job.stages)
    portal.send(pb.SessionDown.FINISH_NOW, job)
    assert_eventually(lambda: done(job))
    assert (job.ending.outcome, job.ending.error_code) == (
        pb.FinishRequest.FAILED,
        "portal_refused",
    )
    assert "The bundle is not a bundle." in job.ending.error_message
    assert agent.process.poll() is None

"""The portal, NATS and storage go away and come back; the agent goes on."""

from __future__ import annotations

import time

from syrinx.agent.v1 import agent_pb2 as pb
from tests.eventually import assert_eventually
from tests.gpu_agent.conftest import StartAgent
from tests.gpu_agent.fake_portal import LEASE_SECONDS, FakePortal
from tests.gpu_agent.nats_server import NatsServer
from tests.gpu_agent.object_store import ObjectStore

SUCCEEDED = pb.FinishRequest.SUCCEEDED


def test_a_restarted_portal_finds_the_job_held_and_its_news_complete(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "obedient")
    agent = start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: job.beats > 1)
    portal.stop()
    assert_eventually(lambda: "no session with the portal" in agent.log)
    time.sleep(LEASE_SECONDS)  # longer than a lease; only the portal's clock counts
    portal.start()
    beats = job.beats
    assert_eventually(lambda: job.beats > beats)
    assert len(portal.registrations) == 2
    portal.send(pb.SessionDown.FINISH_NOW, job)
    assert_eventually(lambda: job.finishes)
    assert (job.attempt, job.ending.outcome) == (1, SUCCEEDED)


def test_a_job_that_ends_while_the_portal_is_away_is_told_when_it_is_back(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "obedient")
    agent = start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: job.beats)
    portal.send(pb.SessionDown.FINISH_NOW, job)
    portal.stop()
    assert_eventually(lambda: "the stream ended" in agent.log or "no session" in agent.log)
    portal.start()
    assert_eventually(lambda: job.finishes)
    assert len(job.finishes) == 1


def test_what_was_not_acknowledged_is_sent_again_on_a_new_stream(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    portal.acks_withheld = 4  # two stages, metrics, the sample or checkpoint
    job = portal.add("job-1", "report")
    start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: job.checkpoints)
    assert not job.finishes
    portal.drop_streams()
    assert_eventually(lambda: job.finishes)
    assert len(job.metrics) == 1500
    assert {checkpoint.step for checkpoint in job.checkpoints} == {5}
    assert {sample.step for sample in job.samples} == {5}
    assert len(job.stages) + len(job.samples) + len(job.checkpoints) > 4


def test_nats_may_restart(portal: FakePortal, bell: NatsServer, start_agent: StartAgent) -> None:
    start_agent()
    bell.stop()
    bell.start()
    job = portal.add("job-1", "failing")
    bell.ring("job-1")
    assert_eventually(lambda: job.finishes, timeout=15)


def test_a_job_goes_on_without_nats(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "obedient")
    start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: job.beats)
    bell.stop()
    portal.send(pb.SessionDown.FINISH_NOW, job)
    assert_eventually(lambda: job.finishes)
    assert job.ending.outcome == SUCCEEDED


def test_the_job_stream_may_be_wiped_and_made_anew(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    agent = start_agent()
    bell.wipe()
    assert_eventually(lambda: "cannot listen for jobs" in agent.log, timeout=15)
    bell.make_stream()
    job = portal.add("job-1", "failing")
    bell.ring("job-1")
    assert_eventually(lambda: job.finishes, timeout=15)


def test_storage_may_stumble(
    portal: FakePortal, bell: NatsServer, store: ObjectStore, start_agent: StartAgent
) -> None:
    body = b"abc" * 100_000
    job = portal.add("job-1", "fetch_and_keep", inputs={"a.wav": body})
    store.objects["in/job-1/a.wav"] = body
    store.fail("GET", "a.wav", 503)
    store.fail("GET", "a.wav", 0)
    store.fail("PUT", "a.wav", 500, times=2)
    start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: job.finishes)
    assert job.ending.outcome == SUCCEEDED


def test_a_wrong_token_ends_the_agent_with_one_sentence(start_agent: StartAgent) -> None:
    agent = start_agent(ready=False, SYRINX_AGENT_TOKEN="wrong")
    assert agent.process.wait(10) == 1
    assert "refused this agent's token" in agent.log
    assert "Traceback" not in agent.log


def test_a_revoked_token_kills_the_job_and_ends_the_agent(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "endless")
    agent = start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: job.stages)
    portal.token = "another"
    portal.drop_streams()
    assert agent.process.wait(10) == 1
    assert "revoked" in agent.log
    assert "Traceback" not in agent.log


def test_a_wrong_nats_password_ends_the_agent_with_one_sentence(
    bell: NatsServer, start_agent: StartAgent
) -> None:
    url = bell.agent_url.replace("agent-word", "wrong")
    agent = start_agent(ready=False, SYRINX_NATS_URL=url)
    assert agent.process.wait(15) == 1
    assert "SYRINX_NATS_URL" in agent.log
    assert "Traceback" not in agent.log


def test_two_agents_do_not_share_a_folder(start_agent: StartAgent) -> None:
    first = start_agent()
    second = start_agent(ready=False, SYRINX_WORK_DIR=str(first.folder))
    assert second.process.wait(10) == 2
    assert "SYRINX_WORK_DIR of its own" in second.log
    assert first.process.poll() is None

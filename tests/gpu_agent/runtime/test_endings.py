"""How a job ends when it does not succeed."""

from __future__ import annotations

import json
import os
import time

import pytest

from syrinx.agent.v1 import agent_pb2 as pb
from tests.eventually import assert_eventually
from tests.gpu_agent.conftest import AgentProcess, StartAgent
from tests.gpu_agent.fake_portal import FakeJob, FakePortal
from tests.gpu_agent.nats_server import NatsServer
from tests.gpu_agent.object_store import ObjectStore

FAILED, RELEASED = pb.FinishRequest.FAILED, pb.FinishRequest.RELEASED


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids_of(agent: AgentProcess, job: FakeJob) -> list[int]:
    """The trainer and its loader, once they run."""
    file = agent.scratch(job.id) / "pids.json"
    assert_eventually(lambda: job.stages and file.exists())
    pids = list(json.loads(file.read_text()).values())
    assert all(is_alive(pid) for pid in pids)
    return pids


def ending_of(job: FakeJob) -> pb.FinishRequest:
    assert_eventually(lambda: job.finishes)
    return job.ending


@pytest.mark.parametrize(
    ("scenario", "outcome", "code", "says"),
    [
        ("failing", FAILED, "dataset_empty", "no usable recording"),
        ("crash", FAILED, "trainer_crashed", "the GPU fell off the bus"),
        ("oom_killed", FAILED, "out_of_memory", "smaller batch"),
        ("cuda_oom", FAILED, "out_of_memory", "smaller batch"),
        ("escape", FAILED, "internal", "not in the folder of its job"),
        ("disk_full", RELEASED, "disk_full", "disk is full"),
    ],
)
def test_it_says_what_happened(
    portal: FakePortal,
    bell: NatsServer,
    start_agent: StartAgent,
    scenario: str,
    outcome: pb.FinishRequest.Outcome,
    code: str,
    says: str,
) -> None:
    job = portal.add("job-1", scenario)
    start_agent()
    bell.ring("job-1")
    ending = ending_of(job)
    assert (ending.outcome, ending.error_code) == (outcome, code)
    assert says in ending.error_message
    assert any(says in line for line in job.log)


def test_an_input_that_storage_lost_fails_the_job_and_names_the_file(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "fetch_and_keep", inputs={"audio/gone.wav": b"x"})
    start_agent()
    bell.ring("job-1")
    ending = ending_of(job)
    assert (ending.outcome, ending.error_code) == (FAILED, "input_missing")
    assert "audio/gone.wav" in ending.error_message


def test_an_input_that_storage_altered_fails_the_job(
    portal: FakePortal, bell: NatsServer, store: ObjectStore, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "fetch_and_keep", inputs={"a.wav": b"right"})
    store.objects["in/job-1/a.wav"] = b"wrong"
    start_agent()
    bell.ring("job-1")
    assert ending_of(job).error_code == "input_corrupt"


@pytest.mark.parametrize("command", [pb.SessionDown.CANCEL, pb.SessionDown.FENCED])
def test_cancelled_or_fenced_the_trainer_is_killed_with_all_it_started(
    portal: FakePortal,
    bell: NatsServer,
    start_agent: StartAgent,
    command: pb.SessionDown.Command,
) -> None:
    job = portal.add("job-1", "endless")
    agent = start_agent()
    bell.ring("job-1")
    pids = pids_of(agent, job)
    job.state = "cancelled"
    portal.send(command, job)
    began = time.monotonic()
    assert_eventually(lambda: not any(map(is_alive, pids)), timeout=10)
    assert time.monotonic() - began < 2
    assert_eventually(lambda: not portal.heartbeats[-1].held)
    assert not job.finishes

    after = portal.add("job-2", "failing")  # and the device is free again
    bell.ring("job-2")
    assert ending_of(after)


def test_a_lost_lease_is_noticed_at_the_next_heartbeat(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "endless")
    agent = start_agent()
    bell.ring("job-1")
    pids = pids_of(agent, job)
    job.attempt += 1  # another agent has it now
    assert_eventually(lambda: not any(map(is_alive, pids)))
    assert job.state == "running"


def test_a_newer_attempt_on_the_same_host_ends_the_older_first(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "endless")
    agent = start_agent(SYRINX_DEVICES="cpu,cpu")
    bell.ring("job-1")
    pids = pids_of(agent, job)
    job.scenario, job.state = "failing", "queued"
    bell.ring("job-1")
    assert ending_of(job).job.attempt == 2
    assert not any(map(is_alive, pids))


def test_sigterm_gives_the_job_back_with_a_last_checkpoint(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "obedient")
    agent = start_agent()
    bell.ring("job-1")
    assert_eventually(lambda: job.stages)
    assert agent.terminate() == 0
    assert job.ending.outcome == RELEASED
    assert [checkpoint.step for checkpoint in job.checkpoints] == [3]
    assert portal.heartbeats[-1].draining


def test_an_idle_agent_ends_at_once_on_sigterm(start_agent: StartAgent) -> None:
    agent = start_agent()
    began = time.monotonic()
    assert agent.terminate() == 0
    assert time.monotonic() - began < 2


def test_a_second_signal_does_not_wait(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "endless")
    agent = start_agent()
    bell.ring("job-1")
    pids = pids_of(agent, job)
    agent.process.terminate()
    assert_eventually(lambda: portal.heartbeats[-1].draining)
    agent.process.terminate()
    assert agent.process.wait(5) == 1
    assert not any(map(is_alive, pids))


def test_no_process_of_a_job_outlives_a_killed_agent(
    portal: FakePortal, bell: NatsServer, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "endless")
    agent = start_agent()
    bell.ring("job-1")
    pids = pids_of(agent, job)
    agent.kill()
    assert_eventually(lambda: not any(map(is_alive, pids)), timeout=3)

    job.state = "queued"  # the lease runs out, the portal rings again
    job.scenario = "failing"
    start_agent(SYRINX_WORK_DIR=str(agent.folder))
    bell.ring("job-1")
    assert ending_of(job).job.attempt == 2


def test_a_job_sees_no_secret_and_no_network(
    portal: FakePortal, bell: NatsServer, store: ObjectStore, start_agent: StartAgent
) -> None:
    job = portal.add("job-1", "environment")
    start_agent(HTTPS_PROXY="http://secret-proxy:1", SYRINX_LOG="json", LC_ALL="C.UTF-8")
    bell.ring("job-1")
    stored = ending_of(job).manifest[0]
    told = json.loads(store.objects[f"jobs/job-1/1/{stored.sha256}/environment.json"])
    assert not [name for name in told["environment"] if name.startswith("SYRINX")]
    everything = json.dumps(told["environment"]) + told["guard"]
    for secret in ("a-token", "agent-word", "secret-proxy", str(portal.port)):
        assert secret not in everything
    assert told["environment"]["LC_ALL"] == "C.UTF-8"
    assert told["environment"]["CUDA_VISIBLE_DEVICES"] == ""
    assert told["umask"] == 0o077
    if os.geteuid() == 0:  # elsewhere the kernel may not permit it
        assert {line.split(":")[0].strip() for line in told["net"].splitlines()[2:]} == {"lo"}

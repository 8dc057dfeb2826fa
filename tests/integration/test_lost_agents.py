"""Two agents share the queue; what one loses, the other goes on with."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.eventually import assert_eventually
from tests.integration.portal import Portal
from tests.stack import Stack

pytestmark = pytest.mark.slow
# Small enough for a CPU, long enough to be interrupted.
LONG = {
    "max_steps": 400,
    "warmup_steps": 1,
    "batch_size": 2,
    "segment_size": 2048,
    "checkpoint_minutes": 0.05,
    "validation_split": 0,
    "sentences": ["Hello."],
}


def train(portal: Portal, dataset: str, **params: object) -> str:
    order = {
        "kind": "train",
        "dataset_id": dataset,
        "base_voice_id": portal.ready_base(),
        "preset": "cpu",
        "params": {**LONG, **params},
    }
    return str(portal.post("/jobs", order)["id"])


def process_of(stack: Stack, agent: str) -> int:
    """The process id of `agent-N`, found by its work folder."""
    folder = f"SYRINX_WORK_DIR={stack.data_dir}/agents/{agent.removeprefix('agent-')}"
    children = Path(f"/proc/{stack.process.pid}/task/{stack.process.pid}/children")
    for pid in map(int, children.read_text().split()):
        if folder in Path(f"/proc/{pid}/environ").read_text().split("\0"):
            return pid
    raise AssertionError(f"{agent} does not run")


def checkpoints(portal: Portal, job: str) -> list[int]:
    return [row["step"] for row in portal.get(f"/jobs/{job}/checkpoints")["items"]]


@pytest.fixture(scope="module")
def dataset(portal: Portal, recordings: list[Path]) -> str:
    return portal.prepared("Shared", recordings)


@pytest.mark.timeout(900)
def test_the_other_agent_goes_on_from_the_last_checkpoint(
    portal: Portal, stack: Stack, dataset: str
) -> None:
    job = train(portal, dataset)
    assert_eventually(lambda: len(checkpoints(portal, job)) >= 1, timeout=300)
    loser = portal.job(job)["agent"]
    saved = checkpoints(portal, job)[-1]
    os.kill(process_of(stack, loser), signal.SIGKILL)

    def taken_over() -> bool:
        state = portal.job(job)
        return state["attempt"] == 2 and state["stage"] == "train" and state["step"] > saved

    assert_eventually(taken_over, timeout=300)
    state = portal.job(job)
    assert state["agent"] != loser
    assert [attempt["outcome"] for attempt in state["attempts"]] == ["lease_lost", None]
    log = portal.get(f"/jobs/{job}/metrics?after_step={saved}")["series"]["loss_g"]
    assert log[0][0] == saved + 1, "the second attempt did not go on where the first one ended"

    portal.post(f"/jobs/{job}/finish-now")
    ended = portal.wait_for(job, "succeeded")
    assert ended["voice_id"]


@pytest.mark.timeout(900)
def test_a_cancelled_training_ends_its_process_within_ten_seconds(
    portal: Portal, stack: Stack, dataset: str
) -> None:
    job = train(portal, dataset)
    portal.wait_for(job, "running")
    assert_eventually(lambda: portal.job(job)["stage"] == "train", timeout=120)
    agent = portal.job(job)["agent"]
    folder = f"agents/{agent.removeprefix('agent-')}/jobs/{job}"
    assert trainers(folder), "no trainer to be seen"
    started = time.monotonic()
    assert portal.post(f"/jobs/{job}/cancel")["state"] == "cancelled"
    assert_eventually(lambda: not trainers(folder), timeout=10)
    assert time.monotonic() - started < 10


def trainers(folder: str) -> list[str]:
    """Processes that work in the job's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text()
        except OSError:
            continue
        if folder in line and "gpu_agent.pipeline" in line:
            found.append(path.parent.name)
    return found


@pytest.mark.timeout(900)
def test_two_agents_run_each_job_once(portal: Portal, recordings: list[Path]) -> None:
    datasets = [
        str(portal.post("/datasets", {"name": f"Many {n}", "language": "en-us"})["id"])
        for n in range(4)
    ]
    jobs = []
    for dataset in datasets:
        portal.upload(dataset, recordings)
        jobs.append(portal.post(f"/datasets/{dataset}/prepare")["job_id"])
    ended = [portal.wait_for(job, "succeeded") for job in jobs]
    assert [job["attempt"] for job in ended] == [1] * 4
    assert {job["agent"] for job in ended} == {"agent-1", "agent-2"}

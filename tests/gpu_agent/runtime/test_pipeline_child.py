"""The agent as it is, with the real pipeline in its child."""

from __future__ import annotations

from pathlib import Path

import pytest

from syrinx.agent.v1 import agent_pb2 as pb
from tests.eventually import assert_eventually
from tests.gpu_agent.conftest import AS_IT_IS, StartAgent
from tests.gpu_agent.fake_portal import FakePortal
from tests.gpu_agent.nats_server import NatsServer
from tests.gpu_agent.object_store import ObjectStore


@pytest.mark.slow
def test_a_published_voice_becomes_a_base(
    portal: FakePortal,
    bell: NatsServer,
    store: ObjectStore,
    start_agent: StartAgent,
    joe: tuple[Path, Path],
) -> None:
    inputs = {f"source/{path.name}": path.read_bytes() for path in joe}
    job = portal.add("job-1", "onnx", inputs=inputs)
    for name, body in inputs.items():
        store.objects[f"in/job-1/{name}"] = body
    portal.part_size = 5_000_000
    start_agent(program=AS_IT_IS)
    bell.ring("job-1")
    assert_eventually(lambda: job.finishes, timeout=240)
    assert job.ending.outcome == pb.FinishRequest.SUCCEEDED, job.ending.error_message
    result = job.ending.result.import_base
    assert (result.language, result.sample_rate, result.num_speakers) == ("en-us", 22050, 1)
    assert result.parameters_found > 300
    assert {stored.role for stored in job.ending.manifest} >= {"base_weights", "base_config"}
    for stored in job.ending.manifest:
        body = store.objects[f"jobs/job-1/1/{stored.sha256}/{stored.name}"]
        assert len(body) == stored.size

"""Object store → portal → NATS → agent processes, each real and each of one test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.eventually import assert_eventually
from tests.gpu_agent.fake_portal import TOKEN, FakePortal
from tests.gpu_agent.nats_server import NatsServer
from tests.gpu_agent.object_store import ObjectStore

REPOSITORY = Path(__file__).parents[2]
# The agent with a child of the tests' own in the pipeline's place, and the agent itself.
WITH_TEST_CHILD = (str(Path(__file__).with_name("run_agent.py")),)
AS_IT_IS = ("-m", "gpu_agent")


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    store = ObjectStore()
    yield store
    store.close()


@pytest.fixture
def portal(store: ObjectStore) -> Iterator[FakePortal]:
    portal = FakePortal(store)
    yield portal
    portal.close()


@pytest.fixture
def bell(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    server.start()
    server.make_stream()
    yield server
    server.stop()


class AgentProcess:
    def __init__(
        self, program: Sequence[str], folder: Path, log: Path, environment: dict[str, str]
    ) -> None:
        self.folder = folder
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, *program],
                env=environment,
                stderr=out,
                stdout=out,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_ready(self) -> None:
        assert_eventually(lambda: "waiting for jobs" in self.log, timeout=15)

    def scratch(self, job_id: str) -> Path:
        return self.folder / "jobs" / job_id / "scratch"

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(35)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


StartAgent = Callable[..., AgentProcess]


@pytest.fixture
def start_agent(portal: FakePortal, bell: NatsServer, tmp_path: Path) -> Iterator[StartAgent]:
    """Starts an agent and waits until it listens; settings may be given by name."""
    agents: list[AgentProcess] = []

    def start(
        *, ready: bool = True, program: Sequence[str] = WITH_TEST_CHILD, **settings: str
    ) -> AgentProcess:
        number = len(agents)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "proto")]),
            "SYRINX_GRPC_TARGET": f"127.0.0.1:{portal.port}",
            "SYRINX_NATS_URL": bell.agent_url,
            "SYRINX_AGENT_TOKEN": TOKEN,
            "SYRINX_WORK_DIR": str(tmp_path / f"agent-{number}"),
            "SYRINX_DEVICES": "cpu",
        } | settings
        folder = Path(environment["SYRINX_WORK_DIR"])
        agent = AgentProcess(program, folder, tmp_path / f"agent-{number}.log", environment)
        agents.append(agent)
        if ready:
            agent.wait_ready()
        return agent

    yield start
    for number, agent in enumerate(agents):
        if agent.process.poll() is None:
            agent.kill()
        print(f"---- agent {number}\n{agent.log}")  # pytest shows it when the test failed

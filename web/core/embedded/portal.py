"""The portal's own processes and the agents, as services of the embedded stack."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from web.core.embedded.console import Lines
from web.core.embedded.ports import is_listening
from web.core.embedded.process import Service

ROOT = Path(__file__).resolve().parents[3]
# A trainer may have a checkpoint to write and to upload before it lets go of its job.
AGENT_STOP_SECONDS = 40


@dataclass(frozen=True)
class Portal:
    """`settings` go to the portal's processes only: an agent never sees them."""

    settings: Mapping[str, str]
    host: str
    port: int
    grpc_port: int

    def command(self, name: str, *arguments: str, lines: Lines = "all") -> Service:
        """A `manage.py` command that ends by itself."""
        return Service(
            name=name,
            command=manage(name, *arguments),
            environment=self._environment(),
            folder=ROOT,
            lines=lines,
        )

    def services(self) -> list[Service]:
        return [self._grpc(), self._relay(), self._web()]

    def _web(self) -> Service:
        return Service(
            name="web",
            command=[
                *(sys.executable, "-m", "uvicorn", "web.config.asgi:application"),
                *("--host", self.host, "--port", str(self.port), "--lifespan", "off"),
                # Open event streams would otherwise keep it from ending.
                *("--timeout-graceful-shutdown", "3"),
                *("--no-access-log", "--no-server-header", "--log-level", "warning"),
            ],
            environment=self._environment(),
            folder=ROOT,
            is_ready=self._web_answers,
            ready_seconds=120,
        )

    def _grpc(self) -> Service:
        return Service(
            name="grpc",
            command=manage("serve_grpc"),
            environment=self._environment(),
            folder=ROOT,
            is_ready=lambda: is_listening(self.grpc_port),
            ready_seconds=120,
        )

    def _relay(self) -> Service:
        return Service(
            name="relay",
            command=manage("relay_outbox"),
            environment=self._environment(),
            folder=ROOT,
        )

    def _environment(self) -> dict[str, str]:
        return {**self.settings, "PYTHONUNBUFFERED": "1"}

    def _web_answers(self) -> bool:
        return answers(reachable(self.host), self.port, "/healthz")


@dataclass(frozen=True)
class AgentPlace:
    """Where one agent of this machine works, and with what."""

    number: int
    of: int
    folder: Path
    token_file: Path
    nats_url: str
    grpc_port: int
    gpus: int

    def service(self) -> Service:
        return Service(
            name="agent" if self.of == 1 else f"agent {self.number}",
            command=[sys.executable, "-m", "gpu_agent"],
            environment={
                "SYRINX_GRPC_TARGET": f"127.0.0.1:{self.grpc_port}",
                "SYRINX_NATS_URL": self.nats_url,
                "SYRINX_AGENT_TOKEN_FILE": str(self.token_file),
                "SYRINX_WORK_DIR": str(self.folder),
                "SYRINX_DEVICES": self._devices(),
                "PYTHONUNBUFFERED": "1",
            },
            folder=ROOT,
            stop_seconds=AGENT_STOP_SECONDS,
        )

    def _devices(self) -> str:
        """One agent takes all there is; of several, each takes a GPU while there are any."""
        chosen = os.environ.get("SYRINX_DEVICES")
        if chosen or self.of == 1:
            return chosen or "auto"
        return f"cuda:{self.number - 1}" if self.number <= self.gpus else "cpu"


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def count_gpus() -> int:
    """GPUs that the NVIDIA driver shows; torch, which knows more, takes seconds to load."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([each for each in visible.split(",") if each.strip() not in {"", "-1"}])
    folder = Path("/proc/driver/nvidia/gpus")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def reachable(host: str) -> str:
    """An address under which a server that listens on `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def answers(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

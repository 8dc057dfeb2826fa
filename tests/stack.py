"""The real `manage.py up` as a subprocess, for the tests that use the whole portal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.eventually import assert_eventually

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 180


class Stack:
    """One `manage.py up`; start it as often as you like on the same folder."""

    def __init__(
        self,
        data_dir: Path,
        *,
        agents: int = 1,
        options: tuple[str, ...] = (),
        run: list[str] | None = None,
    ) -> None:
        """`run`: what starts `manage.py`, where not this interpreter as this user."""
        self.data_dir = data_dir
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self._command = [
            *(run or [sys.executable]),
            *(str(ROOT / "manage.py"), "up", "--data", str(data_dir)),
            *("--port", "0", "--agents", str(agents)),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the stack is not started"
        return self._process

    @property
    def credentials(self) -> dict[str, Any]:
        """`url`, `username`, `password` and `token`."""
        found: dict[str, Any] = json.loads((self.data_dir / "credentials.json").read_text())
        return found

    @property
    def url(self) -> str:
        return str(self.credentials["url"])

    @property
    def token(self) -> str:
        return str(self.credentials["token"])

    def start(self) -> Stack:
        self.launch()
        self.wait_ready()
        return self

    def launch(self) -> None:
        """Starts it and does not wait."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("SYRINX_")
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._begin = self.log.stat().st_size

    def wait_ready(self) -> None:
        def ready() -> bool:
            code = self.process.poll()
            assert code is None or "Ready after" in self.said(), (
                f"manage.py up ended with code {code}:\n{self.said()}"
            )
            return "Ready after" in self.said()

        assert_eventually(ready, timeout=READY_SECONDS)

    def said(self) -> str:
        """What this start has printed so far."""
        with self.log.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace")

    def wait_for_line(self, text: str, timeout: float = 30) -> None:
        assert_eventually(lambda: text in self.said(), timeout)

    def stop(self, seconds: float = 60) -> int:
        """Ctrl-C; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=seconds)

    def kill(self) -> None:
        """`kill -9` of the supervisor, and only of it."""
        self.process.kill()
        self.process.wait()

    def children(self) -> dict[str, int]:
        """Process ids by name: `postgres`, `web`, `agent`, or of several agents `agent 1`, …"""
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {name_of(int(pid)): int(pid) for pid in task.read_text().split()}

    def environment(self) -> dict[str, str]:
        """What `set -a; . DIR/env` gives a shell, which does the reading here."""
        script = f'set -a; . "$1/env"; exec "{sys.executable}" -c "{PRINT_ENVIRONMENT}"'
        shell = ["/bin/sh", "-c", script, "sh", str(self.data_dir)]
        answer = subprocess.run(shell, capture_output=True, text=True, check=True, env={})
        settings: dict[str, str] = json.loads(answer.stdout)
        return {**os.environ, **settings}

    def manage(self, *arguments: str) -> str:
        """The output of another `manage.py` command, run against this stack."""
        answer = subprocess.run(
            command(*arguments), env=self.environment(), capture_output=True, text=True, cwd="/"
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout


PRINT_ENVIRONMENT = (
    "import json, os; "
    "print(json.dumps({n: v for n, v in os.environ.items() if n.startswith('SYRINX_')}))"
)


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def name_of(pid: int) -> str:
    arguments = Path(f"/proc/{pid}/cmdline").read_text()
    known = {
        "bin/postgres\0": "postgres",
        "nats-server": "nats",
        "weed\0": "s3",
        "uvicorn": "web",
        "serve_grpc": "grpc",
        "relay_outbox": "relay",
        "gpu_agent": "agent",
    }
    name = next((name for mark, name in known.items() if mark in arguments), arguments)
    return agent_name(pid) if name == "agent" else name


def agent_name(pid: int) -> str:
    environment = Path(f"/proc/{pid}/environ").read_text()
    found = re.search(r"SYRINX_WORK_DIR=(.*?)/agents/(\d+)\0", environment)
    assert found, "an agent without a folder to work in"
    several = len(list((Path(found[1]) / "agents").iterdir())) > 1
    return f"agent {found[2]}" if several else "agent"

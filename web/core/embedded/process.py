"""One child process: what to run, when it is ready, how it is stopped, where its lines go."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from web.core.embedded import CannotStart
from web.core.embedded.console import Console, Lines

LAUNCH = Path(__file__).with_name("launch.py")
POLL_SECONDS = 0.04


def _always() -> bool:
    return True


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Service:
    """How to run one server; nothing has been started yet."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path("/")
    # Mends what an earlier life left behind; called before every start.
    prepare: Callable[[], None] = _nothing
    # Takes away what it leaves behind; called whenever it has ended.
    clean_up: Callable[[], None] = _nothing
    is_ready: Callable[[], bool] = _always
    ready_seconds: float = 30
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 5
    # What the kernel sends when the supervisor itself is killed.
    orphan_signal: signal.Signals = signal.SIGKILL
    # `same`, or how to leave root: see launch.py.
    user: str = "same"
    lines: Lines = "all"


class Process:
    """A running service. Start it from the main thread: it dies with the thread that made it."""

    def __init__(self, service: Service, console: Console) -> None:
        service.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        service.prepare()
        self.service = service
        self.started_at = time.monotonic()
        self.last_lines: deque[str] = deque(maxlen=30)
        self._console = console
        self._popen = subprocess.Popen(
            launch_command(service),
            cwd=service.folder,
            env={**os.environ, **service.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches only the supervisor, which then stops everything in order.
            start_new_session=True,
        )
        self._pump = threading.Thread(target=self._read_lines, daemon=True)
        self._pump.start()

    @property
    def id(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    def is_ready(self) -> bool:
        """Raises CannotStart when it ended, or took longer than it may."""
        if self.exit_code is not None:
            raise self._failure()
        if self.service.is_ready():
            return True
        if time.monotonic() - self.started_at > self.service.ready_seconds:
            raise CannotStart(
                f"{self.service.name} did not answer within {self.service.ready_seconds:.0f} s."
            )
        return False

    def check_success(self) -> None:
        """For what has ended by itself: raises CannotStart with its last lines if it failed."""
        self.kill()
        if self.exit_code != 0:
            raise self._failure()

    def _failure(self) -> CannotStart:
        self._pump.join(timeout=1)
        last = "\n".join(f"  {line}" for line in self.last_lines)
        return CannotStart(f"{self.service.name} ended {self.ending()}. Its last lines:\n{last}")

    def wait_ready(self) -> None:
        while not self.is_ready():
            time.sleep(POLL_SECONDS)

    def ask_to_stop(self) -> None:
        self._signal(self.service.stop_signal)

    def stop(self, seconds: float | None = None) -> None:
        """Returns when the process and all that it started are gone."""
        if self.exit_code is None:
            self.ask_to_stop()
            limit = self.service.stop_seconds if seconds is None else seconds
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout=limit)
        self.kill()

    def kill(self) -> None:
        """Also ends what is left of its process group."""
        self._signal(signal.SIGKILL)
        self._popen.wait()
        self._pump.join(timeout=1)
        self.service.clean_up()

    def ending(self) -> str:
        code = self.exit_code
        if code is None:
            return "not at all"
        return f"with code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)

    def _read_lines(self) -> None:
        assert self._popen.stdout is not None
        for raw in self._popen.stdout:
            line = raw.decode(errors="replace").rstrip()
            self.last_lines.append(line)
            self._console.child_line(self.service.name, line, self.service.lines)


def launch_command(service: Service) -> list[str]:
    return [
        *(sys.executable, "-I", "-S", str(LAUNCH)),
        *(str(os.getpid()), str(int(service.orphan_signal)), service.user, str(service.folder)),
        *("--", *service.command),
    ]


def run_to_end(service: Service, console: Console, *, seconds: float) -> None:
    """Runs something that ends by itself. Raises CannotStart when it fails."""
    process = Process(service, console)
    deadline = time.monotonic() + seconds
    while process.exit_code is None:
        if time.monotonic() > deadline:
            process.kill()
            raise CannotStart(f"{service.name} did not end within {seconds:.0f} s.")
        time.sleep(POLL_SECONDS)
    process.check_success()

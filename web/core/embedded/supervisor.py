"""Starts services in order, keeps them running, and stops them in the opposite order.

```
 start(layer) ─▶ waits until each is ready ─▶ … ─▶ watch() ─── a signal ───▶ stop()
                                                     │  ▲                     last layer first
                                       a child ended ▼  │ again, after a pause
                                                 1, 2, 4 … 30 s
```
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

from web.core.embedded import CannotStart
from web.core.embedded.console import Console
from web.core.embedded.process import POLL_SECONDS, Process, Service

WATCH_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30
# A child that has run this long is healthy again: its next pause is the shortest.
HEALTHY_SECONDS = 60


class Stopped(Exception):
    """A signal asked to stop while something was being waited for."""


@dataclass
class Child:
    """A service that is to run, and what runs it now."""

    service: Service
    process: Process
    deaths: int = 0
    start_again_at: float | None = None


class Supervisor:
    """Use it in the main thread only: children die with the thread that started them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._layers: list[list[Child]] = []
        self._background: list[Process] = []
        self._signals = 0

    def listen_to_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # Only counts: the main loop acts on it, as nothing else is safe in a handler.
        self._signals += 1

    def start(self, services: Sequence[Service]) -> None:
        """Starts one layer; `wait_ready` waits for it. Raises CannotStart."""
        layer: list[Child] = []
        self._layers.append(layer)
        for service in services:
            layer.append(Child(service, Process(service, self._console)))

    def wait_ready(self, *names: str) -> None:
        """Until the services of these names, or all, are ready. Raises CannotStart, Stopped."""
        for child in self._children():
            if not names or child.service.name in names:
                while not child.process.is_ready():
                    self.pause(POLL_SECONDS)

    def run(self, service: Service, *, seconds: float = 300) -> list[str]:
        """Runs something that ends by itself; returns its last lines."""
        process = Process(service, self._console)
        deadline = time.monotonic() + seconds
        try:
            while process.exit_code is None:
                if time.monotonic() > deadline:
                    raise CannotStart(f"{service.name} did not end within {seconds:.0f} s.")
                self.pause(POLL_SECONDS)
        finally:
            process.kill()
        process.check_success()
        return list(process.last_lines)

    def run_in_background(self, service: Service) -> None:
        """Something that ends by itself, while the rest goes on; said so when it fails."""
        self._background.append(Process(service, self._console))

    def watch(self, every: Callable[[], None]) -> None:
        """Serves until a signal; calls `every` now and then (5 times a second)."""
        while not self._signals:
            for child in self._children():
                self._look_after(child)
            self._look_after_background()
            every()
            time.sleep(WATCH_SECONDS)

    def pause(self, seconds: float) -> None:
        if self._signals:
            raise Stopped
        time.sleep(seconds)

    def stop(self) -> None:
        """Last layer first, the members of a layer at once. A second signal makes it hurry."""
        asked = self._signals
        for process in self._background:
            process.kill()
        for layer in reversed(self._layers):
            running = [child.process for child in layer if child.process.exit_code is None]
            for process in running:
                process.ask_to_stop()
            for process in running:
                self._wait_for_end(process, asked)
            # Also what a child has left behind in its process group.
            for child in layer:
                child.process.kill()
        self._layers.clear()

    def _wait_for_end(self, process: Process, asked: int) -> None:
        begun = time.monotonic()
        told = False
        while process.exit_code is None:
            waited = time.monotonic() - begun
            if waited > process.service.stop_seconds:
                self._console.say(f"{process.service.name} does not stop; ending it.")
                return
            if self._signals > asked:
                return
            if waited > 3 and not told:
                told = True
                self._console.say(
                    f"Waiting for {process.service.name} to finish what it does, at most "
                    f"{process.service.stop_seconds:.0f} s. Press Ctrl-C again to end it now."
                )
            time.sleep(POLL_SECONDS)

    def _children(self) -> list[Child]:
        return [child for layer in self._layers for child in layer]

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        name = child.service.name
        if child.start_again_at is not None:
            if now < child.start_again_at:
                return
            try:
                child.process = Process(child.service, self._console)
            except (CannotStart, OSError) as error:
                child.start_again_at = now + LONGEST_PAUSE_SECONDS
                self._console.say(f"{name} cannot be started again, which is tried on: {error}")
                return
            child.start_again_at = None
            self._console.say(f"{name} was started again (process {child.process.id}).")
        elif child.process.exit_code is not None:
            healthy = now - child.process.started_at > HEALTHY_SECONDS
            child.deaths = 1 if healthy else child.deaths + 1
            seconds = min(2 ** (child.deaths - 1), LONGEST_PAUSE_SECONDS)
            self._console.say(
                f"{name} ended {child.process.ending()}; it is started again in {seconds} s."
            )
            # What it had started must not run beside what the next one starts.
            child.process.kill()
            child.start_again_at = now + seconds

    def _look_after_background(self) -> None:
        for process in list(self._background):
            if process.exit_code is None:
                continue
            self._background.remove(process)
            if process.exit_code != 0:
                self._console.say(f"{process.service.name} ended {process.ending()}.")

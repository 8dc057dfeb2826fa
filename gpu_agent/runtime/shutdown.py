"""Stopping is not cancelling: SIGTERM gives the jobs back, a second signal kills.

running ──SIGTERM, SIGINT──▶ draining ──jobs gone or 30 s──▶ exit 0
                                 └──────second signal──────▶ exit 1 at once
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """`asked` when this process shall give its jobs back and end; `at_once` when it must end."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self.failure = ""
        """The sentence to end with when it was not a person who asked."""

    def listen(self) -> Callable[[], None]:
        """Install the signal handlers; returns what removes them."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)

        def remove() -> None:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

        return remove

    def ask(self, failure: str = "") -> None:
        self.failure = self.failure or failure
        self.asked.set()

    def _on_signal(self, number: signal.Signals) -> None:
        if self.asked.is_set():
            log.warning("second signal: ending at once", signal=number.name)
            self.at_once.set()
        else:
            log.info("giving jobs back, then ending", signal=number.name)
            self.ask()

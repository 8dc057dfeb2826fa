"""The relay process: outbox to JetStream, the lease reaper and the reconciler."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError

from web.core import idempotency, outbox
from web.core.bus import NoAnswer, bus
from web.core.connections import own_connection
from web.jobs.agent_actions import reap_expired_leases, ring_again
from web.jobs.queue import CONSUMER_CONFIG, STREAM_CONFIG
from web.jobs.sweeping import sweep_objects

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Publishes the outbox, reaps lost leases and rings again for waiting jobs."
    # They import every page and API: a quarter of this command's start.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        loops = [
            ("publish", 0.25, publish_waiting),
            ("reap", 5.0, reap_expired_leases),
            ("reconcile", 5.0, reconcile),
            ("tidy", 3600.0, outbox.forget_published),
            ("forget answers", 3600.0, idempotency.prune),
            ("sweep", 600.0, sweep_objects),
        ]
        threads = [
            threading.Thread(target=repeat, args=(stop, *loop), name=loop[0]) for loop in loops
        ]
        for thread in threads:
            thread.start()
        print("relay is running", flush=True)
        for thread in threads:
            thread.join()


def repeat(stop: threading.Event, name: str, seconds: float, step: Callable[[], Any]) -> None:
    """Call `step` every so often until told to stop; trouble is logged and tried again."""
    troubled = False
    while not stop.is_set():
        try:
            with own_connection():
                step()
            if troubled:
                log.info("relay goes on", step=name)
            troubled = False
        except Exception as error:  # a loop that ended would be missed by nobody but the jobs
            if not troubled:
                expected = isinstance(error, DatabaseError | NoAnswer)
                log.warning("relay waits", step=name, error=str(error), exc_info=not expected)
            troubled = True
        stop.wait(seconds if not troubled else max(seconds, 1.0))


def publish_waiting() -> int:
    """Relay until nothing waits; returns how many went out."""
    total = 0
    while count := outbox.relay_once(bus().publish_stored):
        total += count
    return total


def reconcile() -> int:
    """Mend what JetStream may have lost: the stream itself, and bells that hang too long."""
    started = time.monotonic()
    bus().ensure_stream(STREAM_CONFIG, CONSUMER_CONFIG)
    count = ring_again()
    if count:
        log.info("rang again", jobs=count, seconds=round(time.monotonic() - started, 2))
    return count

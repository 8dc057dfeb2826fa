"""Which jobs this agent holds.

    claimed ──▶ held ──▶ dropped   finished, cancelled or fenced
                 │ ▲
                 ▼ │ heartbeat answered
               overdue             the portal is silent for longer than a lease

Only the portal's clock ends a lease, so an overdue job goes on: the portal may
be restarting, or nobody else may be there to take the job. Whatever an overdue
attempt writes is fenced, and the first heartbeat after the silence either
renews the lease or is answered FENCED.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import structlog

from gpu_agent.transport.messages import Command, JobKey

log = structlog.get_logger(__name__)


class Holder(Protocol):
    """Who works on a held job."""

    def abandon(self, reason: str) -> None:
        """Kill the work and tell nobody: the portal knows, or has given the job away."""

    def wish(self, name: str) -> None:
        """`finish_now`, `checkpoint_now`."""

    def release(self) -> None:
        """Give the job back, after a last checkpoint."""


class Leases:
    def __init__(self) -> None:
        self._held: dict[JobKey, Holder] = {}
        self._dropped = asyncio.Event()
        self._answered = time.monotonic()
        self._is_overdue = False

    @property
    def keys(self) -> tuple[JobKey, ...]:
        return tuple(self._held)

    @property
    def holders(self) -> tuple[Holder, ...]:
        return tuple(self._held.values())

    async def hold(self, key: JobKey, holder: Holder) -> None:
        """Waits for an older attempt of the same job to be gone from this host.

        That the portal handed out a newer one proves that the older is fenced.
        """
        self._held[key] = holder
        while older := [
            other for other in self._held if other.job_id == key.job_id and other != key
        ]:
            for other in older:
                self._held[other].abandon("fenced")
            self._dropped.clear()
            await self._dropped.wait()

    def drop(self, key: JobKey) -> None:
        self._held.pop(key, None)
        self._dropped.set()

    def answered(self) -> None:
        """The portal answered a heartbeat: all that is held is renewed, or FENCED follows."""
        if self._is_overdue:
            log.info("the portal answers again", held=[str(key) for key in self._held])
        self._answered = time.monotonic()
        self._is_overdue = False

    def look(self, lease_seconds: float) -> None:
        """Says once, in the log, that leases may have run out unheard."""
        silent = time.monotonic() - self._answered
        if self._held and silent > lease_seconds and not self._is_overdue:
            self._is_overdue = True
            log.warning(
                "the portal is silent; going on with what is held",
                seconds=round(silent),
                held=[str(key) for key in self._held],
            )

    def command(self, command: Command, key: JobKey) -> None:
        """A command for one job. For what is not held (any more) there is nothing to do."""
        holder = self._held.get(key)
        if holder is None:
            return
        log.info("the portal commands", command=command.value, job=str(key))
        if command is Command.CANCEL:
            holder.abandon("cancelled")
        elif command is Command.FENCED:
            holder.abandon("fenced")
        elif command in (Command.FINISH_NOW, Command.CHECKPOINT_NOW):
            holder.wish(command.value)

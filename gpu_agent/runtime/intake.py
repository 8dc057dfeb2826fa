"""Whether this agent takes further jobs."""

from __future__ import annotations

import asyncio

import structlog

log = structlog.get_logger(__name__)


class Intake:
    """Closed for good by a shutdown, and by the portal for as long as it says so.

    The portal answers each heartbeat, with DRAIN before the answer while an
    administrator wants this host empty.
    """

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._shut_down = False
        self._told_to_drain = False

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    async def wait_open(self) -> None:
        await self._open.wait()

    def shut_down(self) -> None:
        self._shut_down = True
        self._open.clear()

    def drain(self) -> None:
        if self.is_open:
            log.info("the portal asks this agent to take no further job")
        self._told_to_drain = True
        self._open.clear()

    def answered(self) -> None:
        """A heartbeat was answered; a DRAIN that still holds has come before this."""
        if not self._told_to_drain and not self._shut_down and not self.is_open:
            log.info("the portal lets this agent take jobs again")
            self._open.set()
        self._told_to_drain = False

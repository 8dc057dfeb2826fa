"""Live events over Postgres NOTIFY: writers name a topic, readers wait for it.

A notification says only *that* something changed; the reader then asks the
database what. So a lost one costs at most the reader's own poll interval.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator

import psycopg
import structlog
from django.db import connection

from web.core.database import own_parameters

CHANNEL = "syrinx_events"
# The topic of what all teams share.
EVERYONE = "everyone"
RECONNECT_SECONDS = 1.0
# It only ever listens, and would not notice a server that vanished without a word. In seconds.
KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}

log = structlog.get_logger(__name__)


def announce(topic: str) -> None:
    """Wake all who watch `topic` (such as `job:<id>`), when the transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, topic])


class Listener:
    """One LISTEN connection a process and event loop, shared by all watchers."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def watch(self, *topics: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever one of the topics is announced."""
        event = asyncio.Event()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen())
        for topic in topics:
            self._watchers[topic].add(event)
        try:
            yield event
        finally:
            for topic in topics:
                self._watchers[topic].discard(event)
                if not self._watchers[topic]:
                    del self._watchers[topic]
            if not self._watchers:
                self._task.cancel()
                self._task = None

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_until_lost()
            except (psycopg.Error, OSError) as error:
                log.warning("event listener lost its connection", error=str(error))
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_until_lost(self) -> None:
        parameters = own_parameters() | KEEPALIVE
        async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as session:
            await session.execute(f"LISTEN {CHANNEL}")
            # What happened while the connection was down is unknown: wake everyone.
            for events in list(self._watchers.values()):
                for event in events:
                    event.set()
            async for notice in session.notifies():
                for event in list(self._watchers.get(notice.payload, ())):
                    event.set()


_listeners: dict[asyncio.AbstractEventLoop, Listener] = {}


def listener() -> Listener:
    """The running loop's listener."""
    loop = asyncio.get_running_loop()
    for other in [other for other in _listeners if other.is_closed()]:
        del _listeners[other]
    return _listeners.setdefault(loop, Listener())

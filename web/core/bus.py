"""NATS from synchronous code: one connection a process, on a loop of its own thread."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

import nats
import structlog
from django.conf import settings
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.errors import NotFoundError

log = structlog.get_logger(__name__)
T = TypeVar("T")
CONNECT_SECONDS = 5
CALL_SECONDS = 10


class NoAnswer(Exception):
    """Nobody answered a request in time, or NATS itself can't be reached."""


class Bus:
    """A reconnecting NATS connection; every method blocks the calling thread only."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._client: Client | None = None
        self._connecting: asyncio.Lock | None = None
        threading.Thread(target=self._loop.run_forever, name="nats", daemon=True).start()

    def _run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except (NatsError, OSError, TimeoutError) as error:
            future.cancel()
            raise NoAnswer(str(error) or type(error).__name__) from error

    async def _connected(self) -> Client:
        self._connecting = self._connecting or asyncio.Lock()
        async with self._connecting:
            if self._client is None or self._client.is_closed:
                self._client = await nats.connect(
                    settings.SYRINX_NATS_URL,
                    user_credentials=settings.SYRINX_NATS_CREDS or None,
                    name="syrinx-portal",
                    connect_timeout=CONNECT_SECONDS,
                    max_reconnect_attempts=-1,
                    ping_interval=10,
                    allow_reconnect=True,
                    error_cb=_log_error,
                )
            return self._client

    def is_reachable(self) -> bool:
        """Whether a ping comes back within two seconds."""

        async def ping() -> None:
            await (await self._connected()).flush(timeout=2)

        try:
            self._run(ping(), CONNECT_SECONDS + 2)
        except NoAnswer:
            return False
        return True

    def close(self) -> None:
        """Let go of the connection; the next call makes a new one."""

        async def end() -> None:
            if self._client is not None:
                await self._client.close()

        self._run(end(), CALL_SECONDS)

    def ensure_stream(self, stream: StreamConfig, consumer: ConsumerConfig) -> None:
        """Make the stream and its durable consumer unless they are there."""

        async def ensure() -> None:
            context = (await self._connected()).jetstream()
            assert stream.name and consumer.durable_name
            try:
                await context.stream_info(stream.name)
            except NotFoundError:
                await context.add_stream(stream)
                log.info("made the job stream", stream=stream.name)
            try:
                await context.consumer_info(stream.name, consumer.durable_name)
            except NotFoundError:
                await context.add_consumer(stream.name, consumer)

        self._run(ensure(), CALL_SECONDS + CONNECT_SECONDS)

    def publish_stored(self, subject: str, message_id: str, payload: dict[str, Any]) -> None:
        """Publish to JetStream; returns once the message is stored. Raises `NoAnswer`."""

        async def publish() -> None:
            context = (await self._connected()).jetstream()
            await context.publish(
                subject, json.dumps(payload).encode(), headers={"Nats-Msg-Id": message_id}
            )

        self._run(publish(), CALL_SECONDS)

    def ask(self, subject: str, payload: dict[str, Any], timeout: float) -> tuple[int, bytes]:
        """A request whose answer comes in chunks: its status (as HTTP's) and the whole body.

        The replies carry `Syrinx-Status` (first), `Syrinx-Seq` and `Syrinx-Last`.
        Raises `NoAnswer` when nobody listens or the answer is late.
        """

        async def request() -> tuple[int, bytes]:
            client = await self._connected()
            inbox = client.new_inbox()
            replies = await client.subscribe(inbox)
            try:
                await client.publish(subject, json.dumps(payload).encode(), reply=inbox)
                status, chunks, last = 0, list[bytes](), False
                while not last:
                    message = await replies.next_msg(timeout)
                    headers = message.headers or {}
                    if headers.get("Status") == "503":
                        raise NoRespondersError
                    if int(headers.get("Syrinx-Seq", len(chunks))) != len(chunks):
                        raise NoAnswer("a part of the answer was lost")
                    status = status or int(headers.get("Syrinx-Status", 200))
                    chunks.append(message.data)
                    last = headers.get("Syrinx-Last") == "1" or status >= 400
                return status, b"".join(chunks)
            finally:
                await replies.unsubscribe()

        async def bounded() -> tuple[int, bytes]:
            return await asyncio.wait_for(request(), timeout)

        return self._run(bounded(), timeout + CONNECT_SECONDS)


async def _log_error(error: Exception) -> None:
    log.warning("nats", error=str(error) or type(error).__name__)


@cache
def bus() -> Bus:
    """The process's connection."""
    return Bus()

"""The doorbell: a pull consumer on JetStream that says "a job is waiting".

A ring is only a hint. The job is taken by `Claim` over gRPC, so a lost, late or
doubled message costs at most time; a wiped stream is rung again by the portal.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client, RawCredentials
from nats.aio.msg import Msg
from nats.js.client import JetStreamContext

from gpu_agent.transport.errors import NatsRefused
from gpu_agent.transport.messages import Registration

log = structlog.get_logger(__name__)

# A fetch without an end hangs over a restart of the server (FACTS §4).
FETCH_SECONDS = 5.0
# How long to wait before asking a stream or consumer again that is not there.
ABSENT_SECONDS = 1.0


class Nats:
    """One connection for the process; reconnects for ever by itself."""

    def __init__(self, url: str, creds: str | None, *, on_closed: Callable[[str], None]) -> None:
        self._url = url
        self._creds = creds
        self._on_closed = on_closed
        self._closing = False
        self._refusal = ""
        self._said = ""
        self.client = Client()

    async def connect(self, agent_name: str) -> None:
        """Waits until NATS is there. Raises `NatsRefused` when it refuses the sign-in."""
        connecting = asyncio.ensure_future(
            self.client.connect(
                servers=self._url.split(","),
                name=f"syrinx agent {agent_name}",
                user_credentials=RawCredentials(self._creds) if self._creds else None,
                inbox_prefix=inbox_prefix(self._url),
                max_reconnect_attempts=-1,
                reconnect_time_wait=1,
                ping_interval=10,
                error_cb=self._on_error,
                closed_cb=self._on_connection_closed,
                reconnected_cb=self._on_reconnected,
            )
        )
        try:
            while not connecting.done():
                await asyncio.wait([connecting], timeout=0.2)
                if self._refusal:
                    raise NatsRefused(_refusal_sentence(self._refusal))
            await connecting
        finally:
            connecting.cancel()

    async def close(self) -> None:
        self._closing = True
        with contextlib.suppress(Exception):
            await self.client.close()

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.AuthorizationError) or "uthorization" in str(error):
            self._refusal = str(error)
        said = str(error) or type(error).__name__
        if said != self._said:  # a server that is away is told once, not every second
            log.warning("NATS", error=said)
        self._said = said

    async def _on_reconnected(self) -> None:
        self._said = ""
        log.info("connected to NATS again")

    async def _on_connection_closed(self) -> None:
        if not self._closing:
            self._on_closed(_refusal_sentence(self._refusal or str(self.client.last_error or "")))


def inbox_prefix(url: str) -> str:
    """`_INBOX_<user>`: each NATS user may subscribe to inboxes of its own only.

    Otherwise an agent could listen to what is answered to the portal.
    """
    return f"_INBOX_{urlsplit(url.split(',')[0]).username or 'agent'}"


def _refusal_sentence(detail: str) -> str:
    told = f" ({detail})" if detail else ""
    return f"NATS refused this agent's sign-in{told}; check SYRINX_NATS_URL and SYRINX_NATS_CREDS."


@dataclass(frozen=True)
class Ring:
    """One message: a job of this id was waiting when it was sent."""

    job_id: str
    kind: str
    _message: Msg

    async def ack(self) -> None:
        """Lost while NATS is away: then it rings again, for a job that is taken already."""
        with contextlib.suppress(nats.errors.Error):
            await self._message.ack()

    async def later(self, seconds: float) -> None:
        """Ring somebody again after `seconds`."""
        with contextlib.suppress(nats.errors.Error):
            await self._message.nak(delay=seconds)


class Doorbell:
    """One waiting listener; each device has its own."""

    def __init__(self, connection: Nats, registration: Registration) -> None:
        self._connection = connection
        self._registration = registration
        self._subscription: JetStreamContext.PullSubscription | None = None
        self._complaint = ""

    async def rings(self) -> AsyncIterator[Ring]:
        """For ever. A message that is no ring is acknowledged and passed over."""
        while True:
            message = await self.fetch_once()
            if message is None:
                continue
            ring = _parse(message)
            if ring is None:
                log.warning("a message in the job stream is unreadable", data=message.data[:200])
                await message.ack()
                continue
            yield ring

    async def fetch_once(self) -> Msg | None:
        """One bounded wait for a message; never raises for what may mend itself."""
        began = time.monotonic()
        try:
            if self._subscription is None:
                context = self._connection.client.jetstream()
                self._subscription = await context.pull_subscribe_bind(
                    consumer=self._registration.consumer, stream=self._registration.stream
                )
            messages = await self._subscription.fetch(1, timeout=FETCH_SECONDS)
            self._complaint = ""
            return messages[0]
        except TimeoutError:
            # At once: nobody answers for this consumer, the stream is not there (yet).
            if time.monotonic() - began < FETCH_SECONDS / 2:
                self._complain("the job stream does not answer")
                await asyncio.sleep(ABSENT_SECONDS)
        except (nats.errors.Error, nats.js.errors.Error) as error:
            self._complain(str(error))
            await asyncio.sleep(ABSENT_SECONDS)
        return None

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            log.warning("cannot listen for jobs; trying again", error=text)
        self._complaint = text


def _parse(message: Msg) -> Ring | None:
    try:
        body = json.loads(message.data)
        return Ring(str(body["job_id"]), str(body.get("kind", "")), message)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None

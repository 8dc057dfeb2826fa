"""The session stream: heartbeats and news up, commands down, reconnecting for ever."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import grpc
import grpc.aio
import structlog

from gpu_agent.transport import wire
from gpu_agent.transport.backoff import Backoff
from gpu_agent.transport.errors import PortalRefused, PortalUnavailable
from gpu_agent.transport.messages import Beat, Command, HostInfo, JobKey, Registration
from gpu_agent.transport.outbox import Outbox
from gpu_agent.transport.portal import Portal, SessionCall, translate
from gpu_agent.transport.race import race
from syrinx.agent.v1 import agent_pb2 as pb

log = structlog.get_logger(__name__)

# News gather for this long before they go up together, in seconds: a page can't
# show more, and a step may report several times.
GATHER_SECONDS = 0.1


class Session:
    """`outbox` is where jobs put what they have to tell; call `notify` after."""

    def __init__(
        self,
        portal: Portal,
        host: HostInfo,
        *,
        beat: Callable[[], Beat],
        on_command: Callable[[Command, JobKey | None], None],
    ) -> None:
        self.outbox = Outbox()
        self.registered: asyncio.Future[Registration] = asyncio.get_running_loop().create_future()
        self._portal = portal
        self._host = host
        self._beat = beat
        self._on_command = on_command
        self._news = asyncio.Event()
        self._beat_now = False
        self._changed = asyncio.Condition()
        self._connected = False
        self._answered = 0.0
        self._backoff = Backoff()

    def notify(self) -> None:
        """Something was put into the outbox."""
        self._news.set()

    def beat_soon(self) -> None:
        """What is held has changed: don't wait for the next heartbeat."""
        self._beat_now = True
        self._news.set()

    async def run(self) -> None:
        """Ends only by raising `TokenRefused`."""
        while True:
            try:
                await self._connect_once()
            except (PortalUnavailable, PortalRefused) as error:
                log.warning("no session with the portal; trying again", error=str(error))
            finally:
                self._connected = False
            await self._backoff.wait()

    async def flush(self, key: JobKey, patience: float) -> bool:
        """Wait until all news of a job are up and acknowledged.

        While the stream is down this waits for ever (so does `Finish`); once it
        is up, `patience` seconds. Returns whether everything went.
        """
        self.notify()
        waited = 0.0
        while not self.outbox.is_empty(key):
            before = time.monotonic()
            async with self._changed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), timeout=1.0)
            waited += time.monotonic() - before if self._connected else 0.0
            if waited > patience:
                return False
        return True

    async def _connect_once(self) -> None:
        registration = await self._portal.register(self._host)
        call = self._portal.open_session()
        self._answered = time.monotonic()
        self.outbox.reconnected()
        self._beat_now = True
        try:
            await race(self._read(call, registration), self._write(call, registration))
        except grpc.aio.AioRpcError as error:
            raise translate(error) from error
        except asyncio.InvalidStateError as error:  # written to a call that has ended
            raise PortalUnavailable("the stream ended") from error
        finally:
            call.cancel()
        raise PortalUnavailable("the stream ended")

    async def _read(self, call: SessionCall, registration: Registration) -> None:
        while True:
            message = await call.read()
            if message is grpc.aio.EOF:
                return
            assert isinstance(message, pb.SessionDown)
            self._answered = time.monotonic()
            if not self._connected:
                # Only an answer shows that the portal accepted the stream.
                self._connected = True
                self._backoff.reset()
                log.info("session with the portal is open", agent=registration.agent_name)
                if not self.registered.done():
                    self.registered.set_result(registration)
            await self._take_down(message)

    async def _take_down(self, message: pb.SessionDown) -> None:
        if message.command == pb.SessionDown.ACK:
            self.outbox.acknowledge(message.ack_id)
            async with self._changed:
                self._changed.notify_all()
            self.notify()  # the next batch of metrics may go
            return
        command = wire.command(message)
        job = message.job
        if command is not None:
            self._on_command(command, JobKey(job.job_id, job.attempt) if job.job_id else None)

    async def _write(self, call: SessionCall, registration: Registration) -> None:
        period = registration.heartbeat_seconds or 5.0
        patience = max(registration.lease_seconds, 2 * period)
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if now - self._answered > patience:
                raise PortalUnavailable(f"the portal was silent for {patience:.0f} s")
            if self._beat_now or now >= due:
                self._beat_now = False
                due = now + period
                await self._put(call, _heartbeat(self._beat()), patience)
            for message in self.outbox.take():
                await self._put(call, message, patience)
            async with self._changed:
                self._changed.notify_all()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), max(0.0, due - time.monotonic()))
                await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()

    async def _put(self, call: SessionCall, message: pb.SessionUp, patience: float) -> None:
        try:
            await asyncio.wait_for(call.write(message), patience)
        except TimeoutError as error:
            raise PortalUnavailable("the portal stopped reading") from error


def _heartbeat(beat: Beat) -> pb.SessionUp:
    return pb.SessionUp(
        heartbeat=pb.Heartbeat(
            held=[wire.job_ref(key) for key in beat.held],
            draining=beat.draining,
            telemetry=[
                pb.Telemetry(
                    device=reading.device,
                    utilisation=reading.utilisation,
                    memory_used_bytes=reading.memory_used_bytes,
                    temperature_celsius=reading.temperature_celsius,
                )
                for reading in beat.telemetry
            ],
        )
    )

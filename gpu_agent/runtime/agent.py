"""The agent process: which loops run beside each other, and how they end."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Sequence
from importlib import metadata

import structlog

from gpu_agent.runtime.blobs import Blobs
from gpu_agent.runtime.devices import Slot, find_slots
from gpu_agent.runtime.intake import Intake
from gpu_agent.runtime.job_runner import PIPELINE, Host
from gpu_agent.runtime.lease import Leases
from gpu_agent.runtime.shutdown import Shutdown
from gpu_agent.runtime.speech import SPEECH_CHILD, Speech
from gpu_agent.runtime.telemetry import TelemetryLoop
from gpu_agent.runtime.worker import Worker
from gpu_agent.runtime.workspace import Workspace
from gpu_agent.settings import Settings
from gpu_agent.transport.errors import NatsRefused
from gpu_agent.transport.jetstream import Doorbell, Nats
from gpu_agent.transport.messages import Beat, Command, HostInfo, JobKey, Registration
from gpu_agent.transport.portal import Portal
from gpu_agent.transport.race import race
from gpu_agent.transport.session import Session
from gpu_agent.transport.speak import SpeakResponder
from gpu_agent.transport.transfers import Transfers

log = structlog.get_logger(__name__)

KINDS = ("prepare", "train", "export", "import_base")
# Read from the installed packages' metadata; importing them is the children's business.
PACKAGES = ("syrinx", "torch", "piper-tts", "lightning", "onnxruntime")
# All of the 30 s that a host gives, less the time to say goodbye.
DRAIN_SECONDS = 28.0
WATCH_SECONDS = 5.0


class Agent:
    """`run` serves until a signal, or until the portal or NATS refuses this agent."""

    def __init__(
        self,
        settings: Settings,
        *,
        job_command: Sequence[str] = PIPELINE,
        speech_command: Sequence[str] = SPEECH_CHILD,
    ) -> None:
        self._settings = settings
        self._job_command = job_command
        self._speech_command = speech_command
        self._leases = Leases()
        self._shutdown = Shutdown()
        self._intake = Intake()
        self._workers: list[Worker] = []

    async def run(self) -> int:
        """The exit status. Raises `WorkDirBusy`, `DeviceMissing`, `TokenRefused`, `NatsRefused`."""
        settings = self._settings
        stop_listening = self._shutdown.listen()
        workspace = Workspace(settings.work_dir, settings.cache_bytes)
        workspace.open()
        workspace.remove_old_jobs(())
        slots = await find_slots(settings.devices, settings.cpu_threads, os.environ)
        self._telemetry = TelemetryLoop(slots)
        portal = Portal(settings.grpc_target, settings.token)
        transfers = Transfers()
        self._session = Session(
            portal, describe_host(slots), beat=self._beat, on_command=self._on_command
        )
        self._nats = Nats(settings.nats_url, settings.nats_creds, on_closed=self._shutdown.ask)
        blobs = Blobs(workspace, transfers)
        host = Host(portal, self._session, transfers, workspace, blobs, self._job_command)
        speech = Speech(workspace, blobs, transfers, child_command=self._speech_command)
        log.info("agent starts", devices=[slot.name for slot in slots], folder=workspace.folder)
        try:
            await race(
                self._session.run(),
                self._telemetry.run(),
                self._serve(host, slots, speech),
                self._shut_down(),
            )
        finally:
            await speech.close()
            await self._nats.close()
            await transfers.close()
            await portal.close()
            stop_listening()
        if self._shutdown.failure:
            raise NatsRefused(self._shutdown.failure)
        log.info("agent ended")
        return 1 if self._shutdown.at_once.is_set() else 0

    async def _serve(self, host: Host, slots: Sequence[Slot], speech: Speech) -> None:
        registration = await self._session.registered
        await self._nats.connect(registration.agent_name)
        log.info("waiting for jobs", agent=registration.agent_name)
        self._workers = [
            Worker(
                host,
                self._leases,
                slot,
                Doorbell(self._nats, registration),
                self._intake,
            )
            for slot in slots
        ]
        responder = SpeakResponder(self._nats.client, registration.speak_subject, speech.speak)
        await race(
            responder.run(),
            self._watch(registration),
            *(worker.run() for worker in self._workers),
        )

    async def _watch(self, registration: Registration) -> None:
        while True:
            self._leases.look(registration.lease_seconds)
            await asyncio.sleep(WATCH_SECONDS)

    async def _shut_down(self) -> None:
        """Returns when this process may end: `race` then cancels what is left."""
        await self._shutdown.asked.wait()
        self._intake.shut_down()
        self._session.beat_soon()
        for holder in self._leases.holders:
            holder.release()
        all_gone = asyncio.ensure_future(self._all_idle())
        at_once = asyncio.ensure_future(self._shutdown.at_once.wait())
        await asyncio.wait(
            [all_gone, at_once], timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not all_gone.done():
            log.warning("ending with jobs in hand", held=[str(key) for key in self._leases.keys])
        for task in (all_gone, at_once):
            task.cancel()

    async def _all_idle(self) -> None:
        for worker in self._workers:
            await worker.idle()

    def _beat(self) -> Beat:
        return Beat(self._leases.keys, not self._intake.is_open, self._telemetry.latest)

    def _on_command(self, command: Command, key: JobKey | None) -> None:
        if command is Command.HEARTBEAT_OK:
            self._leases.answered()
            self._intake.answered()
        elif command is Command.DRAIN:
            self._intake.drain()
        elif key is not None:
            self._leases.command(command, key)


def describe_host(slots: Sequence[Slot]) -> HostInfo:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return HostInfo(
        host=platform.node() or "unknown",
        devices=tuple(slot.info for slot in slots),
        versions=versions,
        capabilities=(*KINDS, "speak"),
    )

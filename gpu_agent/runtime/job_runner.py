"""One attempt of one job: a child process that works, and all that it asks for.

spawn ──▶ working ──▶ result ──▶ news flushed ──▶ Finish ──▶ gone
             │ abandon (cancelled, fenced): killed at once, no Finish
             │ release: told to stop, 25 s to save, then killed; Finish RELEASED
             └ dies: Finish FAILED with what its stderr tells
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from gpu_agent.runtime import outcome
from gpu_agent.runtime.blobs import Blobs
from gpu_agent.runtime.child import Child
from gpu_agent.runtime.devices import Slot
from gpu_agent.runtime.environment import child_environment
from gpu_agent.runtime.job_calls import JobCalls
from gpu_agent.runtime.job_files import JobFiles
from gpu_agent.runtime.workspace import Workspace
from gpu_agent.transport.errors import Fenced, PortalRefused
from gpu_agent.transport.messages import ClaimedJob, Ending, Outcome
from gpu_agent.transport.portal import Portal
from gpu_agent.transport.session import Session
from gpu_agent.transport.transfers import Transfers

log = structlog.get_logger(__name__)

RELEASE_SECONDS = 25.0  # of the 30 that a host gives before it kills
FLUSH_SECONDS = 60.0
EXIT_SECONDS = 5.0  # from a child's result to its end

# -P: the job's folder, which is the working directory, must not provide modules.
PIPELINE = (sys.executable, "-P", "-m", "gpu_agent.pipeline")


@dataclass(frozen=True)
class Host:
    """What every job on this host uses."""

    portal: Portal
    session: Session
    transfers: Transfers
    workspace: Workspace
    blobs: Blobs
    child_command: Sequence[str] = PIPELINE
    """Started with the job's folder as its last argument."""


class JobRunner:
    def __init__(self, host: Host, job: ClaimedJob, slot: Slot) -> None:
        self._host = host
        self._job = job
        self._slot = slot
        self._log = log.bind(job=str(job.key), kind=job.kind, device=slot.name)
        self._folder = host.workspace.job_folder(job.key.job_id)
        self._abandoned = asyncio.Event()
        self._wishes: asyncio.Queue[str] = asyncio.Queue()
        self._releasing = False
        self._release_timer: asyncio.TimerHandle | None = None
        self._calls = JobCalls(
            job.key,
            JobFiles(job, self._folder, host.portal, host.transfers, host.blobs),
            host.session,
        )

    # ---- Holder ---------------------------------------------------------------

    def abandon(self, reason: str) -> None:
        if not self._abandoned.is_set():
            self._log.info("job abandoned", reason=reason)
        self._abandoned.set()

    def wish(self, name: str) -> None:
        self._wishes.put_nowait(name)

    def release(self) -> None:
        if self._releasing:
            return
        self._releasing = True
        self._calls.release()
        self.wish("release")
        self._release_timer = asyncio.get_running_loop().call_later(
            RELEASE_SECONDS, self._calls.end, _shutdown_ending()
        )

    # ---- the attempt ------------------------------------------------------------

    async def run(self) -> Outcome | None:
        """None when the job was abandoned. Raises `TokenRefused`."""
        self._log.info("job begins")
        try:
            ending = await self._unless_abandoned(self._work())
            if ending is not None:
                ending = await self._unless_abandoned(self._tell(ending))
        except Fenced:
            self.abandon("fenced")
            ending = None
        finally:
            if self._release_timer is not None:
                self._release_timer.cancel()
            self._host.session.outbox.forget(self._job.key)
        if ending is None:
            return None
        self._log.info("job ended", outcome=ending.outcome.value, code=ending.error_code)
        if ending.outcome is not Outcome.RELEASED:
            # It never comes back; one that was handed back may, and finds its inputs here.
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        return ending.outcome

    async def _unless_abandoned(self, work: Coroutine[Any, Any, Ending]) -> Ending | None:
        """The work's result, or None as soon as the job is abandoned; then it is cancelled."""
        working = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(self._abandoned.wait())
        try:
            await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() and not waiting.done() else None
        finally:
            for task in (working, waiting):
                task.cancel()
            await asyncio.gather(working, waiting, return_exceptions=True)

    async def _work(self) -> Ending:
        """Until there is an ending. Whatever happens, the child is dead afterwards."""
        try:
            self._write_job()
            child = await Child.start(
                [*self._host.child_command, str(self._folder)],
                cwd=self._folder,
                environment=child_environment(
                    os.environ,
                    home=self._folder / "tmp",
                    cuda=self._slot.cuda,
                    threads=self._slot.threads,
                ),
                on_stderr=lambda line: self._calls.log(outcome.level_of(line), line),
            )
        except OSError as error:
            return outcome.of_error(error)
        wishing = asyncio.create_task(self._pass_wishes_on(child))
        following = asyncio.create_task(self._follow(child))
        try:
            ending = await self._calls.ending
            if ending.outcome is Outcome.SUCCEEDED:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(child.wait(), EXIT_SECONDS)
            return ending
        finally:
            following.cancel()
            wishing.cancel()
            await child.kill()
            await self._calls.close()

    async def _follow(self, child: Child) -> None:
        """Does what the child says until it says no more."""
        async for message in child.messages():
            self._calls.take(child, message)
        status = await child.wait()
        if self._releasing:
            self._calls.end(_shutdown_ending())
        else:
            self._calls.end(outcome.of_crash(status, list(child.tail)))

    async def _pass_wishes_on(self, child: Child) -> None:
        while True:
            await child.send({"op": "wish", "wish": await self._wishes.get()})

    async def _tell(self, ending: Ending) -> Ending:
        """News first: after `Finish` the portal takes none of this attempt."""
        if ending.error_message:
            level = "error" if ending.outcome is Outcome.FAILED else "warning"
            self._calls.log(level, ending.error_message)
        if not await self._host.session.flush(self._job.key, FLUSH_SECONDS):
            self._log.warning("the portal did not acknowledge all news of the job")
        try:
            await self._host.portal.finish(self._job.key, ending)
        except PortalRefused as error:
            self._log.error("the portal refused the job's end", error=str(error))
            ending = outcome.of_error(error)
            await self._host.portal.finish(self._job.key, ending)
        return ending

    def _write_job(self) -> None:
        """The child's instructions, and folders to work in. Inputs of before stay."""
        for name in ("inputs", "resume", "scratch"):
            (self._folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)
        (self._folder / "tmp").mkdir(mode=0o700)
        job = {
            "kind": self._job.kind,
            "spec": self._job.spec,
            "device": self._slot.device_in_child,
            "work_dir": str(self._folder / "scratch"),
            "cache_dir": str(self._host.workspace.stage_cache),
            "inputs": [asdict(file) for file in self._job.inputs],
            "resume": [asdict(file) for file in self._job.resume],
            "resume_step": self._job.resume_step,
            "started": time.time(),
        }
        path = Path(self._folder / "job.json")
        path.write_text(json.dumps(job), encoding="utf-8")


def _shutdown_ending() -> Ending:
    return outcome.released(
        "host_stopping", "The host is shutting down; the job waits for another."
    )

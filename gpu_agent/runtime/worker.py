"""One device's loop: wait for a ring, claim, run, again."""

from __future__ import annotations

import asyncio

import structlog

from gpu_agent.runtime.devices import Slot
from gpu_agent.runtime.intake import Intake
from gpu_agent.runtime.job_runner import Host, JobRunner
from gpu_agent.runtime.lease import Leases
from gpu_agent.transport.errors import PortalRefused, PortalUnavailable, TokenRefused
from gpu_agent.transport.jetstream import Doorbell, Ring
from gpu_agent.transport.messages import ClaimAnswer, ClaimedJob, Outcome

log = structlog.get_logger(__name__)

# After these the bell rings again, for any agent.
WAIT_SECONDS = 3.0
UNAVAILABLE_SECONDS = 2.0
# A host that gave a job back for a reason of its own would get it again at once.
REST_SECONDS = 30.0


class Worker:
    def __init__(
        self,
        host: Host,
        leases: Leases,
        slot: Slot,
        doorbell: Doorbell,
        intake: Intake,
    ) -> None:
        self._host = host
        self._leases = leases
        self._slot = slot
        self._doorbell = doorbell
        self._intake = intake
        self._busy = asyncio.Lock()

    async def idle(self) -> None:
        """Wait until the job in hand, if any, has ended."""
        async with self._busy:
            return

    async def run(self) -> None:
        """Until cancelled. Raises `TokenRefused`."""
        async for ring in self._doorbell.rings():
            if self._intake.is_open:
                async with self._busy:
                    outcome = await self.answer(ring)
                if outcome is Outcome.RELEASED and self._intake.is_open:
                    await asyncio.sleep(REST_SECONDS)
            else:
                await ring.later(WAIT_SECONDS)
            await self._intake.wait_open()  # nothing is fetched meanwhile

    async def answer(self, ring: Ring) -> Outcome | None:
        """Claim what rang, and run it to its end when the portal gives it."""
        try:
            answer = await self._host.portal.claim(ring.job_id, self._slot.name)
        except (PortalUnavailable, PortalRefused) as error:
            log.warning("could not claim", job=ring.job_id, error=str(error))
            await ring.later(UNAVAILABLE_SECONDS)
            return None
        if answer is ClaimAnswer.WAIT:
            await ring.later(WAIT_SECONDS)
            return None
        # Before the work: this agent now holds a lease in the portal, and an
        # unacknowledged message would ring others every 30 s of a long job.
        await ring.ack()
        return None if isinstance(answer, ClaimAnswer) else await self._run_job(answer)

    async def _run_job(self, job: ClaimedJob) -> Outcome | None:
        try:
            runner = JobRunner(self._host, job, self._slot)
        except ValueError as error:
            log.error("a claimed job is unusable", job=str(job.key), error=str(error))
            return None
        try:
            await self._leases.hold(job.key, runner)
            self._host.session.beat_soon()
            if not self._intake.is_open:
                runner.release()
            return await runner.run()
        except TokenRefused:
            raise
        except Exception:
            # The lease runs out and the job goes to another host; this one stays of use.
            log.exception("a job ended by a fault of the agent", job=str(job.key))
            return Outcome.RELEASED
        finally:
            self._leases.drop(job.key)
            self._host.session.beat_soon()
            await self._tidy()

    async def _tidy(self) -> None:
        workspace = self._host.workspace
        running = {key.job_id for key in self._leases.keys}
        try:
            await asyncio.to_thread(workspace.remove_old_jobs, running)
            await asyncio.to_thread(workspace.prune_cache, idle=not running)
        except OSError as error:  # of a disk in trouble; the other devices' jobs go on
            log.error("the work folder could not be tidied", error=str(error))

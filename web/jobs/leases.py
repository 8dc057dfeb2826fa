"""Claiming a job, keeping it, losing it. Only the database's clock ends a lease."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from web.accounts.actions import charge_gpu
from web.accounts.queries import gpu_seconds_used
from web.jobs import queue
from web.jobs.actions import undo_targets
from web.jobs.fencing import Fenced, Holder, clean, close_attempt, held, tell
from web.jobs.models import Attempt, Job, JobKind, JobState, LogLine

HEARTBEAT = timedelta(seconds=5)
LEASE = timedelta(seconds=20)
LOST_LEASES_ALLOWED = 3

Command = Literal["ok", "cancel", "finish_now", "checkpoint_now", "fenced"]
log = structlog.get_logger(__name__)


def claim_job(job: Job, agent_id: UUID, agent_name: str, host: str, device: str) -> Job | None:
    """Take a waiting job for an agent; None when somebody else was first."""
    with transaction.atomic():
        taken = Job.objects.filter(pk=job.pk, state=JobState.QUEUED).update(
            state=JobState.RUNNING,
            attempt=F("attempt") + 1,
            agent_id=agent_id,
            agent_name=agent_name,
            device=device,
            lease_until=Now() + LEASE,
            started=job.started or timezone.now(),
            stage="",
            note="",
            finish_requested=False,
            checkpoint_requested=False,
        )
        if not taken:
            return None
        job.refresh_from_db()
        now = timezone.now()
        Attempt.objects.create(
            job=job,
            number=job.attempt,
            agent_id=agent_id,
            agent_name=agent_name,
            host=host,
            device=device,
            started=now,
            renewed=now,
        )
        tell(job.pk, job.team_id)
    return job


def renew_lease(holder: Holder) -> Command:
    """A heartbeat for one held job: renews its lease, and says what the holder must do."""
    with transaction.atomic():
        if not held(holder).update(lease_until=Now() + LEASE):
            state = Job.objects.filter(pk=holder.job_id).values_list("state", flat=True).first()
            return "cancel" if state == JobState.CANCELLED else "fenced"
        job = Job.objects.select_related("team").get(pk=holder.job_id)
        _count_time(job)
        if job.checkpoint_requested:
            held(holder).update(checkpoint_requested=False)
            return "checkpoint_now"
        return "finish_now" if job.finish_requested else "ok"


def _count_time(job: Job) -> None:
    """Charge the team for the time since the last heartbeat; out of quota ends the training."""
    attempt = Attempt.objects.select_for_update().get(job=job, number=job.attempt)
    now = timezone.now()
    # A host that was cut off for long is charged for no more than its lease.
    seconds = min((now - attempt.renewed).total_seconds(), LEASE.total_seconds())
    attempt.renewed = now
    attempt.save(update_fields=["renewed"])
    if job.kind != JobKind.TRAIN or job.team is None:
        return
    charge_gpu(job.team, seconds)
    spent = gpu_seconds_used(job.team) >= job.team.gpu_minutes_quota * 60
    if spent and not job.finish_requested:
        Job.objects.filter(pk=job.pk).update(finish_requested=True)
        job.finish_requested = True
        text = (
            "The team's training minutes for this month are used up: finishing with what is there."
        )
        LogLine.objects.create(job=job, attempt=job.attempt, at=now, level="warning", text=text)


def release_job(holder: Holder, reason: str) -> None:
    """The host hands the job back, for example because it shuts down: queue it again."""
    with transaction.atomic():
        _requeue(held(holder), holder.job_id, holder.attempt, "released", clean(reason))


def _requeue(mine: QuerySet[Job], job_id: UUID, attempt: int, outcome: str, reason: str) -> None:
    """Back to the queue, at its old place among equals. Zero rows: `Fenced`."""
    if not mine.update(
        state=JobState.QUEUED,
        lease_until=None,
        agent_id=None,
        rung_at=timezone.now(),
        eta_seconds=None,
        note=reason[:300],
    ):
        raise Fenced
    close_attempt(job_id, attempt, outcome)
    job = Job.objects.get(pk=job_id)
    queue.ring(job)
    tell(job.pk, job.team_id)


def reap_expired_leases() -> int:
    """Queue again what its holder has lost; fail what was lost too often. Returns how many."""
    expired = Job.objects.filter(state=JobState.RUNNING, lease_until__lt=Now())
    reaped = 0
    for job in expired.order_by("lease_until")[:100]:
        lost = job.attempts.filter(outcome="lease_lost").count() + 1
        # Once more in the UPDATE: a heartbeat may have come in between.
        mine = Job.objects.filter(
            pk=job.pk, state=JobState.RUNNING, attempt=job.attempt, lease_until__lt=Now()
        )
        with transaction.atomic():
            try:
                if lost >= LOST_LEASES_ALLOWED:
                    _poison(job, mine)
                else:
                    reason = f"{job.agent_name} was not heard any more; another host goes on."
                    _requeue(mine, job.pk, job.attempt, "lease_lost", reason)
            except Fenced:
                continue
        log.warning("lease lost", job=str(job.pk), agent=job.agent_name, attempt=job.attempt)
        reaped += 1
    return reaped


def _poison(job: Job, mine: QuerySet[Job]) -> None:
    hosts = sorted({row.agent_name for row in job.attempts.all()})
    message = (
        f"The host went away {LOST_LEASES_ALLOWED} times while it ran this job "
        f"({', '.join(hosts)}), so the job itself may be what stops it, for example by using too "
        "much memory. Look at the log, make the batch smaller, then resume it."
    )
    if not mine.update(
        state=JobState.FAILED,
        ended=timezone.now(),
        lease_until=None,
        eta_seconds=None,
        error_code="poison",
        error_message=message,
    ):
        raise Fenced
    close_attempt(job.pk, job.attempt, "lease_lost")
    undo_targets(job, message)
    tell(job.pk, job.team_id)


def ring_again(patience: timedelta = timedelta(seconds=30)) -> int:
    """Ring once more for every job that has waited long: its bell may be lost."""
    count = 0
    with transaction.atomic():
        waiting = Job.objects.select_for_update(skip_locked=True).filter(
            state=JobState.QUEUED, rung_at__lt=Now() - patience
        )
        for job in waiting.order_by("rank", "queued_at")[:1000]:
            queue.ring(job)
            Job.objects.filter(pk=job.pk).update(rung_at=Now())
            count += 1
    return count

"""What people do with jobs: submit, cancel, finish early, resume, re-order, delete.

What agents do is in `agent_actions.py`.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from web.accounts.models import User
from web.accounts.queries import require_editor
from web.core import audit
from web.core.events import announce
from web.core.problems import Conflict, Forbidden, Invalid
from web.datasets import actions as datasets
from web.jobs.deletion import delete_job
from web.jobs.fencing import close_attempt, tell
from web.jobs.models import (
    ACTIVE,
    Checkpoint,
    Job,
    JobKind,
    JobState,
)
from web.jobs.params import BUDGETS, TrainOptions
from web.jobs.submission import (
    copy_job,
    start_job,
    submit_export,
    submit_import_base,
    submit_prepare,
    submit_train,
)
from web.voices import actions as voices

__all__ = [
    "cancel_job",
    "delete_job",
    "finish_now",
    "move_job",
    "resume_job",
    "retry_job",
    "submit_export",
    "submit_import_base",
    "submit_prepare",
    "submit_train",
]


def cancel_job(user: User, job: Job) -> None:
    """Stop and keep nothing more. The holder learns it at its next heartbeat, within 5 s."""
    require_editor(user, job.team)
    with transaction.atomic():
        now = timezone.now()
        changed = Job.objects.filter(pk=job.pk, state__in=ACTIVE).update(
            state=JobState.CANCELLED, ended=now, lease_until=None, eta_seconds=None, note=""
        )
        if not changed:
            job.refresh_from_db()
            if job.state == JobState.CANCELLED:
                return
            raise Conflict(
                f"The job has ended already ({job.get_state_display().lower()}).", code="ended"
            )
        job.refresh_from_db(fields=["attempt"])
        close_attempt(job.pk, job.attempt, "cancelled")
        undo_targets(job, "The check was cancelled. Start it again when you are ready.")
        audit.record(user, "cancel_job", job)
        tell(job.pk, job.team_id)


def undo_targets(job: Job, message: str) -> None:
    """A job that ends without success leaves nothing waiting for it."""
    if job.kind == JobKind.PREPARE and job.dataset is not None:
        datasets.mark_prepare_failed(job.dataset, message)
    if job.kind == JobKind.IMPORT_BASE and job.base_voice is not None:
        voices.fail_import(job.base_voice, message)


def finish_now(user: User, job: Job) -> None:
    """Stop training at the next step and export what is there."""
    require_editor(user, job.team)
    running = Job.objects.filter(pk=job.pk, state=JobState.RUNNING, kind=JobKind.TRAIN)
    with transaction.atomic():
        if not running.update(finish_requested=True):
            raise Conflict("Only a training that runs can be finished early.", code="not_running")
        audit.record(user, "finish_now", job)
        tell(job.pk, job.team_id)


def resume_job(user: User, job: Job, params: TrainOptions | None = None) -> Job:
    """Go on from the newest checkpoint of a training that has ended, as a new job."""
    require_editor(user, job.team)
    job.refresh_from_db()
    if job.kind != JobKind.TRAIN:
        raise Conflict("Only a training can be resumed.", code="not_a_training")
    if job.state in ACTIVE:
        raise Conflict("This training has not ended; there is nothing to resume.", code="active")
    checkpoint = job.checkpoints.order_by("-step").first()
    if checkpoint is None:
        raise Conflict(
            "This training ended before its first checkpoint, so there is nothing to go on from. "
            "Start a new training instead.",
            code="no_checkpoint",
        )
    chosen = (params or TrainOptions()).model_dump(exclude_none=True)
    with transaction.atomic():
        again = copy_job(user, job)
        again.resume_checkpoint = checkpoint
        again.spec["params"] = _further_params(job, checkpoint, chosen)
        again.spec["sentences"] = chosen.get("sentences", again.spec["sentences"])
        start_job(again, user)
    return again


def _further_params(job: Job, checkpoint: Checkpoint, chosen: dict[str, Any]) -> dict[str, Any]:
    """The old parameters with what is chosen; a budget that is used up is granted once more."""
    params: dict[str, Any] = dict(job.spec["params"])
    if chosen.get("quality", params["quality"]) != params["quality"]:
        raise Invalid(
            f"The checkpoint is of a {params['quality']} voice, and that can't be changed any "
            "more. Start a new training for another quality.",
            code="quality_mismatch",
        )
    used_up = job.state == JobState.SUCCEEDED and not job.finish_requested
    if used_up and not any(budget in chosen for budget in BUDGETS):
        chosen = {**chosen, **{budget: 2 * params[budget] for budget in BUDGETS}}
        if params["max_steps"]:
            chosen["max_steps"] = checkpoint.step + params["max_steps"]
    if any(budget in chosen for budget in BUDGETS):
        # As in a new training: the one that a person names replaces the others.
        chosen = {**dict.fromkeys(BUDGETS, 0), **chosen}
    return {**params, **{k: v for k, v in chosen.items() if k != "sentences"}}


def retry_job(user: User, job: Job) -> Job:
    """Submit a failed or cancelled job again, from its beginning, as a new one."""
    require_editor(user, job.team)
    job.refresh_from_db()
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        raise Conflict("Only a failed or cancelled job can be tried again.", code="not_failed")
    if job.kind == JobKind.PREPARE and job.dataset is not None:
        return submit_prepare(user, job.dataset)
    with transaction.atomic():
        again = copy_job(user, job)
        if job.kind == JobKind.IMPORT_BASE and job.base_voice is not None:
            voices.restart_import(job.base_voice)
        start_job(again, user)
    return again


def move_job(user: User, job: Job, before: Job | None) -> None:
    """Put a waiting job before another one, or at the end. Administrators only."""
    if not user.is_staff:
        raise Forbidden("Only an administrator orders the queue of all teams.", code="role")
    waiting = Job.objects.filter(state=JobState.QUEUED)
    with transaction.atomic():
        order = list(waiting.select_for_update().order_by("rank", "queued_at"))
        if job not in order:
            raise Conflict("The job does not wait any more.", code="not_queued")
        order.remove(job)
        place = order.index(before) if before in order else len(order)
        order.insert(place, job)
        for rank, row in enumerate(order):
            row.rank = rank
        Job.objects.bulk_update(order, ["rank"])
        audit.record(user, "move_job", job, place=place + 1)
        announce("queue")

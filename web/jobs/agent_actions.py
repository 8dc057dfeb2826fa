"""What agents do to jobs. Every write is fenced.

It lands only where id, attempt, agent and `state='running'` match, in one
UPDATE whose row count is the answer; `Fenced` means that it did not. Only the
database's clock decides that a lease has run out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from web.accounts.actions import charge_gpu, charge_storage, release_storage
from web.accounts.queries import gpu_seconds_used
from web.core import storage
from web.core.events import announce
from web.core.problems import Invalid
from web.datasets import actions as datasets
from web.jobs import queue
from web.jobs.actions import free_import, undo_targets
from web.jobs.models import (
    Attempt,
    Checkpoint,
    Job,
    JobInput,
    JobKind,
    JobObject,
    JobState,
    LogLine,
    MetricPoint,
    Sample,
    StageSpan,
)
from web.voices import actions as voices

HEARTBEAT = timedelta(seconds=5)
LEASE = timedelta(seconds=20)
LOST_LEASES_ALLOWED = 3
LOG_LINES_KEPT = 20_000
TABLE_BYTES = 512 * 2**20
RESUME_NAME = "resume.ckpt"
NAME = re.compile(r"^[\w][\w .+\-]*(/[\w][\w .+\-]*)*$")

Command = Literal["ok", "cancel", "finish_now", "checkpoint_now", "fenced"]
log = structlog.get_logger(__name__)


class Fenced(Exception):
    """The attempt no longer holds the job."""


@dataclass(frozen=True)
class Holder:
    """Who claims to hold which attempt of which job."""

    job_id: UUID
    attempt: int
    agent_id: UUID


@dataclass(frozen=True)
class ManifestEntry:
    name: str
    role: str
    sha256: str
    size: int
    key: str = ""


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
        _tell(job.pk, job.team_id)
    return job


def newest_checkpoint(job: Job) -> Checkpoint | None:
    """What a new attempt goes on from."""
    return job.checkpoints.order_by("-step").first() or job.resume_checkpoint


def renew_lease(holder: Holder) -> Command:
    """A heartbeat for one held job: renews its lease, and says what the holder must do."""
    with transaction.atomic():
        if not _held(holder).update(lease_until=Now() + LEASE):
            state = Job.objects.filter(pk=holder.job_id).values_list("state", flat=True).first()
            return "cancel" if state == JobState.CANCELLED else "fenced"
        job = Job.objects.select_related("team").get(pk=holder.job_id)
        _count_time(job)
        if job.checkpoint_requested:
            _held(holder).update(checkpoint_requested=False)
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


def report_stage(holder: Holder, name: str) -> None:
    """A stage begins; the one before has ended."""
    with _writing(holder, stage=name[:20]):
        now = timezone.now()
        spans = StageSpan.objects.filter(job_id=holder.job_id, attempt=holder.attempt)
        spans.filter(ended__isnull=True).update(ended=now)
        StageSpan.objects.create(
            job_id=holder.job_id, attempt=holder.attempt, name=name[:20], started=now
        )


def report_progress(holder: Holder, fraction: float, eta_seconds: float | None, note: str) -> None:
    with _writing(
        holder,
        progress=min(max(fraction, 0.0), 1.0),
        eta_seconds=eta_seconds,
        note=clean(note)[:300],
    ):
        pass


def store_metrics(holder: Holder, points: Sequence[tuple[int, dict[str, float]]]) -> None:
    """Keep each step's values; a step that is repeated after a resume is overwritten."""
    if not points:
        return
    latest = dict(points)
    with _writing(holder, step=max(latest)):
        MetricPoint.objects.bulk_create(
            [
                MetricPoint(job_id=holder.job_id, step=step, attempt=holder.attempt, values=values)
                for step, values in latest.items()
            ],
            update_conflicts=True,
            unique_fields=["job", "step"],
            update_fields=["values", "attempt"],
        )


def store_log(holder: Holder, lines: Sequence[tuple[datetime, str, str]], dropped: int) -> None:
    """Append (at, level, text) lines; what the agent had to drop is said in one more."""
    with _writing(holder):
        rows = [
            LogLine(
                job_id=holder.job_id,
                attempt=holder.attempt,
                at=at,
                level=level[:10],
                text=clean(text)[:4000],
            )
            for at, level, text in lines
        ]
        if dropped:
            text = f"{dropped} log lines were too many to send and are missing here."
            rows.append(
                LogLine(
                    job_id=holder.job_id,
                    attempt=holder.attempt,
                    at=timezone.now(),
                    level="warning",
                    text=text,
                )
            )
        LogLine.objects.bulk_create(rows)


def store_sample(
    holder: Holder, entry: ManifestEntry, step: int, index: int, text: str, seconds: float
) -> None:
    stored = _stored(holder, entry)
    with _writing(holder):
        Sample.objects.update_or_create(
            job_id=holder.job_id,
            step=step,
            index=index,
            defaults={
                "attempt": holder.attempt,
                "text": clean(text),
                "seconds": seconds,
                "key": stored.key,
            },
        )


def store_checkpoint(
    holder: Holder, entry: ManifestEntry, step: int, epoch: int, scores: dict[str, float]
) -> None:
    """Make an uploaded checkpoint the one to resume from; the oldest ones are dropped."""
    stored = _stored(holder, entry)
    with _writing(holder):
        job = Job.objects.select_related("team").get(pk=holder.job_id)
        _, is_new = Checkpoint.objects.update_or_create(
            job=job,
            step=step,
            defaults={
                "attempt": holder.attempt,
                "epoch": epoch,
                "scores": scores,
                "name": stored.name,
                "key": stored.key,
                "sha256": stored.sha256,
                "size": stored.size,
            },
        )
        if is_new and job.team is not None:
            charge_storage(job.team, stored.size)
        keep = int(job.spec.get("params", {}).get("keep_checkpoints", 3))
        _drop_old_checkpoints(job, keep)


def _drop_old_checkpoints(job: Job, keep: int) -> None:
    old = list(job.checkpoints.filter(resumed_by__isnull=True).order_by("-step")[keep:])
    if not old:
        return
    if job.team is not None:
        release_storage(job.team, sum(row.size for row in old))
    Checkpoint.objects.filter(pk__in=[row.pk for row in old]).delete()
    keys = [row.key for row in old]
    transaction.on_commit(lambda: storage.delete(keys))


def input_keys(holder: Holder, names: Sequence[str]) -> dict[str, str]:
    """Object keys of a held job's inputs by name. Raises `Fenced`, or `Invalid` for others."""
    job = _held(holder).select_related("resume_checkpoint").first()
    if job is None:
        raise Fenced
    found = dict(JobInput.objects.filter(job=job, name__in=names).values_list("name", "key"))
    checkpoint = newest_checkpoint(job) if RESUME_NAME in names else None
    if checkpoint is not None:
        found[RESUME_NAME] = checkpoint.key
    unknown = set(names) - set(found)
    if unknown:
        raise Invalid(f"The job has no input {sorted(unknown)[0]!r}.", code="input")
    return {name: found[name] for name in names}


def create_objects(holder: Holder, files: Sequence[tuple[str, int, str]]) -> list[JobObject]:
    """Note (name, size, sha256) of what the attempt is about to upload, and give each its key."""
    made = []
    with _writing(holder):
        for name, size, sha256 in files:
            if not NAME.match(name) or ".." in name or len(name) > 300:
                raise Invalid(f"{name!r} can't be the name of an object.", code="name")
            if not re.fullmatch(r"[0-9a-f]{64}", sha256) or size < 0:
                raise Invalid(f"{name}: size or sha256 is wrong.", code="sha256")
            key = f"jobs/{holder.job_id}/{holder.attempt}/{sha256}/{name}"
            row, _ = JobObject.objects.get_or_create(
                key=key,
                defaults={
                    "job_id": holder.job_id,
                    "attempt": holder.attempt,
                    "name": name,
                    "sha256": sha256,
                    "size": size,
                },
            )
            made.append(row)
    return made


def finish_succeeded(
    holder: Holder, manifest: Sequence[ManifestEntry], result: dict[str, Any]
) -> None:
    """End a job well, and make what it made visible, in one transaction.

    Called again after the answer was lost, it changes nothing. Raises `Fenced`.
    """
    if _ended_alike(holder, JobState.SUCCEEDED):
        return
    entries = [_stored(holder, entry) for entry in manifest]
    with transaction.atomic():
        job = _end(holder, JobState.SUCCEEDED, "succeeded", progress=1.0, result=result)
        if job.kind == JobKind.PREPARE and job.dataset is not None:
            _apply_prepared(job, entries)
        elif job.kind in (JobKind.TRAIN, JobKind.EXPORT) and job.team is not None:
            _publish(job, result, entries)
        elif job.kind == JobKind.IMPORT_BASE and job.base_voice is not None:
            voices.finish_import(job.base_voice, result, entries)
            free_import(job.base_voice)
        _tell(job.pk, job.team_id)


def _apply_prepared(job: Job, entries: Sequence[ManifestEntry]) -> None:
    assert job.dataset is not None
    clips = {entry.name: entry for entry in entries if entry.role == "clip"}
    table = next((entry for entry in entries if entry.role == "utterances"), None)
    if table is None:
        raise Invalid("The agent's manifest lacks the table of utterances.", code="manifest")
    datasets.apply_prepared(job.dataset, _rows(table.key), clips)


def _rows(key: str) -> Iterator[dict[str, Any]]:
    """The lines of an NDJSON object, one at a time."""
    rest = b""
    for chunk in storage.read(key):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines if line.strip())
    if rest.strip():
        yield json.loads(rest)


def _publish(job: Job, result: dict[str, Any], entries: Sequence[ManifestEntry]) -> None:
    assert job.team is not None
    spec = job.spec
    quality = spec["params"]["quality"] if "params" in spec else spec["quality"]
    voice = voices.publish_voice(
        job.team, job.name, spec["language"], quality, result, spec["lineage"], entries
    )
    Job.objects.filter(pk=job.pk).update(voice=voice)


def finish_failed(holder: Holder, code: str, message: str) -> None:
    """End a job that no host could do. Raises `Fenced`."""
    if _ended_alike(holder, JobState.FAILED):
        return
    with transaction.atomic():
        job = _end(
            holder,
            JobState.FAILED,
            "failed",
            error_code=code[:60] or "failed",
            error_message=clean(message)[:2000] or "The agent gave no reason.",
        )
        undo_targets(job, clean(message))
        _tell(job.pk, job.team_id)


def release_job(holder: Holder, reason: str) -> None:
    """The host hands the job back, for example because it shuts down: queue it again."""
    with transaction.atomic():
        _requeue(_held(holder), holder.job_id, holder.attempt, "released", clean(reason))


def _requeue(held: Any, job_id: UUID, attempt: int, outcome: str, reason: str) -> None:
    """Back to the queue, keeping its place among equals. Zero rows: `Fenced`."""
    now = timezone.now()
    if not held.update(
        state=JobState.QUEUED,
        lease_until=None,
        agent_id=None,
        queued_at=now,
        rung_at=now,
        eta_seconds=None,
        note=reason[:300],
    ):
        raise Fenced
    _close_attempt(job_id, attempt, outcome)
    job = Job.objects.get(pk=job_id)
    queue.ring(job)
    _tell(job.pk, job.team_id)


def reap_expired_leases() -> int:
    """Queue again what its holder has lost; fail what was lost too often. Returns how many."""
    expired = Job.objects.filter(state=JobState.RUNNING, lease_until__lt=Now())
    reaped = 0
    for job in expired.order_by("lease_until")[:100]:
        lost = job.attempts.filter(outcome="lease_lost").count() + 1
        # Once more in the UPDATE: a heartbeat may have come in between.
        held = Job.objects.filter(
            pk=job.pk, state=JobState.RUNNING, attempt=job.attempt, lease_until__lt=Now()
        )
        with transaction.atomic():
            try:
                if lost >= LOST_LEASES_ALLOWED:
                    _poison(job, held)
                else:
                    reason = f"{job.agent_name} was not heard any more; another host goes on."
                    _requeue(held, job.pk, job.attempt, "lease_lost", reason)
            except Fenced:
                continue
        log.warning("lease lost", job=str(job.pk), agent=job.agent_name, attempt=job.attempt)
        reaped += 1
    return reaped


def _poison(job: Job, held: Any) -> None:
    hosts = sorted({row.agent_name for row in job.attempts.all()})
    message = (
        f"The host went away {LOST_LEASES_ALLOWED} times while it ran this job "
        f"({', '.join(hosts)}), so the job itself may be what stops it, for example by using too "
        "much memory. Look at the log, make the batch smaller, then resume it."
    )
    if not held.update(
        state=JobState.FAILED,
        ended=timezone.now(),
        lease_until=None,
        eta_seconds=None,
        error_code="poison",
        error_message=message,
    ):
        raise Fenced
    _close_attempt(job.pk, job.attempt, "lease_lost")
    undo_targets(job, message)
    _tell(job.pk, job.team_id)


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


class _writing:
    """A transaction that holds the job's row, entered only by its present holder."""

    def __init__(self, holder: Holder, **fields: Any) -> None:
        self._holder = holder
        # Any UPDATE locks the row until the commit, so that no cancel slips in between.
        self._fields = fields or {"attempt": holder.attempt}
        self._atomic = transaction.atomic()

    def __enter__(self) -> None:
        self._atomic.__enter__()
        if not _held(self._holder).update(**self._fields):
            self._atomic.__exit__(None, None, None)
            raise Fenced

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            announce(f"job:{self._holder.job_id}")
        self._atomic.__exit__(kind, error, trace)


def _held(holder: Holder) -> Any:
    return Job.objects.filter(
        pk=holder.job_id,
        attempt=holder.attempt,
        agent_id=holder.agent_id,
        state=JobState.RUNNING,
    )


def _stored(holder: Holder, entry: ManifestEntry) -> ManifestEntry:
    """The entry with its key, once the object is known to lie in storage in full."""
    row = JobObject.objects.filter(
        job_id=holder.job_id, attempt=holder.attempt, name=entry.name, sha256=entry.sha256
    ).first()
    if row is None:
        raise Invalid(f"{entry.name} was never announced by this attempt.", code="manifest")
    found = storage.size(row.key)
    if found != row.size:
        raise Invalid(
            f"{entry.name} has {found} bytes in storage and should have {row.size}.",
            code="incomplete",
        )
    return ManifestEntry(row.name, entry.role, row.sha256, row.size, row.key)


def _end(holder: Holder, state: JobState, outcome: str, **fields: Any) -> Job:
    now = timezone.now()
    if not _held(holder).update(
        state=state, ended=now, lease_until=None, eta_seconds=None, note="", **fields
    ):
        raise Fenced
    _close_attempt(holder.job_id, holder.attempt, outcome)
    return Job.objects.select_related("team", "dataset", "base_voice").get(pk=holder.job_id)


def _ended_alike(holder: Holder, state: JobState) -> bool:
    return Job.objects.filter(
        pk=holder.job_id, attempt=holder.attempt, agent_id=holder.agent_id, state=state
    ).exists()


def _close_attempt(job_id: UUID, attempt: int, outcome: str) -> None:
    now = timezone.now()
    Attempt.objects.filter(job_id=job_id, number=attempt).update(ended=now, outcome=outcome)
    spans = StageSpan.objects.filter(job_id=job_id, attempt=attempt, ended__isnull=True)
    spans.update(ended=now)


def _tell(job_id: UUID, team_id: UUID | None) -> None:
    announce(f"job:{job_id}")
    announce("queue")
    if team_id is not None:
        announce(f"team:{team_id}")


def clean(text: str) -> str:
    """Postgres keeps no NUL."""
    return text.replace("\x00", "\ufffd")

"""What an agent tells while it works: stages, progress, metrics, log, samples, checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from web.accounts.actions import charge_storage, release_storage
from web.core import storage
from web.jobs.fencing import Holder, clean, writing
from web.jobs.models import Checkpoint, Job, LogLine, MetricPoint, Sample, StageSpan
from web.jobs.objects import ManifestEntry, stored_entry


def report_stage(holder: Holder, name: str) -> None:
    """A stage begins; the one before has ended."""
    with writing(holder, stage=name[:20]):
        now = timezone.now()
        spans = StageSpan.objects.filter(job_id=holder.job_id, attempt=holder.attempt)
        if spans.filter(name=name[:20], ended__isnull=True).exists():
            return  # sent again, because its acknowledgement was lost
        spans.filter(ended__isnull=True).update(ended=now)
        StageSpan.objects.create(
            job_id=holder.job_id, attempt=holder.attempt, name=name[:20], started=now
        )


def report_progress(holder: Holder, fraction: float, eta_seconds: float | None, note: str) -> None:
    with writing(
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
    with writing(holder, step=max(latest)):
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
    with writing(holder):
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
    stored = stored_entry(holder, entry)
    with writing(holder):
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
    stored = stored_entry(holder, entry)
    with writing(holder):
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

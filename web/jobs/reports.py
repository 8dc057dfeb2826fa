"""What an agent tells while it works: stages, progress, metrics, log, samples, checkpoints."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.utils import timezone

from web.accounts.actions import charge_storage, release_storage
from web.core import storage
from web.jobs.fencing import Holder, clean, writing
from web.jobs.models import Checkpoint, Job, LogLine, Sample, StageSpan
from web.jobs.objects import ManifestEntry, keys_to_export, stored_entry

MERGE_POINT = """
INSERT INTO jobs_metricpoint AS kept (job_id, step, attempt, values) VALUES (%s, %s, %s, %s)
ON CONFLICT (job_id, step) DO UPDATE SET attempt = excluded.attempt, values =
CASE WHEN kept.attempt = excluded.attempt THEN kept.values ELSE '{}' END || excluded.values
"""


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
        progress=min(max(fraction, 0.0), 1.0) if math.isfinite(fraction) else 0.0,
        eta_seconds=eta_seconds if eta_seconds is None or math.isfinite(eta_seconds) else None,
        note=clean(note)[:300],
    ):
        pass


def store_metrics(holder: Holder, points: Sequence[tuple[int, dict[str, float]]]) -> None:
    """Keep each step's values, in one row a step.

    Further values of a step (its validation) join those that are there; a step that is
    repeated after a resume replaces them.
    """
    if not points:
        return
    merged: dict[int, dict[str, float]] = {}
    for step, values in points:
        merged.setdefault(step, {}).update(values)
    with writing(holder, step=max(merged)), connection.cursor() as cursor:
        cursor.executemany(
            MERGE_POINT,
            [
                (holder.job_id, step, holder.attempt, json.dumps(finite(values)))
                for step, values in merged.items()
            ],
        )


def finite(values: dict[str, float]) -> dict[str, float]:
    """Without what JSON and charts can't hold; the log says that a step was not finite."""
    return {name: value for name, value in values.items() if math.isfinite(value)}


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
                "scores": finite(scores),
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
    # Its export would not find it. Submitting one waits for the team's row, as charging does.
    rows = job.checkpoints.filter(resumed_by__isnull=True).exclude(key__in=keys_to_export())
    old = list(rows.order_by("-step")[keep:])
    if not old:
        return
    if job.team is not None:
        release_storage(job.team, sum(row.size for row in old))
    Checkpoint.objects.filter(pk__in=[row.pk for row in old]).delete()
    storage.delete_after_commit(row.key for row in old)

"""Jobs as the API and the pages show them, and honest forecasts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Case, Count, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from web.accounts.models import Team
from web.accounts.queries import gpu_seconds_used
from web.datasets.models import Dataset, UtteranceStatus
from web.jobs.models import (
    ACTIVE,
    Checkpoint,
    Job,
    JobState,
    LogLine,
    MetricPoint,
    Sample,
    StageSpan,
)
from web.jobs.presets import Preset
from web.voices.models import BaseVoice

# Measured medians; replaced by the installation's own as soon as it has trained.
# The CPU preset's is for 2 cores.
SECONDS_PER_STEP = {"cpu": 1.5, "quick": 0.5, "fine-tune": 0.5, "from-scratch": 0.5}
ENOUGH_MINUTES = {"fine-tune": 10, "quick": 5, "from-scratch": 300, "cpu": 1}


@dataclass(frozen=True)
class Forecast:
    """What a person should know before the click."""

    jobs_ahead: int
    minutes: float | None
    """Of training; None when nothing is known yet."""
    quota_minutes_left: float
    warnings: list[str]


def job_out(job: Job) -> dict[str, Any]:
    """A job of `with_places`, as `GET /jobs/{id}` answers."""
    error = {"code": job.error_code, "message": job.error_message} if job.error_code else None
    return {
        "id": str(job.pk),
        "kind": job.kind,
        "name": job.name,
        "state": job.state,
        "stage": job.stage or None,
        "progress": round(job.progress, 4),
        "eta_seconds": job.eta_seconds,
        "note": job.note,
        "step": job.step,
        "attempt": job.attempt,
        "agent": job.agent_name or None,
        "device": job.device or None,
        "preset": job.preset or None,
        "params": job.spec.get("params"),
        "error": error,
        "dataset_id": _id(job.dataset_id),
        "dataset_version": _id(job.version_id),
        "base_voice_id": _id(job.base_voice_id),
        "voice_id": _id(job.voice_id),
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "queue_position": job.place,
        "finish_requested": job.finish_requested,
    }


def _id(value: Any) -> str | None:
    return str(value) if value else None


def with_places(rows: QuerySet[Job]) -> QuerySet[Job]:
    """The rows with their `place` in the queue, out of the same query."""
    before = Q(rank__lt=OuterRef("rank")) | Q(
        rank=OuterRef("rank"), queued_at__lt=OuterRef("queued_at")
    )
    waiting = Job.objects.filter(before, state=JobState.QUEUED).order_by().values("state")
    ahead = Subquery(waiting.annotate(number=Count("pk")).values("number"))
    place = Case(When(state=JobState.QUEUED, then=Coalesce(ahead, 0) + 1))
    return rows.annotate(place=place)  # type: ignore[no-redef]  # declared for its readers


def series(job: Job, after_step: int = -1, limit: int = 20_000) -> dict[str, Any]:
    """Metrics as {last_step, series: {name: [[step, value], ...]}}, of steps after `after_step`."""
    points = MetricPoint.objects.filter(job=job, step__gt=after_step)
    found: dict[str, list[list[float]]] = {}
    last = after_step
    for step, values in points.order_by("step").values_list("step", "values")[:limit]:
        last = step
        for name, value in values.items():
            found.setdefault(name, []).append([step, value])
    return {"job_id": str(job.pk), "last_step": last, "series": found}


def sample_out(sample: Sample) -> dict[str, Any]:
    return {
        "id": sample.pk,
        "step": sample.step,
        "index": sample.index,
        "text": sample.text,
        "seconds": sample.seconds,
        "url": f"/api/v1/jobs/{sample.job_id}/samples/{sample.pk}",
    }


def checkpoint_out(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "id": checkpoint.pk,
        "step": checkpoint.step,
        "epoch": checkpoint.epoch,
        "scores": checkpoint.scores,
        "size": checkpoint.size,
        "sha256": checkpoint.sha256,
        "created": checkpoint.created,
        "url": f"/api/v1/jobs/{checkpoint.job_id}/checkpoints/{checkpoint.pk}",
    }


def log_out(line: LogLine) -> dict[str, Any]:
    return {
        "id": line.pk,
        "at": line.at,
        "level": line.level,
        "text": line.text,
        "attempt": line.attempt,
    }


def stages_out(job: Job) -> list[dict[str, Any]]:
    """The newest attempt's stages with their seconds so far."""
    now = timezone.now()
    spans: Iterable[StageSpan] = job.stages.filter(attempt=job.attempt)
    return [
        {
            "name": span.name,
            "started": span.started,
            "ended": span.ended,
            "seconds": ((span.ended or now) - span.started).total_seconds(),
        }
        for span in spans
    ]


def attempts_out(job: Job) -> list[dict[str, Any]]:
    return [
        {
            "number": attempt.number,
            "agent": attempt.agent_name,
            "host": attempt.host,
            "device": attempt.device,
            "started": attempt.started,
            "ended": attempt.ended,
            "outcome": attempt.outcome or None,
        }
        for attempt in job.attempts.all()
    ]


def jobs_in_use(team: Team) -> int:
    """Waiting and running ones, as the quota counts them."""
    return Job.objects.filter(team=team, state__in=ACTIVE).count()


def forecast(
    team: Team, dataset: Dataset, preset: Preset, base_voice: BaseVoice | None
) -> Forecast:
    """When a training would start, how long it would take and what may disappoint."""
    steps = preset.params["max_steps"]
    minutes = steps * _seconds_per_step(preset) / 60 if steps else None
    left = max(0.0, team.gpu_minutes_quota - gpu_seconds_used(team) / 60)
    return Forecast(
        jobs_ahead=Job.objects.filter(state__in=ACTIVE).count(),
        minutes=minutes,
        quota_minutes_left=left,
        warnings=_warnings(dataset, preset, base_voice, minutes, left),
    )


def _seconds_per_step(preset: Preset) -> float:
    """From the last training with this preset, else the table."""
    recent = Job.objects.filter(
        preset=preset.key, step__gt=0, created__gt=timezone.now() - timedelta(days=90)
    )
    newest = recent.order_by("-created").first()
    points = newest.metrics.order_by("-step").values_list("values", flat=True) if newest else ()
    speeds: list[float] = [
        values["steps_per_second"] for values in points[:50] if values.get("steps_per_second")
    ]
    if not speeds:
        return SECONDS_PER_STEP[preset.key]
    return 1 / sorted(speeds)[len(speeds) // 2]


def _warnings(
    dataset: Dataset,
    preset: Preset,
    base: BaseVoice | None,
    minutes: float | None,
    left: float,
) -> list[str]:
    found = []
    included = usable(dataset).aggregate(seconds=Sum("seconds"))["seconds"] or 0.0
    speech, enough = included / 60, ENOUGH_MINUTES[preset.key]
    if speech < enough:
        found.append(
            f"There is little speech for this ({speech:.1f} minutes); {enough} minutes or more "
            "are better."
        )
    if base is not None and base.language.split("-")[0] != dataset.language.split("-")[0]:
        found.append(
            f"The base voice speaks {base.language}, the recordings are {dataset.language}: expect "
            "a foreign accent at first and a longer training."
        )
    if base is not None and "non-commercial" in base.licence.lower():
        found.append(
            f"The licence of the base voice ({base.licence}) does not allow commercial use."
        )
    if minutes is not None and minutes > left:
        found.append(
            f"This month's training minutes end after {left:.0f}: the training would finish early."
        )
    return found


def usable(dataset: Dataset) -> Any:
    """Utterances that a training would take."""
    return dataset.utterances.filter(included=True).exclude(
        status__in=[UtteranceStatus.REJECTED, UtteranceStatus.NEW]
    )

"""What the pages of jobs, the home page and the training form show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from web.accounts.models import Team, User
from web.accounts.queries import gpu_seconds_used, memberships, visible
from web.datasets.models import Dataset, DatasetState
from web.datasets.page_queries import dataset_rows
from web.jobs.models import ACTIVE, Checkpoint, Job, JobKind, JobState, Sample, StageSpan
from web.jobs.queries import jobs_in_use, with_places
from web.voices.models import BaseVoice, BaseVoiceState
from web.voices.page_queries import sample_url, voice_rows

# In order; what an agent reports beyond them is shown as it comes.
STAGES = {
    JobKind.PREPARE: ("fetch", "prepare", "publish"),
    JobKind.TRAIN: ("fetch", "prepare", "train", "export", "verify", "publish"),
    JobKind.EXPORT: ("fetch", "export", "verify", "publish"),
    JobKind.IMPORT_BASE: ("fetch", "import", "publish"),
}
STAGE_WORDS = {
    "fetch": "Fetch files",
    "prepare": "Prepare",
    "train": "Train",
    "export": "Export",
    "verify": "Try it out",
    "publish": "Publish",
    "import": "Import",
}
FINISHED_LATELY = timedelta(days=14)


def job_rows(user: User) -> QuerySet[Job]:
    """Jobs that the user may see, newest first, with what lists show of them."""
    newest = Sample.objects.order_by("-step", "index")[:1]
    rows = Job.objects.select_related("team", "dataset", "voice", "base_voice").prefetch_related(
        Prefetch("samples", queryset=newest, to_attr="newest_samples")
    )
    return visible(with_places(rows), user)


@dataclass(frozen=True)
class StageBox:
    """One part of the timeline; `state` is done, now, failed or todo."""

    name: str
    words: str
    state: str
    span: StageSpan | None

    @property
    def seconds(self) -> float | None:
        if self.span is None or self.span.ended is None:
            return None
        return (self.span.ended - self.span.started).total_seconds()


def timeline(job: Job) -> list[StageBox]:
    """The newest attempt's stages, and those still to come."""
    spans = {span.name: span for span in job.stages.filter(attempt=job.attempt)}
    names = list(STAGES.get(JobKind(job.kind), ()))
    names = [name for name in names if name in spans or job.state not in (JobState.SUCCEEDED,)]
    names += [name for name in spans if name not in names]
    return [
        StageBox(
            name,
            STAGE_WORDS.get(name, name.capitalize()),
            _state(job, spans.get(name)),
            spans.get(name),
        )
        for name in names
    ]


def _state(job: Job, span: StageSpan | None) -> str:
    if span is None:
        return "todo"
    if job.state == JobState.SUCCEEDED or (span.ended is not None and span.name != job.stage):
        return "done"
    if job.state == JobState.RUNNING:
        return "now"
    return "failed" if job.state == JobState.FAILED else "todo"


@dataclass(frozen=True)
class SampleGrid:
    """Sentences by steps: `rows` are (text, cells in the order of `steps`)."""

    steps: list[int]
    rows: list[tuple[str, list[Sample | None]]]


def sample_grid(job: Job, newest: int = 12) -> SampleGrid:
    steps = list(job.samples.order_by("step").values_list("step", flat=True).distinct())
    if len(steps) > newest:
        # The first, the last ones, and evenly between: enough to hear it grow.
        stride = (len(steps) - 1) / (newest - 1)
        steps = sorted({steps[round(stride * place)] for place in range(newest)})
    samples = list(job.samples.filter(step__in=steps))
    cells = {(sample.index, sample.step): sample for sample in samples}
    texts = {sample.index: sample.text for sample in samples}
    return SampleGrid(
        steps,
        [(texts[index], [cells.get((index, step)) for step in steps]) for index in sorted(texts)],
    )


@dataclass(frozen=True)
class Quota:
    """One limit of a team; `used` and `limit` in the unit that `kind` names."""

    kind: str
    used: float
    limit: float

    @property
    def tight(self) -> bool:
        return self.used >= 0.9 * self.limit


def quotas(team: Team) -> list[Quota]:
    return [
        Quota("storage", team.storage_used_bytes, team.storage_quota_bytes),
        Quota("gpu", gpu_seconds_used(team) / 60, team.gpu_minutes_quota),
        Quota("jobs", jobs_in_use(team), team.jobs_quota),
    ]


def team_quotas(user: User) -> list[tuple[Any, list[Quota]]]:
    return [(row, quotas(row.team)) for row in memberships(user)]


def home(user: User) -> dict[str, Any]:
    """What runs now, what finished lately, what needs a look, what is left."""
    rows = job_rows(user)
    running = rows.filter(state=JobState.RUNNING).order_by("started")
    waiting = rows.filter(state=JobState.QUEUED).order_by("rank", "queued_at")
    since = timezone.now() - FINISHED_LATELY
    voices = voice_rows(user)
    unchecked = Q(state__in=[DatasetState.DRAFT, DatasetState.FAILED], has_files=True)
    return {
        "running": running[:6],
        "waiting": [(job, job.place) for job in waiting[:6]],
        "voices": [(voice, sample_url(voice)) for voice in voices[:6]],
        "failed": rows.filter(state=JobState.FAILED, ended__gt=since).order_by("-ended")[:3],
        "attention": dataset_rows(user).filter(unchecked | Q(looks__gt=0))[:5],
        "quotas": team_quotas(user),
        "empty": not visible(Dataset.objects.all(), user).exists() and not voices.exists(),
        "has_jobs": rows.filter(state__in=ACTIVE).exists(),
    }


def base_choices(team: Team, state: str = BaseVoiceState.READY) -> QuerySet[BaseVoice]:
    """Base voices that the team may start from, or soon may."""
    rows = BaseVoice.objects.filter(state=state)
    return rows.filter(Q(team=team) | Q(team=None)).order_by("name")


def trainable(user: User) -> QuerySet[Dataset]:
    return dataset_rows(user).filter(state=DatasetState.READY).order_by("-changed")


def checkpoints(job: Job) -> list[tuple[Checkpoint, bool]]:
    """Newest first; the second value marks the lowest validation loss."""
    rows = list(job.checkpoints.order_by("-step"))
    scored = [row for row in rows if row.scores.get("val_mel") is not None]
    best = min(scored, key=lambda row: row.scores["val_mel"], default=None)
    return [(row, row is best) for row in rows]

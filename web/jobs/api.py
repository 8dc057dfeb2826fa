"""Jobs: submit, watch, steer. `/datasets/{id}/prepare` and `POST /base-voices` submit jobs too."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from ninja import File, Form, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from web.accounts.api_auth import caller
from web.accounts.queries import find, visible, working_team
from web.core.downloads import serve_object
from web.core.events import EVERYONE
from web.core.paging import Limit, Offset, Page, page_of
from web.core.problems import Forbidden
from web.datasets.models import Dataset
from web.jobs import actions, base_uploads, live, queries
from web.jobs.models import Checkpoint, Job, JobState, LogLine, Sample
from web.jobs.params import TrainOptions
from web.voices.api import router as voices
from web.voices.models import BaseVoice

router = Router(tags=["jobs"])


class TrainIn(Schema):
    kind: Literal["train"] = "train"
    dataset_id: UUID
    base_voice_id: Annotated[
        UUID | None, Field(description="Left out: one that suits the language.")
    ] = None
    preset: str = Field(default="fine-tune", description="fine-tune, from-scratch, quick or cpu.")
    name: Annotated[str | None, Field(min_length=1, max_length=80)] = None
    params: TrainOptions = TrainOptions()


class ResumeIn(Schema):
    params: TrainOptions = TrainOptions()


class MoveIn(Schema):
    before: Annotated[UUID | None, Field(description="A waiting job; left out: to the end.")] = None


class JobId(Schema):
    id: UUID


class JobStarted(Schema):
    job_id: UUID


class BaseVoiceStarted(Schema):
    id: UUID
    job_id: UUID


def _jobs() -> QuerySet[Job]:
    return queries.with_places(Job.objects.select_related("team"))


def _job(request: HttpRequest, job_id: UUID) -> Job:
    return find(_jobs(), caller(request), job_id)


@router.post("/datasets/{dataset_id}/prepare", response={202: JobStarted}, tags=["datasets"])
def prepare(request: HttpRequest, dataset_id: UUID) -> Any:
    """Check and standardise a dataset's recordings."""
    dataset = find(Dataset.objects.select_related("team"), caller(request), dataset_id)
    return Status(202, {"job_id": actions.submit_prepare(caller(request), dataset).pk})


# On the voices' own router, which has the other calls of this address.
@voices.post("/base-voices", response={202: BaseVoiceStarted})
def add_base_voice(
    request: HttpRequest,
    files: File[list[UploadedFile]],
    name: Form[str | None] = None,
    licence: Form[str] = "",
    shared: Form[bool] = False,
) -> Any:
    """Register an ONNX voice (with its .onnx.json) or a checkpoint as a base voice.

    `shared`: for all teams; administrators only.
    """
    user = caller(request)
    if shared and not user.is_staff:
        raise Forbidden("Only an administrator adds base voices for all teams.", code="role")
    team = None if shared else working_team(user)
    job = base_uploads.add(user, team, list(files), name, licence)
    return Status(202, {"id": job.base_voice_id, "job_id": job.pk})


@router.post("/jobs", response={201: JobId})
def submit(request: HttpRequest, payload: TrainIn) -> Any:
    """Train a voice."""
    user = caller(request)
    dataset = find(Dataset.objects.select_related("team"), user, payload.dataset_id)
    base = None
    if payload.base_voice_id is not None:
        shared = BaseVoice.objects.filter(team=None, pk=payload.base_voice_id)
        base = shared.first() or find(BaseVoice.objects.all(), user, payload.base_voice_id)
    job = actions.submit_train(
        user,
        dataset,
        preset=payload.preset,
        base_voice=base,
        name=payload.name,
        params=payload.params,
    )
    return Status(201, {"id": job.pk})


@router.get("/jobs", response=Page[dict[str, Any]])
def list_jobs(
    request: HttpRequest,
    state: JobState | None = None,
    kind: str | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Any:
    """Newest first."""
    rows = visible(_jobs(), caller(request)).order_by("-created", "pk")
    if state is not None:
        rows = rows.filter(state=state)
    if kind is not None:
        rows = rows.filter(kind=kind)
    return page_of(request, rows, limit, offset, queries.job_out)


@router.get("/jobs/{job_id}", response=dict[str, Any])
def get_job(request: HttpRequest, job_id: UUID) -> Any:
    job = _job(request, job_id)
    return {
        **queries.job_out(job),
        "stages": queries.stages_out(job),
        "attempts": queries.attempts_out(job),
    }


@router.delete("/jobs/{job_id}", response={204: None})
def delete_job(request: HttpRequest, job_id: UUID) -> Any:
    """Delete an ended job with its samples and checkpoints."""
    actions.delete_job(caller(request), _job(request, job_id))
    return Status(204, None)


@router.get("/jobs/{job_id}/metrics", response=dict[str, Any])
def metrics(request: HttpRequest, job_id: UUID, after_step: int = -1) -> Any:
    """`{last_step, series: {name: [[step, value], ...]}}`"""
    return queries.series(_job(request, job_id), after_step)


@router.get("/jobs/{job_id}/events", response={200: None})
def events(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    """Server-sent events `job`, `metrics`, `log`, `sample`, `checkpoint` and, last, `end`."""
    job = _job(request, job_id)
    seen = live.Seen.parse(request.headers.get("Last-Event-ID"))
    return live.stream(live.job_events(job.pk, seen))


@router.get("/events", response={200: None})
def team_events(request: HttpRequest) -> HttpResponseBase:
    """Server-sent event `changed` whenever something of the caller's teams changed."""
    user = caller(request)
    topics = [EVERYONE]
    topics += [f"team:{team}" for team in user.memberships.values_list("team_id", flat=True)]
    if user.is_staff:
        topics += ["queue", "fleet"]
    return live.stream(live.topic_events(topics))


@router.get("/jobs/{job_id}/samples", response=Page[dict[str, Any]])
def samples(request: HttpRequest, job_id: UUID, limit: Limit = 200, offset: Offset = 0) -> Any:
    rows = _job(request, job_id).samples.order_by("step", "index")
    return page_of(request, rows, limit, offset, queries.sample_out)


@router.get("/jobs/{job_id}/samples/{sample_id}", response={200: None})
def sample_audio(request: HttpRequest, job_id: UUID, sample_id: int) -> HttpResponseBase:
    """`audio/wav`"""
    rows = Sample.objects.filter(job_id=job_id)
    sample = find(rows, caller(request), sample_id, team="job__team")
    return serve_object(request, sample.key, "audio/wav")


@router.get("/jobs/{job_id}/checkpoints", response=Page[dict[str, Any]])
def checkpoints(request: HttpRequest, job_id: UUID, limit: Limit = 50, offset: Offset = 0) -> Any:
    rows = _job(request, job_id).checkpoints.order_by("step")
    return page_of(request, rows, limit, offset, queries.checkpoint_out)


def _checkpoint(request: HttpRequest, job_id: UUID, checkpoint_id: int) -> Checkpoint:
    rows = Checkpoint.objects.filter(job_id=job_id).select_related("job__team")
    return find(rows, caller(request), checkpoint_id, team="job__team")


@router.get("/jobs/{job_id}/checkpoints/{checkpoint_id}", response={200: None})
def checkpoint_file(request: HttpRequest, job_id: UUID, checkpoint_id: int) -> HttpResponseBase:
    """The checkpoint, as upstream's own tools read it."""
    row = _checkpoint(request, job_id, checkpoint_id)
    return serve_object(request, row.key, "application/octet-stream", row.name, row.size)


@router.post("/jobs/{job_id}/checkpoints/{checkpoint_id}/export", response={201: JobId})
def export(request: HttpRequest, job_id: UUID, checkpoint_id: int) -> Any:
    """Make a voice from this checkpoint."""
    row = _checkpoint(request, job_id, checkpoint_id)
    return Status(201, {"id": actions.submit_export(caller(request), row).pk})


@router.get("/jobs/{job_id}/logs", response=Page[dict[str, Any]])
def logs(
    request: HttpRequest, job_id: UUID, after: int = 0, limit: Limit = 200, offset: Offset = 0
) -> Any:
    """Oldest first; `after` takes the `id` of a line."""
    rows = LogLine.objects.filter(job=_job(request, job_id), pk__gt=after).order_by("pk")
    return page_of(request, rows, limit, offset, queries.log_out)


@router.post("/jobs/{job_id}/cancel", response=dict[str, Any])
def cancel(request: HttpRequest, job_id: UUID) -> Any:
    """Stop and keep nothing more."""
    actions.cancel_job(caller(request), _job(request, job_id))
    return queries.job_out(_job(request, job_id))


@router.post("/jobs/{job_id}/finish-now", response=dict[str, Any])
def finish_now(request: HttpRequest, job_id: UUID) -> Any:
    """Stop training and export what is there."""
    actions.finish_now(caller(request), _job(request, job_id))
    return queries.job_out(_job(request, job_id))


@router.post("/jobs/{job_id}/resume", response={201: JobId})
def resume(request: HttpRequest, job_id: UUID, payload: ResumeIn | None = None) -> Any:
    """Go on from the newest checkpoint of an ended training, as a new job."""
    params = payload.params if payload else None
    return Status(
        201, {"id": actions.resume_job(caller(request), _job(request, job_id), params).pk}
    )


@router.post("/jobs/{job_id}/retry", response={201: JobId})
def retry(request: HttpRequest, job_id: UUID) -> Any:
    """Submit a failed or cancelled job again, from its beginning, as a new job."""
    return Status(201, {"id": actions.retry_job(caller(request), _job(request, job_id)).pk})


@router.post("/jobs/{job_id}/move", response={204: None})
def move(request: HttpRequest, job_id: UUID, payload: MoveIn) -> Any:
    """Re-order the queue. Administrators only."""
    user = caller(request)
    before = _job(request, payload.before) if payload.before else None
    actions.move_job(user, _job(request, job_id), before)
    return Status(204, None)

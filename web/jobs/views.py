"""Home, and the pages that watch jobs. What submits and steers is in `submit_views.py`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from web.accounts.queries import find, may_edit
from web.core.pages import is_fragment, page, paged
from web.datasets.models import Dataset
from web.datasets.page_queries import language_name
from web.jobs import page_queries
from web.jobs.models import ACTIVE, Job, JobKind, JobState
from web.jobs.presets import PRESETS
from web.jobs.queries import with_places

LOG_TAIL = 200
FILTERS = {"all": "All", "active": "Now", "succeeded": "Done", "failed": "Failed"}


@page
def home(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    context = {"section": "home", **page_queries.home(user)}
    return render(request, "jobs/_home.html" if is_fragment(request) else "jobs/home.html", context)


@page
def jobs(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    which = request.GET.get("show", "all")
    rows = page_queries.job_rows(user).order_by("-created")
    if which == "active":
        rows = rows.filter(state__in=ACTIVE)
    elif which in {JobState.SUCCEEDED, JobState.FAILED}:
        rows = rows.filter(state=which)
    found = paged(request, rows, 30)
    context = {
        "section": "jobs",
        "page": found,
        "rows": [(job, job.place) for job in found],
        "filters": FILTERS,
        "which": which,
    }
    return render(request, "jobs/_list.html" if is_fragment(request) else "jobs/list.html", context)


def _find(request: HttpRequest, pk: UUID) -> Job:
    user: Any = request.user
    rows = Job.objects.select_related(
        "team", "dataset", "version", "base_voice", "voice", "created_by"
    )
    return find(with_places(rows), user, pk)


@page
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page; for htmx its head, which changes only with the state, stage or attempt."""
    user: Any = request.user
    row = _find(request, pk)
    preset = PRESETS.get(row.preset)
    context: dict[str, Any] = {
        "section": "jobs",
        "job": row,
        "preset": preset,
        "active": row.state in ACTIVE,
        "timeline": page_queries.timeline(row),
        "attempts": list(row.attempts.all()),
        "place": row.place,
        "may_edit": may_edit(user, row.team),
        "language": language_name(row.spec.get("language", "")),
        "params": row.spec.get("params", {}),
        "can_resume": row.kind == JobKind.TRAIN
        and row.state not in ACTIVE
        and row.checkpoints.exists(),
        "live": f"/api/v1/jobs/{row.pk}/events",
    }
    if is_fragment(request):
        return render(request, "jobs/_job.html", context)
    context |= {
        "grid": page_queries.sample_grid(row),
        "checkpoints": page_queries.checkpoints(row),
        "log": list(row.log_lines.order_by("-pk")[:LOG_TAIL])[::-1],
    }
    return render(request, "jobs/job.html", context)


@page
def samples(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = _find(request, pk)
    context = {"job": row, "grid": page_queries.sample_grid(row), "active": row.state in ACTIVE}
    return render(request, "jobs/_samples.html", context)


@page
def checkpoints(request: HttpRequest, pk: UUID) -> HttpResponse:
    user: Any = request.user
    row = _find(request, pk)
    context = {
        "job": row,
        "checkpoints": page_queries.checkpoints(row),
        "may_edit": may_edit(user, row.team),
    }
    return render(request, "jobs/_checkpoints.html", context)


@page
def dataset_jobs(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What was and is done with a dataset: a part of its page."""
    user: Any = request.user
    dataset = find(Dataset.objects.all(), user, pk)
    rows = page_queries.job_rows(user).filter(dataset=dataset).order_by("-created")[:8]
    context = {"rows": [(job, job.place) for job in rows], "dataset": dataset}
    return render(request, "jobs/_dataset_jobs.html", context)


@page
def quotas(request: HttpRequest) -> HttpResponse:
    """What is used of the teams' quotas: a part of the account page."""
    user: Any = request.user
    context = {"quotas": page_queries.team_quotas(user)}
    return render(request, "jobs/_quotas.html", context)

"""Forms that submit jobs and steer them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST
from pydantic import ValidationError

from web.accounts.models import User
from web.accounts.queries import find, working_team
from web.core.pages import is_fragment, page
from web.core.problems import Invalid, NotFound
from web.datasets.models import Dataset
from web.datasets.page_queries import language_name
from web.datasets.sample import load_sample
from web.jobs import actions, hosts, page_queries
from web.jobs.form_fields import FIELDS, filled, options_from
from web.jobs.models import Checkpoint, Job, JobKind
from web.jobs.presets import PRESETS, Preset
from web.jobs.queries import forecast
from web.jobs.submission import default_base
from web.voices.models import BaseVoice, BaseVoiceState


@page
def training_new(request: HttpRequest) -> HttpResponse:
    """Choose a base voice and a way to train; htmx asks for the forecast alone."""
    user: Any = request.user
    values = request.POST if request.method == "POST" else request.GET
    datasets = page_queries.trainable(user)
    wanted = values.get("dataset")
    dataset = find(datasets, user, wanted) if wanted else datasets.first()
    if dataset is None:
        return render(request, "jobs/training_none.html", {"section": "datasets"})
    bases = list(page_queries.base_choices(dataset.team))
    importing = list(page_queries.base_choices(dataset.team, BaseVoiceState.IMPORTING))
    preset = PRESETS.get(values.get("preset", "")) or _usual(bases or importing)
    base = (
        _chosen(bases, values.get("base"), dataset)
        if preset.needs_base or values.get("base")
        else None
    )
    if request.method == "POST":
        job = actions.submit_train(
            user,
            dataset,
            preset=preset.key,
            base_voice=base,
            name=values.get("name", "").strip() or None,
            params=_options(values),
        )
        return redirect("job", job.pk)
    context = {
        "section": "datasets",
        "datasets": datasets,
        "dataset": dataset,
        "language": language_name(dataset.language),
        "bases": bases,
        "importing": importing,
        "base": base,
        "presets": PRESETS.values(),
        "preset": preset,
        "forecast": forecast(dataset.team, dataset, preset, base),
        "fields": filled(FIELDS, preset.params),
        **_place(preset),
    }
    template = "jobs/_forecast.html" if is_fragment(request) else "jobs/training_new.html"
    return render(request, template, context)


def _options(values: Any) -> Any:
    try:
        return options_from(values)
    except ValidationError as error:
        faults = [f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors()]
        raise Invalid("; ".join(str(fault) for fault in faults), code="params") from None


def _usual(bases: list[BaseVoice]) -> Preset:
    """Fine-tuning, unless nobody who is there has a GPU for it."""
    if not bases:
        return PRESETS["from-scratch"]
    there = hosts.alive()
    only_cpus = there and not any(host.has_gpu for host in there)
    return PRESETS["cpu" if only_cpus else "fine-tune"]


def _place(preset: Preset) -> dict[str, Any]:
    """Where it would run: `hosts` that suit, and `host_warning` where none does."""
    there = hosts.alive()
    suited = [host for host in there if host.has_gpu or not preset.prefers_gpu]
    warning = ""
    if not there:
        warning = "No host is connected at the moment: the training waits until one is."
    elif not suited:
        warning = (
            "No host with a GPU is connected. On a CPU a step takes many seconds, so this would "
            "take days or weeks; On the CPU is made for that."
        )
    return {"hosts": suited, "host_warning": warning}


def _chosen(bases: list[BaseVoice], wanted: str | None, dataset: Dataset) -> BaseVoice | None:
    for base in bases:
        if str(base.pk) == wanted:
            return base
    if not bases:
        return None
    return default_base(dataset.team, dataset.language)


@page
@require_POST
def check(request: HttpRequest, pk: UUID) -> HttpResponse:
    user: Any = request.user
    dataset = find(Dataset.objects.select_related("team"), user, pk)
    actions.submit_prepare(user, dataset)
    return redirect("dataset", dataset.pk)


@page
@require_POST
def sample(request: HttpRequest) -> HttpResponse:
    """A dataset from the bundled sample, for a first try."""
    user: Any = request.user
    dataset = load_sample(user, working_team(user))
    return redirect("dataset", dataset.pk)


def _deleted(user: User, job: Job) -> HttpResponse:
    actions.delete_job(user, job)
    return redirect("jobs")


def _new(make: Callable[[User, Job], Job]) -> Callable[[User, Job], HttpResponse]:
    return lambda user, job: redirect("job", make(user, job).pk)


def _same(do: Callable[[User, Job], None]) -> Callable[[User, Job], HttpResponse]:
    def act(user: User, job: Job) -> HttpResponse:
        do(user, job)
        return redirect("job", job.pk)

    return act


VERBS: dict[str, tuple[Callable[[User, Job], HttpResponse], str]] = {
    "cancel": (_same(actions.cancel_job), "Cancelled. The host stops within a few seconds."),
    "finish": (
        _same(actions.finish_now),
        "The training stops at its next step; then the voice is exported.",
    ),
    "resume": (_new(actions.resume_job), "A new job goes on from the newest checkpoint."),
    "retry": (_new(actions.retry_job), "Submitted again."),
    "delete": (_deleted, "The job is deleted."),
}


@page
@require_POST
def steer(request: HttpRequest, pk: UUID, verb: str) -> HttpResponse:
    user: Any = request.user
    if verb not in VERBS:
        raise NotFound
    act, said = VERBS[verb]
    answer = act(user, find(Job.objects.select_related("team"), user, pk))
    messages.success(request, said)
    return answer


@page
@require_POST
def export(request: HttpRequest, pk: UUID, checkpoint: int) -> HttpResponse:
    user: Any = request.user
    rows = Checkpoint.objects.filter(job_id=pk, job__kind=JobKind.TRAIN).select_related("job__team")
    job = actions.submit_export(user, find(rows, user, checkpoint, team="job__team"))
    messages.success(request, "The export waits for a host; it takes about a minute.")
    return redirect("job", job.pk)

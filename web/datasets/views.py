"""The pages of datasets: list, overview with upload and report, review, files."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from web.accounts.queries import find, may_edit, memberships, working_team
from web.core.pages import is_fragment, page, paged
from web.datasets import actions, page_queries, queries
from web.datasets.languages import LANGUAGES
from web.datasets.models import Dataset

SECTION = {"section": "datasets"}


@page
def datasets(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    if request.method == "POST":
        team = working_team(user, request.POST.get("team") or None)
        made = actions.create_dataset(
            user, team, request.POST.get("name", ""), request.POST.get("language", "")
        )
        return redirect("dataset", made.pk)
    context = {
        **SECTION,
        "page": paged(request, page_queries.dataset_rows(user), 30),
        "languages": LANGUAGES,
        "language_names": queries.NAMES,
        "teams": [row.team for row in memberships(user)],
    }
    template = "datasets/_list.html" if is_fragment(request) else "datasets/list.html"
    return render(request, template, context)


def _context(request: HttpRequest, pk: UUID, tab: str) -> dict[str, Any]:
    user: Any = request.user
    row = find(Dataset.objects.select_related("team"), user, pk)
    figures = page_queries.summary(row)
    return {
        **SECTION,
        "tab": tab,
        "dataset": row,
        "language": page_queries.language_name(row.language),
        "figures": figures,
        "next": page_queries.next_step(row, figures),
        "may_edit": may_edit(user, row.team),
    }


@page
def dataset(request: HttpRequest, pk: UUID) -> HttpResponse:
    context = _context(request, pk, "overview")
    row = context["dataset"]
    context |= {
        "groups": page_queries.report_groups(row),
        "advice": page_queries.advice(context["figures"]),
        "versions": row.versions.all()[:10],
    }
    template = "datasets/_overview.html" if is_fragment(request) else "datasets/overview.html"
    return render(request, template, context)


@page
def review(request: HttpRequest, pk: UUID) -> HttpResponse:
    context = _context(request, pk, "review")
    which = request.GET.get("show", "all")
    rows = page_queries.utterances(context["dataset"], which, request.GET.get("q", "").strip())
    context |= {
        "page": paged(request, rows, 50),
        "filters": page_queries.FILTERS,
        "which": which,
        "search": request.GET.get("q", ""),
    }
    template = "datasets/_review.html" if is_fragment(request) else "datasets/review.html"
    return render(request, template, context)


@page
def files(request: HttpRequest, pk: UUID) -> HttpResponse:
    context = _context(request, pk, "files")
    context["page"] = paged(request, context["dataset"].sources.all(), 100)
    return render(request, "datasets/files.html", context)


@page
@require_POST
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    user: Any = request.user
    row = find(Dataset.objects.select_related("team"), user, pk)
    actions.delete_dataset(user, row)
    messages.success(request, f"The dataset {row.name} is deleted.")
    return redirect("datasets")


@page
@require_POST
def delete_file(request: HttpRequest, pk: UUID, file: UUID) -> HttpResponse:
    user: Any = request.user
    row = queries.find_dataset(user, pk)
    source = queries.find_source(row, file)
    actions.delete_source(user, row, source)
    messages.success(request, f"{source.name} is deleted. Have the recordings checked again.")
    return redirect("dataset-files", pk)

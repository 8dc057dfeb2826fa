"""The pages of voices, and the catalogue of base voices."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from web.accounts.queries import CAN_EDIT, find, may_edit, memberships
from web.core.pages import is_fragment, page, paged
from web.core.problems import NotFound
from web.voices import actions, page_queries
from web.voices.models import BaseVoice, Voice


@page
def voices(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    found = paged(request, page_queries.voice_rows(user), 30)
    context = {
        "section": "voices",
        "page": found,
        "rows": [(row, page_queries.sample_url(row)) for row in found],
    }
    template = "voices/_list.html" if is_fragment(request) else "voices/list.html"
    return render(request, template, context)


def _voice(request: HttpRequest, pk: UUID) -> Voice:
    user: Any = request.user
    return find(Voice.objects.select_related("team").prefetch_related("files"), user, pk)


@page
def voice(request: HttpRequest, pk: UUID) -> HttpResponse:
    user: Any = request.user
    row = _voice(request, pk)
    context = {
        "section": "voices",
        "voice": row,
        "lineage": row.lineage,
        "scores": page_queries.scores(row),
        "samples": [(file, page_queries.file_url(file)) for file in page_queries.samples(row)],
        "files": [(file, page_queries.file_url(file)) for file in row.files.all()],
        "roles": page_queries.by_role(row),
        "speakers": range(row.num_speakers),
        "may_edit": may_edit(user, row.team),
    }
    return render(request, "voices/voice.html", context)


@page
@require_POST
def rename(request: HttpRequest, pk: UUID) -> HttpResponse:
    user: Any = request.user
    actions.rename_voice(user, _voice(request, pk), request.POST.get("name", ""))
    messages.success(request, "Renamed. The names of its files stay as they are.")
    return redirect("voice", pk)


@page
@require_POST
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    user: Any = request.user
    row = _voice(request, pk)
    actions.delete_voice(user, row)
    messages.success(request, f"The voice {row.name} is deleted.")
    return redirect("voices")


@page
def base_voices(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    rows = page_queries.base_rows(user)
    edited = set(memberships(user).filter(role__in=CAN_EDIT).values_list("team_id", flat=True))
    context = {
        "section": "base-voices",
        "bases": [(row, user.is_staff or row.team_id in edited) for row in rows],
        "may_add": user.is_staff or bool(edited),
    }
    template = "voices/_bases.html" if is_fragment(request) else "voices/bases.html"
    return render(request, template, context)


@page
@require_POST
def delete_base(request: HttpRequest, pk: UUID) -> HttpResponse:
    user: Any = request.user
    row = page_queries.base_rows(user).filter(pk=pk).first()
    if row is None:
        raise NotFound
    actions.delete_base_voice(user, BaseVoice.objects.get(pk=row.pk))
    messages.success(request, f"The base voice {row.name} is deleted.")
    return redirect("base-voices")

"""What all pages share: who may see them, and how a refusal is said."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlsplit

import structlog
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme

from web.core.problems import NotFound, Problem

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def page(view: View[P]) -> View[P]:
    """For signed-in people; a `Problem` becomes a sentence on a page, or a message after a POST."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            if is_fragment(request):
                # Signed out in another tab: the whole page must go, not the fragment.
                response = HttpResponse(status=204)
                response["HX-Refresh"] = "true"
                return response
            return redirect_to_login(request.get_full_path())
        try:
            return view(request, *args, **kwargs)
        except Problem as problem:
            return refusal(request, problem)

    return wrapped


def administrators(view: View[P]) -> View[P]:
    """A page that others can't tell from one that does not exist."""

    @page
    @functools.wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not getattr(request.user, "is_staff", False):
            raise NotFound
        return view(request, *args, **kwargs)

    return wrapped


def refusal(request: HttpRequest, problem: Problem) -> HttpResponse:
    if is_fragment(request):
        return JsonResponse(
            problem.document(), status=problem.status, content_type="application/problem+json"
        )
    if request.method == "POST" and not isinstance(problem, NotFound):
        messages.error(request, f"{problem.title}\n{problem.detail}")
        return back(request)
    template = "404.html" if isinstance(problem, NotFound) else "problem.html"
    return render(request, template, {"problem": problem}, status=problem.status)


def back(request: HttpRequest, otherwise: str = "/") -> HttpResponse:
    """To the page that the form was on."""
    came_from = request.headers.get("referer", "")
    if url_has_allowed_host_and_scheme(came_from, {request.get_host()}):
        parts = urlsplit(came_from)
        return HttpResponseRedirect(parts.path + (f"?{parts.query}" if parts.query else ""))
    return HttpResponseRedirect(otherwise)


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx) and not htmx.boosted


def paged(request: HttpRequest, rows: QuerySet[Any], size: int = 50) -> Page[Any]:
    return Paginator(rows, size).get_page(request.GET.get("page"))


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`: with the reference under which the log has the rest."""
    reference = structlog.contextvars.get_contextvars().get("request_id", "")
    return HttpResponse(render_to_string("500.html", {"reference": reference}), status=500)

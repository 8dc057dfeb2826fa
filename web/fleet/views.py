"""The fleet page, for administrators: hosts, and the queue over all teams."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from web.core.pages import administrators, is_fragment
from web.core.problems import NotFound
from web.fleet import actions, page_queries
from web.fleet.models import Agent
from web.jobs.actions import move_job
from web.jobs.models import Job


def _context() -> dict[str, Any]:
    return {
        "section": "fleet",
        "hosts": page_queries.hosts(),
        "queue": page_queries.queue(),
        "teams": page_queries.teams(),
    }


@administrators
def fleet(request: HttpRequest) -> HttpResponse:
    template = "fleet/_fleet.html" if is_fragment(request) else "fleet/fleet.html"
    return render(request, template, _context())


@administrators
@require_POST
def new_agent(request: HttpRequest) -> HttpResponse:
    """Shows the token this once, so it answers with a page instead of a redirect."""
    user: Any = request.user
    agent, token = actions.create_agent(user, request.POST.get("name", ""))
    return _with_token(request, agent, token)


def _with_token(request: HttpRequest, agent: Agent, token: str) -> HttpResponse:
    context = {
        **_context(),
        "agent": agent,
        "token": token,
        "grpc": settings.SYRINX_AGENT_GRPC_TARGET,
        "nats": settings.SYRINX_AGENT_NATS_URL,
    }
    response = render(request, "fleet/token.html", context)
    response["Cache-Control"] = "no-store"
    return response


@administrators
@require_POST
def steer_agent(request: HttpRequest, pk: UUID, verb: str) -> HttpResponse:
    user: Any = request.user
    agent = get_object_or_404(Agent, pk=pk)
    if verb == "revoke":
        actions.revoke_agent(user, agent)
        messages.success(request, f"{agent.name} is shut out. What it held will be queued again.")
    elif verb in {"drain", "undrain"}:
        actions.drain_agent(user, agent, verb == "drain")
        messages.success(
            request,
            f"{agent.name} finishes what it holds and takes nothing more."
            if verb == "drain"
            else f"{agent.name} takes jobs again.",
        )
    elif verb == "token":
        return _with_token(request, agent, actions.renew_token(user, agent))
    else:
        raise NotFound
    return redirect("fleet")


@administrators
@require_POST
def move(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One place up or down, or to the top."""
    user: Any = request.user
    order = page_queries.queue()
    places = {job.pk: place for place, job in enumerate(order)}
    if pk not in places:
        raise NotFound
    place = places[pk]
    target = {"up": place - 1, "down": place + 2, "top": 0}.get(request.POST.get("to", ""), place)
    before: Job | None = order[max(0, target)] if target < len(order) else None
    move_job(user, order[place], before)
    if is_fragment(request):
        return render(request, "fleet/_fleet.html", _context())
    return redirect("fleet")

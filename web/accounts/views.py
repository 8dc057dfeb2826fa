"""The account page: who you are, your team's limits, your tokens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from web.accounts import actions, queries
from web.core.pages import page
from web.core.problems import NotFound


@page
def account(request: HttpRequest) -> HttpResponse:
    """A POST makes a token and shows it this once, so it answers without a redirect."""
    user: Any = request.user
    token = ""
    if request.method == "POST":
        _, token = actions.create_token(user, request.POST.get("name", ""))
    context = {
        "section": "account",
        "token": token,
        "tokens": queries.tokens(user),
        "teams": [(row, queries.members(row.team)) for row in queries.memberships(user)],
    }
    response = render(request, "accounts/account.html", context)
    if token:
        response["Cache-Control"] = "no-store"
    return response


@page
@require_POST
def revoke(request: HttpRequest, pk: UUID) -> HttpResponse:
    user: Any = request.user
    row = queries.tokens(user).filter(pk=pk).first()
    if row is None:
        raise NotFound
    actions.revoke_token(row)
    messages.success(request, f"The token {row.name} no longer works.")
    return redirect("account")

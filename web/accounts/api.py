"""`/tokens`: a user's own bearer tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field, StringConstraints

from web.accounts import actions, queries
from web.accounts.api_auth import caller
from web.accounts.models import ApiToken
from web.core.paging import Limit, Offset, Page, page_of
from web.core.problems import NotFound

router = Router(tags=["account"])


class TokenIn(Schema):
    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=60),
        Field(description="What it is for, so that you know later which one to revoke."),
    ]


class TokenOut(Schema):
    id: UUID
    name: str
    prefix: str = Field(description="How the token starts.")
    created: datetime
    last_used: datetime | None


class NewTokenOut(TokenOut):
    token: str = Field(description="Shown this once; only its hash is kept.")


def token_out(row: ApiToken) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "prefix": row.prefix,
        "created": row.created,
        "last_used": row.last_used,
    }


@router.get("/tokens", response=Page[TokenOut])
def list_tokens(request: HttpRequest, limit: Limit = 100, offset: Offset = 0) -> Any:
    """Your tokens, newest first, without those that were revoked."""
    return page_of(request, queries.tokens(caller(request)), limit, offset, token_out)


@router.post("/tokens", response={201: NewTokenOut})
def create_token(request: HttpRequest, response: HttpResponse, payload: TokenIn) -> Any:
    """Make a bearer token that can do what you can."""
    row, token = actions.create_token(caller(request), payload.name)
    response["Cache-Control"] = "no-store"
    return Status(201, {**token_out(row), "token": token})


@router.delete("/tokens/{token_id}", response={204: None})
def revoke_token(request: HttpRequest, token_id: UUID) -> Any:
    """Revoke one of your tokens. It stops working at once."""
    row = queries.tokens(caller(request)).filter(pk=token_id).first()
    if row is None:
        raise NotFound
    actions.revoke_token(row)
    return Status(204, None)

"""Hosts, for administrators."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field

from web.accounts.api_auth import caller
from web.accounts.models import User
from web.core.paging import Limit, Offset, Page, page_of
from web.core.problems import NotFound
from web.fleet import actions, queries
from web.fleet.models import Agent

router = Router(tags=["fleet"])


class AgentIn(Schema):
    name: str = Field(min_length=1, max_length=80)


class AgentMade(Schema):
    id: UUID
    name: str
    token: str = Field(description="Shown once.")


class DrainIn(Schema):
    on: bool = True


def _administrator(request: HttpRequest) -> User:
    user = caller(request)
    if not user.is_staff:
        # As if it were not there: who runs the hosts is nobody else's business.
        raise NotFound
    return user


def _agent(request: HttpRequest, agent_id: UUID) -> Agent:
    _administrator(request)
    agent = Agent.objects.filter(pk=agent_id).first()
    if agent is None:
        raise NotFound
    return agent


@router.get("/agents", response=Page[dict[str, Any]])
def list_agents(request: HttpRequest, limit: Limit = 50, offset: Offset = 0) -> Any:
    _administrator(request)
    return page_of(request, Agent.objects.order_by("name"), limit, offset, queries.card)


@router.post("/agents", response={201: AgentMade})
def create_agent(request: HttpRequest, response: HttpResponse, payload: AgentIn) -> Any:
    """Add a host; the answer holds its token, once."""
    response["Cache-Control"] = "no-store"
    agent, token = actions.create_agent(_administrator(request), payload.name)
    return Status(201, {"id": agent.pk, "name": agent.name, "token": token})


@router.post("/agents/{agent_id}/revoke", response={204: None})
def revoke_agent(request: HttpRequest, agent_id: UUID) -> Any:
    """Shut a host out."""
    agent = _agent(request, agent_id)
    actions.revoke_agent(caller(request), agent)
    return Status(204, None)


@router.post("/agents/{agent_id}/drain", response={204: None})
def drain_agent(request: HttpRequest, agent_id: UUID, payload: DrainIn) -> Any:
    """Let a host finish what it holds and take nothing more, or take it back into service."""
    agent = _agent(request, agent_id)
    actions.drain_agent(caller(request), agent, payload.on)
    return Status(204, None)

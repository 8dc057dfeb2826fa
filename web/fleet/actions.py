"""What administrators do with hosts, and what hosts say of themselves."""

from __future__ import annotations

import secrets
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from web.accounts.models import User
from web.accounts.queries import digest
from web.core import audit
from web.core.events import announce
from web.core.problems import Forbidden, Invalid
from web.fleet.models import Agent
from web.fleet.queries import best_waiting, waiting
from web.jobs.agent_actions import claim_job
from web.jobs.models import Job

TOKEN_PREFIX = "sya_"  # noqa: S105 (names the kind of token, so that scanners find leaks)


def create_agent(user: User | None, name: str) -> tuple[Agent, str]:
    """Add a host; the second value is its token, shown once and kept nowhere."""
    _require_administrator(user)
    name = name.strip()[:80]
    if not name:
        raise Invalid("Give the host a name, such as that of the machine.", code="name")
    if Agent.objects.filter(name=name).exists():
        raise Invalid(f"There is a host called {name!r} already.", code="name_taken")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        agent = Agent.objects.create(name=name, token_digest=digest(token), token_prefix=token[:10])
        audit.record(user, "create_agent", agent, name=name)
        announce("fleet")
    return agent, token


def renew_token(user: User | None, agent: Agent) -> str:
    """Replace a host's token; the old one stops working at once."""
    _require_administrator(user)
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(
            token_digest=digest(token), token_prefix=token[:10], revoked=None
        )
        audit.record(user, "renew_token", agent)
    return token


def revoke_agent(user: User, agent: Agent) -> None:
    """Shut a host out. What it holds is queued again when its lease runs out."""
    _require_administrator(user)
    with transaction.atomic():
        if Agent.objects.filter(pk=agent.pk, revoked__isnull=True).update(revoked=timezone.now()):
            audit.record(user, "revoke_agent", agent, name=agent.name)
            announce("fleet")


def drain_agent(user: User, agent: Agent, on: bool) -> None:
    """Let a host finish what it holds and take nothing more, or take it back into service."""
    _require_administrator(user)
    with transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(draining=on)
        audit.record(user, "drain_agent" if on else "undrain_agent", agent)
        announce("fleet")


def register(agent: Agent, **facts: Any) -> None:
    """What a host says of itself: host, devices, versions, capabilities."""
    with transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(**facts, last_seen=Now())
        announce("fleet")


def note_heartbeat(agent: Agent, telemetry: list[dict[str, Any]]) -> bool:
    """The host was heard; returns whether it should drain."""
    Agent.objects.filter(pk=agent.pk).update(last_seen=Now(), telemetry=telemetry)
    agent.refresh_from_db(fields=["draining"])
    return agent.draining


def claim_waiting(agent: Agent, device: str) -> tuple[Job | None, bool]:
    """Take the best waiting job for a device; the second value: what waits is for other hosts."""
    agent.refresh_from_db()
    if agent.draining:
        return None, True
    while True:
        job = best_waiting(agent, device)
        if job is None:
            return None, waiting().exists()
        taken = claim_job(job, agent.pk, agent.name, agent.host, device)
        if taken is not None:
            return taken, False


def _require_administrator(user: User | None) -> None:
    """None is the command line of the portal itself."""
    if user is not None and not user.is_staff:
        raise Forbidden("Only an administrator looks after the hosts.", code="role")

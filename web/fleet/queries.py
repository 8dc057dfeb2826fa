"""Which hosts are there, and which job suits which."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from web.accounts.queries import digest
from web.fleet.models import Agent
from web.jobs.agent_actions import LEASE
from web.jobs.models import Job, JobKind, JobState
from web.jobs.presets import PRESETS

# How long a job keeps away from the host that just lost it, where there is another.
SHY_OF_LOSER = timedelta(seconds=60)
GPU_PRESETS = [preset.key for preset in PRESETS.values() if preset.prefers_gpu]


def agent_of(token: str) -> Agent | None:
    """The agent of a token that is not revoked."""
    return Agent.objects.filter(token_digest=digest(token), revoked__isnull=True).first()


def live_agents() -> QuerySet[Agent]:
    """Hosts heard within one lease."""
    return Agent.objects.filter(revoked__isnull=True, last_seen__gt=Now() - LEASE)


def alive(agent: Agent) -> bool:
    return bool(
        agent.revoked is None and agent.last_seen and agent.last_seen > timezone.now() - LEASE
    )


def has_gpu(agent: Agent) -> bool:
    return any(device["name"] != "cpu" for device in agent.devices)


def holding(agent: Agent) -> QuerySet[Job]:
    """Jobs that run on it now."""
    return Job.objects.filter(state=JobState.RUNNING, agent_id=agent.pk)


def waiting() -> QuerySet[Job]:
    return Job.objects.filter(state=JobState.QUEUED)


def best_waiting(agent: Agent, device: str) -> Job | None:
    """The first waiting job that suits this device and does not suit another host better."""
    others = [other for other in live_agents().filter(draining=False) if other.pk != agent.pk]
    trainers = [agent, *(other for other in others if JobKind.TRAIN in other.capabilities)]
    rows = waiting().filter(kind__in=agent.capabilities)
    if device == "cpu" and any(map(has_gpu, trainers)):
        rows = rows.exclude(kind=JobKind.TRAIN, preset__in=GPU_PRESETS)
    for job in rows.order_by("rank", "queued_at")[:100]:
        if not _just_lost_here(job, agent, others):
            return job
    return None


def _just_lost_here(job: Job, agent: Agent, others: list[Agent]) -> bool:
    """Whether another host should try first."""
    is_first_try = job.attempt == 0
    if is_first_try or not any(job.kind in other.capabilities for other in others):
        return False
    recent = job.attempts.filter(number=job.attempt, ended__gt=timezone.now() - SHY_OF_LOSER)
    return recent.filter(outcome="lease_lost", agent_id=agent.pk).exists()


def card(agent: Agent) -> dict[str, Any]:
    """An agent as the API and the pages show it."""
    return {
        "id": str(agent.pk),
        "name": agent.name,
        "host": agent.host,
        "devices": agent.devices,
        "telemetry": agent.telemetry,
        "versions": agent.versions,
        "capabilities": agent.capabilities,
        "alive": alive(agent),
        "draining": agent.draining,
        "revoked": agent.revoked,
        "last_seen": agent.last_seen,
        "jobs": [
            {"id": str(job.pk), "name": job.name, "kind": job.kind, "stage": job.stage}
            for job in holding(agent)
        ],
    }

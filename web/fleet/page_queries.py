"""What the fleet page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from web.accounts.models import Team
from web.fleet.models import Agent
from web.fleet.queries import alive, has_gpu, holding, live_agents, waiting
from web.jobs.hosts import Host
from web.jobs.models import Job
from web.jobs.page_queries import Quota, quotas


@dataclass(frozen=True)
class DeviceCard:
    """A device with its newest telemetry; memory in bytes, temperature in °C."""

    name: str
    model: str
    memory: int
    used: int
    utilisation: float | None
    temperature: float | None


@dataclass(frozen=True)
class HostCard:
    agent: Agent
    alive: bool
    devices: list[DeviceCard]
    jobs: list[Job]


def hosts() -> list[HostCard]:
    """All hosts that were not revoked; those that are alive first."""
    rows = [
        HostCard(agent, alive(agent), _devices(agent), list(holding(agent).select_related("team")))
        for agent in Agent.objects.filter(revoked__isnull=True)
    ]
    return sorted(rows, key=lambda card: (not card.alive, card.agent.name))


def _devices(agent: Agent) -> list[DeviceCard]:
    now: dict[str, dict[str, Any]] = {row.get("device", ""): row for row in agent.telemetry}
    return [
        DeviceCard(
            name=device.get("name", ""),
            model=device.get("model", ""),
            memory=int(device.get("memory_bytes") or 0),
            used=int(now.get(device.get("name", ""), {}).get("memory_used_bytes") or 0),
            utilisation=now.get(device.get("name", ""), {}).get("utilisation"),
            temperature=now.get(device.get("name", ""), {}).get("temperature_celsius") or None,
        )
        for device in agent.devices
    ]


def queue() -> list[Job]:
    """Waiting jobs of all teams in the order in which they will be taken."""
    return list(waiting().select_related("team", "created_by").order_by("rank", "queued_at"))


def teams() -> list[tuple[Team, list[Quota]]]:
    """Every team with what it uses; those that are at a limit first."""
    found = [(team, quotas(team)) for team in Team.objects.all()]
    return sorted(found, key=lambda row: not any(quota.tight for quota in row[1]))


def hosts_for_jobs() -> list[Host]:
    """Live hosts that take jobs, for the training form."""
    return [Host(agent.name, has_gpu(agent)) for agent in live_agents().filter(draining=False)]

"""`GET /me`: who calls, their teams, and what of the quotas is used.

It stands above the apps because it says something of several.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from web.accounts import queries
from web.accounts.api_auth import caller
from web.accounts.models import Team
from web.jobs.queries import jobs_in_use

router = Router(tags=["account"])


class UserOut(Schema):
    username: str
    administrator: bool = Field(description="Sees and may do everything.")


class StorageOut(Schema):
    used_bytes: int
    quota_bytes: int


class GpuMinutesOut(Schema):
    used: float = Field(description="In this calendar month (UTC).")
    quota: int


class JobsOut(Schema):
    active: int = Field(description="Waiting and running.")
    quota: int


class TeamOut(Schema):
    id: UUID
    name: str
    role: str = Field(description="owner, editor or viewer")
    storage: StorageOut
    gpu_minutes: GpuMinutesOut
    jobs: JobsOut


class MeOut(Schema):
    user: UserOut
    teams: list[TeamOut]


def usage(team: Team) -> dict[str, Any]:
    """What a team uses of its quotas: `{storage, gpu_minutes, jobs}`."""
    return {
        "storage": {
            "used_bytes": team.storage_used_bytes,
            "quota_bytes": team.storage_quota_bytes,
        },
        "gpu_minutes": {
            "used": round(queries.gpu_seconds_used(team) / 60, 2),
            "quota": team.gpu_minutes_quota,
        },
        "jobs": {"active": jobs_in_use(team), "quota": team.jobs_quota},
    }


@router.get("/me", response=MeOut)
def me(request: HttpRequest) -> Any:
    """You, your teams with your role in each, and the teams' quotas and usage."""
    user = caller(request)
    return {
        "user": {"username": user.username, "administrator": user.is_staff},
        "teams": [
            {"id": row.team.pk, "name": row.team.name, "role": row.role, **usage(row.team)}
            for row in queries.memberships(user)
        ],
    }

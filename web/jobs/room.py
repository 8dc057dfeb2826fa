"""What a team's quotas leave room for. Each asks for the lock that makes the answer hold."""

from __future__ import annotations

from web.accounts.models import Team
from web.accounts.queries import gpu_seconds_used
from web.core.problems import QuotaExceeded
from web.jobs.queries import jobs_in_use


def room_for_a_job(team: Team) -> Team:
    """Lock the team's row, so that parallel submissions can't pass the quota together.

    Raises `QuotaExceeded`.
    """
    team = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    active = jobs_in_use(team)
    if active >= team.jobs_quota:
        raise QuotaExceeded(
            f"{team.name} has {active} jobs waiting or running and may have {team.jobs_quota}. "
            "Wait for one to end, cancel one, or ask an administrator for more.",
            code="jobs_quota",
        )
    return team


def room_for_a_training(team: Team) -> Team:
    """As `room_for_a_job`, and there must be minutes and storage left to train with."""
    team = room_for_a_job(team)
    if gpu_seconds_used(team) >= team.gpu_minutes_quota * 60:
        raise QuotaExceeded(
            f"{team.name} has used its {team.gpu_minutes_quota} minutes of training for this "
            "month. They start anew on the 1st; an administrator can raise them before.",
            code="gpu_quota",
        )
    if team.storage_used_bytes >= team.storage_quota_bytes:
        raise QuotaExceeded(
            f"The storage of {team.name} is full, so a training could not keep its checkpoints. "
            "Delete what you no longer need, or ask an administrator for more.",
            code="storage_quota",
        )
    return team
